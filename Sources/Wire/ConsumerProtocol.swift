package import NIOCore

/// What a consumer tells its group's leader when it joins: the `metadata` of JoinGroup, opaque to the broker.
package struct ConsumerProtocolSubscription: ConsumerProtocol {
  package static let versions: ClosedRange<Int16> = 0...3

  package var topics: [String] = []
  package var userData: ByteBuffer?
  /// What the member consumes now, so that a cooperative assignor can leave it there.
  package var ownedPartitions: [ConsumerProtocolAssignment.Topic] = []
  /// The generation `ownedPartitions` is of; -1: none.
  package var generationID: Int32 = -1
  package var rackID: String?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topics)
    try wire.field(&userData)
    if wire.version >= 1 { try wire.field(&ownedPartitions) }
    if wire.version >= 2 { try wire.field(&generationID) }
    if wire.version >= 3 { try wire.field(&rackID) }
  }
}

/// What the group's leader assigns a member: the `assignment` of SyncGroup, opaque to the broker.
package struct ConsumerProtocolAssignment: ConsumerProtocol {
  package static let versions: ClosedRange<Int16> = 0...3

  package var assignedPartitions: [Topic] = []
  package var userData: ByteBuffer?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&assignedPartitions)
    try wire.field(&userData)
  }

  package struct Topic: WireStruct {
    package var topic = ""
    package var partitions: [Int32] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topic)
      try wire.field(&partitions)
    }
  }
}

/// Bytes that clients exchange through the coordinator: their version as an int16, then the fields.
package protocol ConsumerProtocol: WireVersioned {}

extension ConsumerProtocol {
  package static var flexibleFrom: Int16? { nil }

  /// A version newer than ours is read as our newest, since new fields come last.
  package init(prefixed buffer: inout ByteBuffer) throws(WireError) {
    guard let version = buffer.readInteger(as: Int16.self) else {
      throw .truncated(needed: 2, left: buffer.readableBytes)
    }
    try self.init(reading: &buffer, version: min(version, Self.versions.upperBound))
  }

  package consuming func prefixed(version: Int16) -> ByteBuffer {
    var buffer = ByteBuffer(integer: version)
    buffer.writeImmutableBuffer(written(version: version))
    return buffer
  }
}
