import Foundation

/// Kafka's own description of its messages (`Golden/messages.txt`, `Golden/records-and-headers.txt`): an independent definition
/// to hold ours against.
struct Schema: Sendable {
  struct Field: Sendable {
    var name: String
    /// `int32`, `string`, …, or the name of a struct; without the `[]` of an array.
    var type: String
    var isArray: Bool
    var versions: ClosedRange<Int16>
    var nullable: ClosedRange<Int16>?
    var tag: UInt32?
    /// Classic lengths whatever the version.
    var neverFlexible = false
    var fields: [Field] = []
  }

  var name: String
  var versions: ClosedRange<Int16>
  var flexible: ClosedRange<Int16>?
  var fields: [Field] = []
  /// Structs that are named once and used in several places.
  var structs: [String: [Field]] = [:]

  static let all: [String: Schema] = {
    var schemas: [String: Schema] = [:]
    for file in ["messages", "records-and-headers"] {
      let url = Bundle.module.url(forResource: "Golden/\(file)", withExtension: "txt")!
      guard let text = try? String(contentsOf: url, encoding: .utf8) else { fatalError("cannot read \(url.path)") }
      for block in text.split(separator: "\n\n") {
        let lines = block.split(separator: "\n").filter { !$0.hasPrefix("#") }
        if lines.isEmpty { continue }
        let schema = Schema(lines)
        schemas[schema.name] = schema
      }
    }
    return schemas
  }()

  /// `Name  key 0  versions 0-11  flexible 9+`, then a line per field, two spaces deeper inside a struct.
  private init(_ lines: [Substring]) {
    let words = lines[0].split(separator: "  ")
    name = String(words[0])
    versions = 0...0
    for word in words.dropFirst() {
      let pair = word.split(separator: " ")
      if pair[0] == "versions" { versions = Self.range(pair[1])! }
      if pair[0] == "flexible" { flexible = Self.range(pair[1]) }
    }
    var rest = lines.dropFirst()
    while let line = rest.first, let structName = Self.structName(line) ?? Optional("") {
      if structName.isEmpty {
        fields.append(Self.field(&rest, depth: 1, versions: versions))
      } else {
        rest.removeFirst()
        var members: [Field] = []
        while let line = rest.first, line.hasPrefix("    ") {
          members.append(Self.field(&rest, depth: Self.depth(line), versions: versions))
        }
        structs[structName] = members
      }
    }
  }

  private static func structName(_ line: Substring) -> String? {
    let text = line.drop { $0 == " " }
    guard text.hasPrefix("struct ") else { return nil }
    return String(text.dropFirst(7).prefix { $0 != " " })
  }

  private static func depth(_ line: Substring) -> Int { line.prefix { $0 == " " }.count / 2 }

  private static func field(_ rest: inout ArraySlice<Substring>, depth: Int, versions: ClosedRange<Int16>) -> Field {
    let words = rest.removeFirst().split(separator: "  ")
    let nameAndType = words[0].drop { $0 == " " }.split(separator: ": ")
    let isArray = nameAndType[1].hasPrefix("[]")
    var field = Field(
      name: String(nameAndType[0]), type: String(nameAndType[1].dropFirst(isArray ? 2 : 0)), isArray: isArray,
      versions: versions)
    for word in words.dropFirst() {
      let pair = word.split(separator: " ")
      switch pair[0] {
      case "nullable": field.nullable = range(pair[1])
      case "tag":
        field.tag = UInt32(pair[1])
        field.versions = range(pair[3])!
      case "flexible": field.neverFlexible = pair[1] == "none"
      case "default", "key": break
      default: field.versions = range(pair[0])!
      }
    }
    while let line = rest.first, Self.depth(line) > depth, structName(line) == nil {
      field.fields.append(Self.field(&rest, depth: depth + 1, versions: field.versions))
    }
    return field
  }

  /// `3`, `3-5`, `3+`; nil for `none`.
  private static func range(_ text: Substring) -> ClosedRange<Int16>? {
    if text == "none" { return nil }
    if text.hasSuffix("+") { return Int16(text.dropLast())!...Int16.max }
    let ends = text.split(separator: "-").map { Int16($0)! }
    return ends[0]...ends[ends.count - 1]
  }
}
