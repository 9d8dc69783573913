package import Model
package import NIOCore

// The records of groups of the new protocol (KIP-848) in `__consumer_offsets`, by Kafka's names. Their kinds differ by the versions of their
// keys; every value has version 0.

/// A key that names the group alone.
package protocol ConsumerGroupKey: InternalRecord {
  var groupID: String { get set }
}

/// A key that names a member of a group.
package protocol ConsumerGroupMemberKey: InternalRecord {
  var groupID: String { get set }
  var memberID: String { get set }
}

extension InternalRecord {
  /// The version that is written of a layout that has one.
  package static var onlyVersion: Int16 { versions.upperBound }
}

extension ConsumerGroupKey {
  package static var flexibleFrom: Int16? { nil }
  package mutating func fields(_ wire: inout WireCursor) throws(WireError) { try wire.field(&groupID) }
}

extension ConsumerGroupMemberKey {
  package static var flexibleFrom: Int16? { nil }
  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&groupID)
    try wire.field(&memberID)
  }
}

package struct ConsumerGroupMetadataKey: ConsumerGroupKey {
  package static let versions: ClosedRange<Int16> = 3...3
  package var groupID = ""
  package init() {}
}

/// The group's epoch.
package struct ConsumerGroupMetadataValue: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...0
  package static let flexibleFrom: Int16? = 0

  package var epoch: Int32 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&epoch)
    try wire.tags()
  }
}

package struct ConsumerGroupPartitionMetadataKey: ConsumerGroupKey {
  package static let versions: ClosedRange<Int16> = 4...4
  package var groupID = ""
  package init() {}
}

/// The topics to which members have subscribed.
package struct ConsumerGroupPartitionMetadataValue: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...0
  package static let flexibleFrom: Int16? = 0

  package var topics: [Topic] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topics)
    try wire.tags()
  }

  package struct Topic: WireStruct {
    package var topicID = TopicID.zero
    package var topicName = ""
    package var numPartitions: Int32 = 0
    package var partitionMetadata: [Partition] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&topicID)
      try wire.field(&topicName)
      try wire.field(&numPartitions)
      try wire.field(&partitionMetadata)
      try wire.tags()
    }
  }

  /// The racks of a partition's replicas.
  package struct Partition: WireStruct {
    package var partition: Int32 = 0
    package var racks: [String] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&partition)
      try wire.field(&racks)
      try wire.tags()
    }
  }
}

package struct ConsumerGroupMemberMetadataKey: ConsumerGroupMemberKey {
  package static let versions: ClosedRange<Int16> = 5...5
  package var groupID = ""
  package var memberID = ""
  package init() {}
}

/// What a member has said of itself.
package struct ConsumerGroupMemberMetadataValue: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...0
  package static let flexibleFrom: Int16? = 0

  package var instanceID: String?
  package var rackID: String?
  package var clientID = ""
  package var clientHost = ""
  package var subscribedTopicNames: [String] = []
  package var subscribedTopicRegex: String?
  package var rebalanceTimeoutMs: Int32 = -1
  package var serverAssignor: String?
  /// Of a member of the classic protocol, while a group moves from one protocol to the other.
  package var classicMemberMetadata: ClassicMember?

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&instanceID)
    try wire.field(&rackID)
    try wire.field(&clientID)
    try wire.field(&clientHost)
    try wire.field(&subscribedTopicNames)
    try wire.field(&subscribedTopicRegex)
    try wire.field(&rebalanceTimeoutMs)
    try wire.field(&serverAssignor)
    try wire.tags { (wire: inout WireCursor) throws(WireError) in
      try wire.tag(0, &classicMemberMetadata, default: nil) { (wire, value) throws(WireError) in
        try wire.field(&value)
      }
    }
  }

  package struct ClassicMember: WireStruct {
    package var sessionTimeoutMs: Int32 = 0
    package var supportedProtocols: [ClassicProtocol] = []

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&sessionTimeoutMs)
      try wire.field(&supportedProtocols)
      try wire.tags()
    }
  }

  package struct ClassicProtocol: WireStruct {
    package var name = ""
    package var metadata = ByteBuffer()

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&metadata)
      try wire.tags()
    }
  }
}

package struct ConsumerGroupTargetAssignmentMetadataKey: ConsumerGroupKey {
  package static let versions: ClosedRange<Int16> = 6...6
  package var groupID = ""
  package init() {}
}

/// The group epoch for which the target assignment was computed.
package struct ConsumerGroupTargetAssignmentMetadataValue: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...0
  package static let flexibleFrom: Int16? = 0

  package var assignmentEpoch: Int32 = 0

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&assignmentEpoch)
    try wire.tags()
  }
}

package struct ConsumerGroupTargetAssignmentMemberKey: ConsumerGroupMemberKey {
  package static let versions: ClosedRange<Int16> = 7...7
  package var groupID = ""
  package var memberID = ""
  package init() {}
}

/// A member's partitions in the target assignment.
package struct ConsumerGroupTargetAssignmentMemberValue: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...0
  package static let flexibleFrom: Int16? = 0

  package var topicPartitions: [TopicIDPartitions] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&topicPartitions)
    try wire.tags()
  }
}

package struct ConsumerGroupCurrentMemberAssignmentKey: ConsumerGroupMemberKey {
  package static let versions: ClosedRange<Int16> = 8...8
  package var groupID = ""
  package var memberID = ""
  package init() {}
}

/// The partitions that a member has, and how far it has come to its target.
package struct ConsumerGroupCurrentMemberAssignmentValue: InternalRecord {
  package static let versions: ClosedRange<Int16> = 0...0
  package static let flexibleFrom: Int16? = 0

  package var memberEpoch: Int32 = 0
  package var previousMemberEpoch: Int32 = 0
  /// 0 stable, 1 unrevoked partitions, 2 unreleased partitions.
  package var state: Int8 = 0
  package var assignedPartitions: [TopicIDPartitions] = []
  package var partitionsPendingRevocation: [TopicIDPartitions] = []

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&memberEpoch)
    try wire.field(&previousMemberEpoch)
    try wire.field(&state)
    try wire.field(&assignedPartitions)
    try wire.field(&partitionsPendingRevocation)
    try wire.tags()
  }
}
