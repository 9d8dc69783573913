/// A protocol that a member can use, with the member's metadata for it: for consumers an assignor's name, and the member's
/// subscription.
package struct GroupProtocol: Equatable, Sendable {
  package var name: String
  package var metadata: [UInt8]

  package init(_ name: String, _ metadata: [UInt8] = []) {
    self.name = name
    self.metadata = metadata
  }
}

/// A member of a group, as its coordinator knows it (Kafka: MemberMetadata).
package struct GroupMember: Equatable, Sendable {
  package internal(set) var id: String
  /// The member's group.instance.id; nil for a dynamic member.
  package let instanceID: String?
  package let clientID: String
  /// The client's address as Kafka writes it: `/127.0.0.1`.
  package let clientHost: String
  /// The time that a rebalance gives the member to join again, and then to ask for its assignment.
  package internal(set) var rebalanceTimeoutMs: Int32
  /// The time without a heartbeat after which the member is removed.
  package internal(set) var sessionTimeoutMs: Int32
  /// In the order of the member's preference; each name once.
  package internal(set) var protocols: [GroupProtocol]
  /// What the leader has assigned to the member in this generation; empty before.
  package internal(set) var assignment: [UInt8] = []

  /// Rises with each new member of the group: the order in which members are listed and led.
  var ordinal: UInt64 = 0
  /// The JoinGroup request that waits for the rebalance to complete.
  var joinRequest: Group.RequestID?
  /// The SyncGroup request that waits for the leader's assignment.
  var syncRequest: Group.RequestID?
  /// The member has not been in a generation yet.
  var isNew = true
  /// The member is in the present generation, and has not asked for its assignment.
  var owesSync = false
  /// When the session ends; nil when that was passed while a request of the member waited, which stands for heartbeats.
  var sessionDeadlineMs: Int64?

  var isStatic: Bool { instanceID != nil }
  var isAwaitingJoin: Bool { joinRequest != nil }
  var isAwaitingSync: Bool { syncRequest != nil }

  /// The member's metadata for a protocol; empty when it does not have it.
  package func metadata(for name: String?) -> [UInt8] { protocols.first { $0.name == name }?.metadata ?? [] }
}
