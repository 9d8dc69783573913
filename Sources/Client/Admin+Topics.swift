package import Model
import Wire

extension Admin {
  /// Fetches a topic's partitions and their leaders. Waits up to `timeoutMs` for leaders that are still being elected.
  ///
  /// - Parameter autoCreate: let the broker create a missing topic, if it is configured to.
  package func metadata(
    of topic: String, autoCreate: Bool = false, timeoutMs: Int = 10_000
  ) async throws(ClientError) -> Metadata {
    var waitedMs = 0
    while true {
      do {
        let answer = try await call(Metadata.request(topic: topic, autoCreate: autoCreate))
        return try Metadata(answer, topic: topic, from: endpoint)
      } catch .refused(let endpoint, let what, let code, let message) {
        // A topic that is being created is unknown, or without leaders, for a moment.
        let isWaitingForLeader = code == .leaderNotAvailable || (code == .unknownTopicOrPartition && autoCreate)
        guard isWaitingForLeader, waitedMs < timeoutMs else {
          throw .refused(endpoint, what: what, code: code, message: message)
        }
      }
      try? await Task.sleep(for: .milliseconds(ClientLimits.retryBackoffMs))
      waitedMs += ClientLimits.retryBackoffMs
    }
  }

  /// Creates a topic; returns false when it already existed.
  package func createTopic(
    _ name: String, partitions: Int, replicationFactor: Int = 1, configs: [(key: String, value: String)] = []
  ) async throws(ClientError) -> Bool {
    var request = CreateTopicsRequest()
    request.timeoutMs = 30_000
    request.topics = [
      .with {
        $0.name = name
        $0.numPartitions = Int32(partitions)
        $0.replicationFactor = Int16(replicationFactor)
        $0.configs = configs.map { config in
          .with {
            $0.name = config.key
            $0.value = config.value
          }
        }
      }
    ]
    let answer = try await callController(request) { $0.topics.contains { $0.errorCode == .notController } }
    let topic = answer.topics.first { $0.name == name }
    switch topic?.errorCode {
    case ErrorCode.none?: return true
    case .topicAlreadyExists?: return false
    case let code: throw refusal("creating topic '\(name)'", code, topic?.errorMessage)
    }
  }

  /// Deletes a topic and all its records.
  package func deleteTopic(_ name: String) async throws(ClientError) {
    var request = DeleteTopicsRequest()
    request.timeoutMs = 30_000
    request.topicNames = [name]
    request.topics = [.with { $0.name = name }]
    let answer = try await callController(request) { $0.responses.contains { $0.errorCode == .notController } }
    let topic = answer.responses.first { $0.name == name }
    guard topic?.errorCode == ErrorCode.none else {
      throw refusal("deleting topic '\(name)'", topic?.errorCode, topic?.errorMessage)
    }
  }

  /// Looks up each partition's offset at a timestamp (ListOffsets): `.earliest`, `.latest`, or milliseconds.
  package func offsets(of metadata: Metadata, at timestamp: OffsetSpec) async throws(ClientError) -> [Int32: Offset] {
    var offsets: [Int32: Offset] = [:]
    for (leader, partitions) in Dictionary(grouping: metadata.partitions, by: \.leader) {
      var request = ListOffsetsRequest()
      request.replicaID = -1
      request.topics = [
        .with {
          $0.name = metadata.topic
          $0.partitions = partitions.map { partition in
            .with {
              $0.partitionIndex = partition.index
              $0.timestamp = timestamp.rawValue
            }
          }
        }
      ]
      let answer = try await call(request, to: leader)
      for partition in answer.topics.flatMap(\.partitions) {
        guard partition.errorCode == .none else {
          throw .refused(
            leader.endpoint, what: "the offsets of \(metadata.topic)-\(partition.partitionIndex)",
            code: partition.errorCode, message: nil)
        }
        // Only version 0 returns a list of segment boundaries, and this client does not use it.
        offsets[partition.partitionIndex] = partition.offset
      }
    }
    return offsets
  }

  /// Allocates a producer id, which an idempotent producer needs.
  package func producerID() async throws(ClientError) -> ProducerIdentity {
    var request = InitProducerIdRequest()
    request.transactionTimeoutMs = 60_000
    let answer = try await call(request)
    guard answer.errorCode == .none else { throw refusal("a producer id", answer.errorCode, nil) }
    return ProducerIdentity(id: answer.producerID, epoch: answer.producerEpoch)
  }

  /// Sends a request to the bootstrap broker, and to the controller where that is another one, or has been replaced meanwhile.
  ///
  /// - Parameter isRefused: returns whether the answer is NOT_CONTROLLER.
  private func callController<R: Request>(
    _ request: R, isRefused: (R.Answer) -> Bool
  ) async throws(ClientError) -> R.Answer {
    var answer = try await call(request)
    var waitedMs = 0
    while isRefused(answer), waitedMs < ClientLimits.controllerWaitMs {
      if waitedMs > 0 { try? await Task.sleep(for: .milliseconds(ClientLimits.retryBackoffMs)) }
      waitedMs += ClientLimits.retryBackoffMs
      answer = try await call(request, to: try await controller())
    }
    return answer
  }

  /// Returns the controller; nil where it is the broker at the bootstrap address, or none is known.
  private func controller() async throws(ClientError) -> Metadata.Broker? {
    var request = MetadataRequest()
    request.topics = []
    let answer = try await call(request)
    return answer.brokers.first { $0.nodeID == answer.controllerID }
      .map { Metadata.Broker(id: $0.nodeID, endpoint: Endpoint(host: $0.host, port: Int($0.port))) }
      .flatMap { $0.endpoint == endpoint ? nil : $0 }
  }

  private func refusal(_ what: String, _ code: ErrorCode?, _ message: String?) -> ClientError {
    guard let code else { return .malformed(endpoint, what: "no result for \(what)") }
    return .refused(endpoint, what: what, code: code, message: message)
  }
}

/// Names the position that ListOffsets looks up.
package struct OffsetSpec: RawRepresentable, Hashable, Sendable {
  package var rawValue: Int64
  /// Milliseconds since 1970, or one of Kafka's negative constants.
  package init(rawValue: Int64) { self.rawValue = rawValue }

  package static let latest = OffsetSpec(rawValue: -1)
  package static let earliest = OffsetSpec(rawValue: -2)
}
