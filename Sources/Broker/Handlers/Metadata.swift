import Cluster
import Model
import Synchronization
import Wire

extension LocalBroker {
  /// The brokers (this one) at the address of the client's own listener, and the topics asked for. Topics that are asked
  /// for by name and do not exist are created when the client and the configuration allow it.
  func metadata(_ request: MetadataRequest, _ context: RequestContext) -> Reply<MetadataResponse> {
    var answer = MetadataResponse()
    var broker = MetadataResponse.Broker()
    let endpoint = endpoint(of: context)
    broker.nodeID = brokerID
    broker.host = endpoint.host
    broker.port = Int32(endpoint.port)
    broker.rack = config.rack
    answer.brokers = [broker]
    answer.clusterID = clusterID
    answer.controllerID = brokerID
    let mayCreate = config.autoCreateTopics && (context.version < 4 || request.allowAutoTopicCreation)
    // In version 0, which has no null, an empty list means all.
    if let asked = request.topics, context.version > 0 || !asked.isEmpty {
      answer.topics = asked.map { describe($0, mayCreate: mayCreate) }
    } else {
      answer.topics = topics.all.map { describe($0) }
    }
    if request.includeTopicAuthorizedOperations {
      for index in answer.topics.indices where answer.topics[index].errorCode == .none {
        answer.topics[index].topicAuthorizedOperations = AuthorizedOperations.topic
      }
    }
    if request.includeClusterAuthorizedOperations {
      answer.clusterAuthorizedOperations = AuthorizedOperations.cluster
    }
    return .now(answer)
  }

  func endpoint(of context: RequestContext) -> (host: String, port: UInt16) {
    guard let endpoint = endpoints.withLock({ $0[context.origin.listener] }) else {
      preconditionFailure("a connection came by a listener that was not advertised")
    }
    return (endpoint.host ?? context.origin.localAddress, endpoint.port)
  }

  private func describe(_ asked: MetadataRequest.Topic, mayCreate: Bool) -> MetadataResponse.Topic {
    guard let name = asked.name else {
      if let topic = topics.withID(asked.topicID) { return describe(topic) }
      var missing = MetadataResponse.Topic()
      missing.topicID = asked.topicID
      missing.errorCode = .unknownTopicId
      return missing
    }
    if let topic = topics.named(name) { return describe(topic) }
    var answer = MetadataResponse.Topic()
    answer.name = name
    if mayCreate {
      switch create(name: name) {
      case .success(let topic): return describe(topic)
      case .failure(let refusal): answer.errorCode = refusal.code
      }
    } else {
      answer.errorCode = TopicName.problem(with: name) == nil ? .unknownTopicOrPartition : .invalidTopicException
    }
    return answer
  }

  private func describe(_ topic: Topic) -> MetadataResponse.Topic {
    var answer = MetadataResponse.Topic()
    answer.name = topic.name
    answer.topicID = topic.id
    answer.isInternal = topic.isInternal
    answer.partitions = topic.partitions.enumerated().map { index, partition in
      var described = MetadataResponse.Partition()
      described.partitionIndex = Int32(index)
      described.leaderID = brokerID
      described.leaderEpoch = partition.leaderEpoch
      described.replicaNodes = [brokerID]
      described.isrNodes = [brokerID]
      if !partition.isOnline {
        described.errorCode = .leaderNotAvailable
        described.leaderID = -1
        described.isrNodes = []
        described.offlineReplicas = [brokerID]
      }
      return described
    }
    return answer
  }
}
