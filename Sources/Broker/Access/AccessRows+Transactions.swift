import Model
import Security
package import Wire

// The rights of APIs about idempotent and transactional producers.

extension AccessNeed {
  /// The right on the transactional id of a request, without which all of it is refused.
  static func wholeTransaction(_ operation: AclOperation) -> AccessNeed {
    AccessNeed(operation, on: .transactionalID, .whole(.transactionalIdAuthorizationFailed))
  }
}

extension InitProducerIdResponse: WholeError {}
extension InitProducerIdRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(
      .write, on: .transactionalID, .whole(.transactionalIdAuthorizationFailed), when: "it names a transactional id"),
    AccessNeed(
      .idempotentWrite, on: .cluster, .whole(.clusterAuthorizationFailed),
      when: "it names none, and Write is allowed on no topic at all"))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<InitProducerIdResponse> {
    if let id = transactionalID {
      return access.allows(.write, .transactionalID, id)
        ? .allowed : .refused(.refusing(.transactionalIdAuthorizationFailed))
    }
    let mayWrite =
      access.allowsOnCluster(.idempotentWrite)
      || access.snapshot.authorizer.allowsOnAny(access.requester, .write, of: .topic)
    return mayWrite ? .allowed : .refused(.refusing(.clusterAuthorizationFailed))
  }
}

extension AddPartitionsToTxnRequest: GuardedRequest {
  package static let access = AccessRow(
    .wholeTransaction(.write),
    AccessNeed(.write, on: .topic, .part(.topicAuthorizationFailed)),
    AccessNeed(
      .clusterAction, on: .cluster, .whole(.clusterAuthorizationFailed),
      when: "the version is 4 or later: a broker asks"),
    note: "Where one topic is refused, nothing is added: the others get OPERATION_NOT_ATTEMPTED.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<AddPartitionsToTxnResponse> {
    var response = AddPartitionsToTxnResponse()
    guard version < 4 else {
      guard !access.allowsOnCluster(.clusterAction) else { return .allowed }
      response.errorCode = .clusterAuthorizationFailed
      return .refused(response)
    }
    guard access.allows(.write, .transactionalID, v3AndBelowTransactionalID) else {
      response.resultsByTopicV3AndBelow = v3AndBelowTopics.map { Self.result($0, .transactionalIdAuthorizationFailed) }
      return .refused(response)
    }
    let refused = Set(v3AndBelowTopics.map(\.name).filter { !access.allows(.write, .topic, $0) })
    guard !refused.isEmpty else { return .allowed }
    response.resultsByTopicV3AndBelow = v3AndBelowTopics.map { topic in
      Self.result(topic, refused.contains(topic.name) ? .topicAuthorizationFailed : .operationNotAttempted)
    }
    return .refused(response)
  }

  private static func result(_ topic: Topic, _ code: ErrorCode) -> AddPartitionsToTxnResponse.Topic {
    .with {
      $0.name = topic.name
      $0.resultsByPartition = topic.partitions.map { partition in
        .with {
          $0.partitionIndex = partition
          $0.partitionErrorCode = code
        }
      }
    }
  }
}

extension AddOffsetsToTxnResponse: WholeError {}
extension AddOffsetsToTxnRequest: GuardedRequest {
  package static let access = AccessRow(.wholeTransaction(.write), .wholeGroup(.read))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<AddOffsetsToTxnResponse> {
    guard access.allows(.write, .transactionalID, transactionalID) else {
      return .refused(.refusing(.transactionalIdAuthorizationFailed))
    }
    return access.allows(.read, .group, groupID) ? .allowed : .refused(.refusing(.groupAuthorizationFailed))
  }
}

extension EndTxnResponse: WholeError {}
extension EndTxnRequest: GuardedRequest {
  package static let access = AccessRow(.wholeTransaction(.write))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<EndTxnResponse> {
    access.allows(.write, .transactionalID, transactionalID)
      ? .allowed : .refused(.refusing(.transactionalIdAuthorizationFailed))
  }
}

extension WriteTxnMarkersRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.alter, .clusterAction, on: .cluster, .whole(.clusterAuthorizationFailed)),
    note: "The error stands at each partition.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<WriteTxnMarkersResponse> {
    guard !access.allowsOnCluster(.alter), !access.allowsOnCluster(.clusterAction) else { return .allowed }
    var response = WriteTxnMarkersResponse()
    response.markers = markers.map { marker in
      .with {
        $0.producerID = marker.producerID
        $0.topics = marker.topics.map { topic in
          .with {
            $0.name = topic.name
            $0.partitions = topic.partitionIndexes.map { partition in
              .with {
                $0.partitionIndex = partition
                $0.errorCode = .clusterAuthorizationFailed
              }
            }
          }
        }
      }
    }
    return .refused(response)
  }
}

extension TxnOffsetCommitRequest: GuardedRequest {
  package static let access = AccessRow(.wholeTransaction(.write), .wholeGroup(.read), .topic(.read))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<TxnOffsetCommitResponse> {
    var code: ErrorCode?
    if !access.allows(.write, .transactionalID, transactionalID) {
      code = .transactionalIdAuthorizationFailed
    } else if !access.allows(.read, .group, groupID) {
      code = .groupAuthorizationFailed
    }
    if let code {
      var response = TxnOffsetCommitResponse()
      response.topics = topics.map { Self.refused($0, code) }
      return .refused(response)
    }
    let refused = access.withhold(&topics, .read, .topic, { $0.name })
      .map { Self.refused($0, .topicAuthorizationFailed) }
    return refused.isEmpty ? .allowed : .partly(isEmpty: topics.isEmpty) { $0.topics += refused }
  }

  private static func refused(_ topic: Topic, _ code: ErrorCode) -> TxnOffsetCommitResponse.Topic {
    .with {
      $0.name = topic.name
      $0.partitions = topic.partitions.map { partition in
        .with {
          $0.partitionIndex = partition.partitionIndex
          $0.errorCode = code
        }
      }
    }
  }
}

extension DescribeTransactionsRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.describe, on: .transactionalID, .part(.transactionalIdAuthorizationFailed)),
    AccessNeed(.describe, on: .topic, .leftOut))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DescribeTransactionsResponse> {
    let refused = access.withhold(&transactionalIDs, .describe, .transactionalID, { $0 }).map { id in
      DescribeTransactionsResponse.Transaction.with {
        $0.transactionalID = id
        $0.errorCode = .transactionalIdAuthorizationFailed
      }
    }
    return .partly(isEmpty: transactionalIDs.isEmpty) { response in
      for index in response.transactionStates.indices {
        response.transactionStates[index].topics.removeAll { !access.allows(.describe, .topic, $0.topic) }
      }
      response.transactionStates += refused
    }
  }
}

extension ListTransactionsRequest: GuardedRequest {
  package static let access = AccessRow(AccessNeed(.describe, on: .transactionalID, .leftOut))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<ListTransactionsResponse> {
    .partly { response in
      response.transactionStates.removeAll { !access.allows(.describe, .transactionalID, $0.transactionalID) }
    }
  }
}
