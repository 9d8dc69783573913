import Cluster
import Model
import Wire

extension LocalBroker {
  /// Elects the leaders of partitions: the preferred replicas, or, of partitions without a leader, any living replica. A request for
  /// all partitions reports only those that needed an election. A partition named twice has one result.
  func electLeaders(_ request: ElectLeadersRequest, _ context: RequestContext) -> HandlerResult<ElectLeadersResponse> {
    guard request.electionType == 0 || request.electionType == 1 else {
      var response = ElectLeadersResponse()
      response.errorCode = .invalidRequest
      return .now(response)
    }
    let pending = context.pending(ElectLeadersResponse.self)
    let image = image
    offload.submit(.request) {
      let names = Self.partitions(of: request, in: image)
      self.controller.ask({ _ in
        .elect(names.map { Controller.RequestedElection($0, isUnclean: request.electionType == 1) })
      }) { outcomes in
        pending.complete(Self.response(names, outcomes, namesAll: request.topicPartitions == nil))
      }
    }
    return .pending
  }

  private static func partitions(of request: ElectLeadersRequest, in image: MetadataImage) -> [TopicPartition] {
    guard let topics = request.topicPartitions else {
      return image.all.flatMap { topic in
        topic.partitions.indices.map { TopicPartition(topic.name, Int32($0)) }
      }
    }
    let named = topics.flatMap { topic in topic.partitions.map { TopicPartition(topic.topic, $0) } }
    return Mentions(named).firsts.map { named[$0] }
  }

  private static func response(
    _ names: [TopicPartition], _ outcomes: [Controller.Outcome], namesAll: Bool
  ) -> ElectLeadersResponse {
    var results: [(name: TopicPartition, refusal: ApiError?)] = []
    for (name, outcome) in zip(names, outcomes) {
      let refusal = outcome.refusal
      if namesAll, refusal?.code == .electionNotNeeded { continue }
      results.append((name, refusal))
    }
    var response = ElectLeadersResponse()
    response.replicaElectionResults = ByTopic(results.map(\.name)).topics.map { topic, places in
      .with {
        $0.topic = topic
        $0.partitionResult = places.map { place in
          .with {
            $0.partitionID = results[place].name.partition
            $0.errorCode = results[place].refusal?.code ?? .none
            $0.errorMessage = results[place].refusal?.message
          }
        }
      }
    }
    return response
  }
}

/// The places of partitions in a list, gathered by topic: responses name each topic once, in the order of first mention.
struct ByTopic {
  private(set) var topics: [(name: String, places: [Int])] = []

  init(_ partitions: [TopicPartition]) {
    var places: [String: Int] = [:]
    for (index, partition) in partitions.enumerated() {
      if let place = places[partition.topic] {
        topics[place].places.append(index)
      } else {
        places[partition.topic] = topics.count
        topics.append((partition.topic, [index]))
      }
    }
  }
}

extension Controller.Outcome {
  var refusal: ApiError? { if case .refused(let refusal) = self { refusal } else { nil } }
}
