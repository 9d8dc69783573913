package import Model

/// The key of a committed offset in `__consumer_offsets`. A record without a value is a tombstone: the offset was deleted or has
/// expired.
package struct OffsetCommitKey: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...1
  package static let flexibleFrom: Int16? = nil
  /// The version that is written. Version 0 has the same layout.
  package static let current: Int16 = 1

  package var group = ""
  package var topic = ""
  package var partition: Int32 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&group)
    try wire.field(&topic)
    try wire.field(&partition)
  }
}

/// A committed offset in `__consumer_offsets`.
package struct OffsetCommitValue: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...4
  package static let flexibleFrom: Int16? = 4
  /// The version that is written, as by Kafka 3.9.
  package static let current: Int16 = 3
  /// The version that is written of an offset with an expiry of its own, which no later version has.
  package static let withExpiry: Int16 = 1

  package var offset: Offset = 0
  /// The leader epoch of the last record that was read; -1: the client does not say.
  package var leaderEpoch: Int32 = -1
  package var metadata = ""
  /// In milliseconds since 1970.
  package var commitTimestamp: Int64 = 0
  /// In milliseconds since 1970; -1: when the broker's retention says.
  package var expireTimestamp: Int64 = -1

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&offset)
    if wire.version >= 3 { try wire.field(&leaderEpoch) }
    try wire.field(&metadata)
    try wire.field(&commitTimestamp)
    if wire.version == 1 { try wire.field(&expireTimestamp) }
    try wire.tags()
  }
}
