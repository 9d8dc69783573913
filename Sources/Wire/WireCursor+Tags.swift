package import Model
import NIOCore

extension WireCursor {
  /// The end of a struct. Flexible versions have a count of tagged fields here; the others have nothing.
  @inline(never)
  package mutating func tags() throws(WireError) {
    try tags { (_: inout WireCursor) throws(WireError) in }
  }

  /// The end of a struct with tagged fields: `body` names each with `tag`, in rising order of their numbers. Numbers it does not name are skipped.
  @inline(never)
  package mutating func tags(_ body: (inout WireCursor) throws(WireError) -> Void) throws(WireError) {
    guard flexible else { return }
    if reading {
      try readTags(body)
    } else {
      tagged = .counting(0)
      try body(&self)
      guard case .counting(let count) = tagged else { preconditionFailure("a walk of tags changed its mode") }
      writeVarint(UInt32(count))
      tagged = .writing
      try body(&self)
    }
    tagged = .outside
  }

  /// One tagged field: written when it differs from `standard`, absent meaning just that.
  package mutating func tag<T: Equatable>(
    _ number: UInt32, _ value: inout T, default standard: T,
    _ walk: (inout WireCursor, inout T) throws(WireError) -> Void
  ) throws(WireError) {
    switch tagged {
    case .outside:
      preconditionFailure("tag \(number) outside of tags")
    case .counting(let count):
      if value != standard { tagged = .counting(count + 1) }
    case .writing:
      guard value != standard else { return }
      var content = WireCursor(writing: ByteBuffer(), version: version, flexible: flexible)
      try walk(&content, &value)
      writeVarint(number)
      writeVarint(UInt32(content.buffer.readableBytes))
      buffer.writeImmutableBuffer(content.buffer)
    case .reading(number, _):
      tagged = .outside
      try walk(&self, &value)
      tagged = .reading(number, matched: true)
    case .reading:
      break
    }
  }

  private mutating func readTags(_ body: (inout WireCursor) throws(WireError) -> Void) throws(WireError) {
    let count = Int(try readVarint())
    guard count <= left else { throw .invalidCount(count, left: left) }
    let outerEnd = end
    for _ in 0..<count {
      let number = try readVarint()
      let size = Int(try readVarint())
      guard size <= left else { throw .truncated(needed: size, left: left) }
      end = position + size
      tagged = .reading(number, matched: false)
      try body(&self)
      if case .reading(_, matched: true) = tagged, left > 0 { throw .taggedFieldSize(tag: number) }
      position = end
      end = outerEnd
    }
  }
}

extension WireCursor {
  @inline(never)
  package mutating func tag(_ number: UInt32, _ value: inout String?) throws(WireError) {
    try tag(number, &value, default: nil) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  @inline(never)
  package mutating func tag(_ number: UInt32, _ value: inout Bool) throws(WireError) {
    try tag(number, &value, default: false) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  @inline(never)
  package mutating func tag(_ number: UInt32, _ value: inout Int8) throws(WireError) {
    try tag(number, &value, default: 0) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  @inline(never)
  package mutating func tag(_ number: UInt32, _ value: inout Int16) throws(WireError) {
    try tag(number, &value, default: 0) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  @inline(never)
  package mutating func tag(_ number: UInt32, _ value: inout Int64, default standard: Int64) throws(WireError) {
    try tag(number, &value, default: standard) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  @inline(never)
  package mutating func tag(_ number: UInt32, _ value: inout ErrorCode) throws(WireError) {
    try tag(number, &value, default: .none) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  @inline(never)
  package mutating func tag(_ number: UInt32, _ value: inout UUID128) throws(WireError) {
    try tag(number, &value, default: .zero) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  package mutating func tag<T: WireStruct>(_ number: UInt32, _ value: inout T) throws(WireError) {
    try tag(number, &value, default: T()) { (wire, value) throws(WireError) in try wire.field(&value) }
  }

  package mutating func tag<T: WireStruct>(_ number: UInt32, _ value: inout [T]) throws(WireError) {
    try tag(number, &value, default: []) { (wire, value) throws(WireError) in try wire.field(&value) }
  }
}
