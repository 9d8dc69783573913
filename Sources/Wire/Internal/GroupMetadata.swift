package import NIOCore

/// The key of a group's metadata in `__consumer_offsets`. A record without a value is a tombstone: the group is gone.
package struct GroupMetadataKey: InternalRecord {
  package static let versions: ClosedRange<Int16> = 2...2
  package static let flexibleFrom: Int16? = nil
  package static let current: Int16 = 2

  package var group = ""

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) { try wire.field(&group) }
}

/// The last generation of a group of the classic protocol, in `__consumer_offsets`.
package struct GroupMetadataValue: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...4
  package static let flexibleFrom: Int16? = 4
  /// The version that is written, as by Kafka 3.9.
  package static let current: Int16 = 3

  /// `consumer` for consumers.
  package var protocolType = ""
  package var generation: Int32 = 0
  /// Nil in a generation without members.
  package var `protocol`: String?
  package var leader: String?
  /// When the group entered its state, in milliseconds since 1970; -1: unknown.
  package var currentStateTimestamp: Int64 = -1
  package var members: [Member] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&protocolType)
    try wire.field(&generation)
    try wire.field(&`protocol`)
    try wire.field(&leader)
    if wire.version >= 2 { try wire.field(&currentStateTimestamp) }
    try wire.field(&members)
    try wire.tags()
  }

  package struct Member: WireStruct {
    package var memberID = ""
    /// Only static members have one.
    package var groupInstanceID: String?
    package var clientID = ""
    package var clientHost = ""
    /// -1 in version 0, where the session timeout stands for it.
    package var rebalanceTimeout: Int32 = -1
    package var sessionTimeout: Int32 = 0
    /// The metadata for the generation's protocol: of consumers a `ConsumerProtocolSubscription`.
    package var subscription = ByteBuffer()
    /// Of consumers a `ConsumerProtocolAssignment`.
    package var assignment = ByteBuffer()

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&memberID)
      if wire.version >= 3 { try wire.field(&groupInstanceID) }
      try wire.field(&clientID)
      try wire.field(&clientHost)
      if wire.version >= 1 { try wire.field(&rebalanceTimeout) }
      try wire.field(&sessionTimeout)
      try wire.field(&subscription)
      try wire.field(&assignment)
      try wire.tags()
    }
  }
}
