import Base
import Model
import NIOCore

extension SplitMix {
  mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }
}

/// Writes random values of a schema's fields, by the schema alone.
struct SchemaBytes {
  let schema: Schema
  let version: Int16
  var random: SplitMix
  private var bytes = ByteBuffer()
  /// Inside a tagged field numbers are never 0 or -1, nor anything empty or null: a field at its default would rightly not be written again.
  private var neverDefault = false

  init(schema: Schema, version: Int16, random: SplitMix) {
    self.schema = schema
    self.version = version
    self.random = random
  }

  mutating func message() -> ByteBuffer {
    bytes = ByteBuffer()
    write(schema.fields)
    return bytes
  }

  private func isFlexible() -> Bool { schema.flexible?.contains(version) ?? false }

  private mutating func write(_ fields: [Schema.Field]) {
    let present = fields.filter { $0.versions.contains(version) }
    for field in present where field.tag == nil { write(field) }
    guard isFlexible() else { return }
    let tagged = present.filter { $0.tag != nil && random.oneIn(2) }.sorted { $0.tag! < $1.tag! }
    varint(UInt32(tagged.count))
    for field in tagged {
      let outside = bytes
      bytes = ByteBuffer()
      let wasNever = neverDefault
      neverDefault = true
      write(field)
      neverDefault = wasNever
      let content = bytes
      bytes = outside
      varint(field.tag!)
      varint(UInt32(content.readableBytes))
      bytes.writeImmutableBuffer(content)
    }
  }

  private mutating func write(_ field: Schema.Field) {
    let isNull = !neverDefault && (field.nullable?.contains(version) ?? false) && random.oneIn(4)
    let members = schema.structs[field.type] ?? field.fields
    if field.isArray {
      if isNull { return length(nil) }
      let count = random.below(4) + (neverDefault ? 1 : 0)
      length(count)
      for _ in 0..<count { element(field, members) }
    } else if isNull {
      switch field.type {
      case "string": length(nil, short: true, classic: field.neverFlexible)
      case "bytes", "records": length(nil)
      default: bytes.writeInteger(Int8(-1))
      }
    } else {
      if !members.isEmpty, field.nullable != nil { bytes.writeInteger(Int8(1)) }
      element(field, members)
    }
  }

  private mutating func element(_ field: Schema.Field, _ members: [Schema.Field]) {
    switch field.type {
    case "bool": bytes.writeInteger(UInt8(neverDefault ? 1 : random.below(2)))
    case "int8": integer(Int8.self)
    case "int16": integer(Int16.self)
    case "uint16": integer(UInt16.self)
    case "int32": integer(Int32.self)
    case "int64", "float64": integer(Int64.self)
    case "uuid":
      integer(Int64.self)
      integer(Int64.self)
    case "string":
      let text = ["", "a", "clicks", "α-topic", "日志", String(repeating: "x", count: 130)][random.below(6)]
      let string = neverDefault ? text + "!" : text
      length(string.utf8.count, short: true, classic: field.neverFlexible)
      bytes.writeString(string)
    case "bytes", "records":
      let count = random.below(20)
      length(count)
      for _ in 0..<count { bytes.writeInteger(UInt8(random.below(256))) }
    default:
      precondition(!members.isEmpty, "\(schema.name): \(field.type) is unknown")
      write(members)
    }
  }

  private mutating func integer<T: FixedWidthInteger>(_ type: T.Type) {
    let interesting: [T] = [.min, .max, 0, 1, 0 &- 1]
    var value = random.oneIn(2) ? interesting[random.below(5)] : T(truncatingIfNeeded: random.next())
    if neverDefault, value == 0 || value == 0 &- 1 { value = 7 }
    bytes.writeInteger(value)
  }

  /// - Parameter short: a string's length has two bytes in the classic form, everything else's four.
  private mutating func length(_ count: Int?, short: Bool = false, classic: Bool = false) {
    if isFlexible() && !classic {
      varint(UInt32((count ?? -1) + 1))
    } else if short {
      bytes.writeInteger(Int16(count ?? -1))
    } else {
      bytes.writeInteger(Int32(count ?? -1))
    }
  }

  private mutating func varint(_ value: UInt32) {
    var rest = value
    while rest >= 128 {
      bytes.writeInteger(UInt8(rest % 128) + 128)
      rest /= 128
    }
    bytes.writeInteger(UInt8(rest))
  }
}
