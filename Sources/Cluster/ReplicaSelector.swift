package import Model

/// Chooses the replica from which a consumer reads (KIP-392; Kafka: RackAwareReplicaSelector).
///
/// Worked case: replicas 1 (leader, rack a), 2 and 3 (both in rack b, in sync), ten records. Replica 2 has fetched from 8, replica 3 from
/// 10. A consumer in rack a reads from the leader; one in rack b that wants offset 5 from replica 3, which has more; one in rack b that wants
/// offset 10 from replica 3 too; one in rack c from the leader.
package enum ReplicaSelector {
  /// A replica that may serve a consumer.
  package struct View: Hashable, Sendable {
    package var id: BrokerID
    package var logEnd: Offset
    /// How long ago it last had all records of the leader; `max` if never.
    package var lagMs: Int64

    package init(id: BrokerID, logEnd: Offset, lagMs: Int64) {
      self.id = id
      self.logEnd = logEnd
      self.lagMs = lagMs
    }
  }

  /// Returns the follower in the consumer's rack that has most; nil where the leader is to be read: it is in that rack, or no other replica
  /// there may serve.
  ///
  /// - Parameter rack: returns a broker's rack.
  package static func nearest(
    to clientRack: String, leader: BrokerID, followers: [View], rack: (BrokerID) -> String?
  ) -> BrokerID? {
    guard !clientRack.isEmpty, rack(leader) != clientRack else { return nil }
    return followers.filter { rack($0.id) == clientRack }
      .max { ($0.logEnd, -$0.lagMs, $0.id) < ($1.logEnd, -$1.lagMs, $1.id) }?.id
  }
}
