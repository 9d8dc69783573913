/// A record's place in its partition: 64 bits, unique and rising within the partition, never reused.
///
/// A type of its own so that it cannot be mistaken for a byte position or a count. `offset + 1` and
/// `offset - other` (a number of records) are what callers need of arithmetic.
package struct Offset: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable, ExpressibleByIntegerLiteral {
  package var rawValue: Int64

  @inlinable package init(rawValue: Int64) { self.rawValue = rawValue }
  @inlinable package init(_ rawValue: Int64) { self.rawValue = rawValue }
  @inlinable package init(integerLiteral value: Int64) { self.rawValue = value }

  /// What Kafka writes where an offset is unknown.
  package static let unknown: Offset = -1

  /// The largest offset a batch may begin at: its records' offsets, at most `Int32.max` further, and the one after them are
  /// offsets still.
  @inlinable package static var largestBase: Offset { Offset(Int64.max - Int64(Int32.max) - 1) }

  /// An offset that a file gives; nil for a number that no log has, negative or beyond `largestBase`.
  package init?(stored value: Int64) {
    guard (0...Self.largestBase.rawValue).contains(value) else { return nil }
    self.init(value)
  }

  @inlinable package static func < (a: Offset, b: Offset) -> Bool { a.rawValue < b.rawValue }
  // The defaults of these three are called through a table where another module compares: some 40 instructions each time.
  @inlinable package static func > (a: Offset, b: Offset) -> Bool { a.rawValue > b.rawValue }
  @inlinable package static func <= (a: Offset, b: Offset) -> Bool { a.rawValue <= b.rawValue }
  @inlinable package static func >= (a: Offset, b: Offset) -> Bool { a.rawValue >= b.rawValue }
  @inlinable package static func + (a: Offset, count: Int) -> Offset { Offset(a.rawValue + Int64(count)) }
  @inlinable package static func - (a: Offset, count: Int) -> Offset { Offset(a.rawValue - Int64(count)) }
  @inlinable package static func - (a: Offset, b: Offset) -> Int { Int(a.rawValue - b.rawValue) }
}

extension Offset: CustomStringConvertible {
  package var description: String { String(rawValue) }
}

/// How often a partition's leadership has changed: in each batch header, and fenced on by clients and followers.
package typealias LeaderEpoch = Int32

/// Kafka's broker.id (node.id).
package typealias BrokerID = Int32

/// A partition of a topic, by name.
package struct TopicPartition: Hashable, Comparable, Sendable, CustomStringConvertible {
  package var topic: String
  package var partition: Int32

  package init(_ topic: String, _ partition: Int32) {
    self.topic = topic
    self.partition = partition
  }

  /// `<topic>-<n>`: the name of the partition's directory.
  package var description: String { "\(topic)-\(partition)" }

  package static func < (a: TopicPartition, b: TopicPartition) -> Bool {
    a.topic == b.topic ? a.partition < b.partition : a.topic < b.topic
  }
}
