import Model
import Security
package import Wire

// The rights of APIs that write, read and remove records, or look at where they are.

extension AccessNeed {
  /// The right on a topic, without which the topic gets TOPIC_AUTHORIZATION_FAILED.
  static func topic(_ operation: AclOperation) -> AccessNeed {
    AccessNeed(operation, on: .topic, .part(.topicAuthorizationFailed))
  }
}

extension ProduceRequest: GuardedRequest {
  package static let access = AccessRow(
    .topic(.write),
    AccessNeed(
      .write, on: .transactionalID, .whole(.transactionalIdAuthorizationFailed), when: "it names a transactional id"),
    note: "With acks=0 a refusal closes the connection.")

  var isUnanswered: Bool { acks == 0 }
  var quotaBytes: QuotaCharge.Bytes { .produced }

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<ProduceResponse> {
    if let id = transactionalID, !access.allows(.write, .transactionalID, id) {
      var response = ProduceResponse()
      response.responses = topicData.map { Self.refused($0, .transactionalIdAuthorizationFailed) }
      return .refused(response)
    }
    let refused = access.withhold(&topicData, .write, .topic, { $0.name })
      .map { Self.refused($0, .topicAuthorizationFailed) }
    guard !refused.isEmpty else { return .allowed }
    return .partly(isEmpty: topicData.isEmpty) { $0.responses += refused }
  }

  private static func refused(_ topic: Topic, _ code: ErrorCode) -> ProduceResponse.Topic {
    .with {
      $0.name = topic.name
      $0.partitionResponses = topic.partitionData.map { data in
        .with {
          $0.index = data.index
          $0.errorCode = code
          $0.baseOffset = .unknown
        }
      }
    }
  }
}

extension FetchRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.read, on: .topic, .part(.topicAuthorizationFailed), when: "a consumer asks"),
    AccessNeed(.clusterAction, on: .cluster, .part(.topicAuthorizationFailed), when: "a follower asks"),
    note: "Asked each time that the topics are read: a fetch session loses what its principal loses.")

  var isByBroker: Bool { replicaID >= 0 || replicaState.replicaID >= 0 }

  /// The handler itself asks: the topics of a session are not in the request.
  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<FetchResponse> { .allowed }
}

extension ListOffsetsRequest: GuardedRequest {
  package static let access = AccessRow(.topic(.describe))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<ListOffsetsResponse> {
    let refused = access.withhold(&topics, .describe, .topic, { $0.name }).map { topic in
      ListOffsetsResponse.Topic.with {
        $0.name = topic.name
        $0.partitions = topic.partitions.map { partition in
          .with {
            $0.partitionIndex = partition.partitionIndex
            $0.errorCode = .topicAuthorizationFailed
          }
        }
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: topics.isEmpty) { $0.topics += refused }
  }
}

extension DeleteRecordsRequest: GuardedRequest {
  package static let access = AccessRow(.topic(.delete))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DeleteRecordsResponse> {
    let refused = access.withhold(&topics, .delete, .topic, { $0.name }).map { topic in
      DeleteRecordsResponse.Topic.with {
        $0.name = topic.name
        $0.partitions = topic.partitions.map { partition in
          .with {
            $0.partitionIndex = partition.partitionIndex
            $0.lowWatermark = .unknown
            $0.errorCode = .topicAuthorizationFailed
          }
        }
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: topics.isEmpty) { $0.topics += refused }
  }
}

extension OffsetForLeaderEpochRequest: GuardedRequest {
  package static let access = AccessRow(
    .topic(.describe), note: "Who may ClusterAction on the cluster, as a follower may, needs no right on the topics.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<OffsetForLeaderEpochResponse> {
    if access.allowsOnCluster(.clusterAction) { return .allowed }
    let refused = access.withhold(&topics, .describe, .topic, { $0.topic }).map { topic in
      OffsetForLeaderEpochResponse.Topic.with {
        $0.topic = topic.topic
        $0.partitions = topic.partitions.map { partition in
          .with {
            $0.partition = partition.partition
            $0.errorCode = .topicAuthorizationFailed
          }
        }
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: topics.isEmpty) { $0.topics += refused }
  }
}

extension DescribeProducersRequest: GuardedRequest {
  package static let access = AccessRow(.topic(.read))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DescribeProducersResponse> {
    let refused = access.withhold(&topics, .read, .topic, { $0.name }).map { topic in
      DescribeProducersResponse.Topic.with {
        $0.name = topic.name
        $0.partitions = topic.partitionIndexes.map { index in
          .with {
            $0.partitionIndex = index
            $0.errorCode = .topicAuthorizationFailed
          }
        }
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: topics.isEmpty) { $0.topics += refused }
  }
}
