import Cluster
import Model
import Wire

// What the coordinator of a transaction, and the leaders of its partitions, ask of each other when they are on different brokers.

extension LocalBroker {
  /// Asks the coordinator of a transactional id on another broker whether partitions were added to a transaction, or adds them.
  ///
  /// - Parameters:
  ///   - coordinator: the broker that leads the id's partition.
  ///   - adds: whether they are to be added.
  ///   - then: gets the answer; COORDINATOR_NOT_AVAILABLE where the broker is not reached.
  func askCoordinator(
    _ coordinator: BrokerID, _ question: Transactions.AddPartitions, adds: Bool,
    then: @escaping @Sendable (Transactions.Response) -> Void
  ) {
    var asked = AddPartitionsToTxnRequest.Transaction()
    asked.transactionalID = question.transactionalID
    asked.producerID = question.producer.id
    asked.producerEpoch = question.producer.epoch
    asked.verifyOnly = !adds
    asked.topics = ByTopic(question.partitions).topics.map { name, places in
      .with { ($0.name, $0.partitions) = (name, places.map { question.partitions[$0].partition }) }
    }
    var request = AddPartitionsToTxnRequest()
    request.transactions = [asked]
    // The version says which the producer's transaction version is.
    let limit = question.version >= TransactionState.Limits.epochRisesFrom ? .max : Self.addPartitionsOfVersion2From - 1
    peers.send(request, to: coordinator, purpose: .coordination, limit: limit) { result in
      switch result {
      case .failure: then(.refused(.coordinatorNotAvailable))
      case .success(let answer) where answer.errorCode != .none: then(.refused(answer.errorCode))
      case .success(let answer):
        // The coordinator takes all partitions or none, so one code speaks for all.
        let codes = answer.resultsByTransaction.flatMap(\.topicResults).flatMap(\.resultsByPartition)
          .map(\.partitionErrorCode)
        let refused = codes.first { $0 != .none && $0 != .operationNotAttempted } ?? codes.first { $0 != .none }
        then(refused.map { .refused($0) } ?? .done)
      }
    }
  }

  /// A leader that has just started may not have heard of all topics: whether a topic is gone this broker knows by itself.
  static func markerCode(_ code: ErrorCode) -> ErrorCode {
    code == .unknownTopicOrPartition ? .notLeaderOrFollower : code
  }

  /// Writes the markers of a transaction to partitions that other brokers lead.
  ///
  /// - Parameter done: gets the error of each partition, in their order.
  func writeMarkers(
    _ marker: EndTransactionMarker, of producer: ProducerIdentity, to partitions: [TopicPartition],
    at leader: BrokerID, done: @escaping @Sendable ([ErrorCode]) -> Void
  ) {
    var asked = WriteTxnMarkersRequest.Marker()
    asked.producerID = producer.id
    asked.producerEpoch = producer.epoch
    asked.coordinatorEpoch = marker.coordinatorEpoch
    asked.transactionResult = marker.outcome == .commit
    asked.topics = ByTopic(partitions).topics.map { name, places in
      .with { ($0.name, $0.partitionIndexes) = (name, places.map { partitions[$0].partition }) }
    }
    var request = WriteTxnMarkersRequest()
    request.markers = [asked]
    peers.send(request, to: leader, purpose: .markers(of: producer.id)) { result in
      guard case .success(let answer) = result else { return done(partitions.map { _ in .notLeaderOrFollower }) }
      var codes: [TopicPartition: ErrorCode] = [:]
      for topic in answer.markers.flatMap(\.topics) {
        for partition in topic.partitions {
          codes[TopicPartition(topic.name, partition.partitionIndex)] = partition.errorCode
        }
      }
      done(partitions.map { Self.markerCode(codes[$0] ?? .unknownServerError) })
    }
  }
}
