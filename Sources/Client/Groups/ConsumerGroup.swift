package import Model
package import NIOCore
import Wire

/// The consumer protocol: what members of a group of consumers tell each other through the coordinator.
package enum ConsumerGroup {
  package static let protocolType = "consumer"

  /// Assigns partitions to the members that the coordinator told the leader.
  ///
  /// - Parameter partitions: the number of partitions of each topic.
  static func assign(
    _ members: [JoinGroupResponse.Member], by assignor: Assignor, _ partitions: [String: Int32]
  ) -> [SyncGroupRequest.Assignment] {
    let assigned = assignor.assign(members.map { GroupMember($0) }, partitions: partitions)
    return members.map { member in
      .with {
        $0.memberID = member.memberID
        $0.assignment = assignment(assigned[member.memberID] ?? [])
      }
    }
  }

  private static func assignment(_ partitions: [TopicPartition]) -> ByteBuffer {
    var assignment = ConsumerProtocolAssignment()
    assignment.assignedPartitions = Dictionary(grouping: partitions, by: \.topic).sorted { $0.key < $1.key }
      .map { topic, partitions in
        .with {
          $0.topic = topic
          $0.partitions = partitions.map(\.partition).sorted()
        }
      }
    return assignment.prefixed(version: ConsumerProtocolAssignment.versions.upperBound)
  }

  /// Reads what the leader assigned; nil for bytes that are no assignment. No bytes assign nothing.
  package static func partitions(in assignment: ByteBuffer) -> [TopicPartition]? {
    var bytes = assignment
    guard bytes.readableBytes > 0 else { return [] }
    guard let read = try? ConsumerProtocolAssignment(prefixed: &bytes) else { return nil }
    return read.assignedPartitions.flatMap { topic in topic.partitions.map { TopicPartition(topic.topic, $0) } }
  }
}

extension GroupMember {
  /// A member whose subscription cannot be read is subscribed to nothing.
  fileprivate init(_ member: JoinGroupResponse.Member) {
    var bytes = member.metadata
    let subscription = (try? ConsumerProtocolSubscription(prefixed: &bytes)) ?? ConsumerProtocolSubscription()
    self.init(
      id: member.memberID, instanceID: member.groupInstanceID, topics: subscription.topics,
      owned: subscription.ownedPartitions.flatMap { topic in
        topic.partitions.map { TopicPartition(topic.topic, $0) }
      }, generation: subscription.generationID)
  }
}
