import Cluster
import Model
import Synchronization
import Wire

extension LocalBroker {
  /// The brokers (this one) at the address of the client's own listener, and the topics asked for, each once. Topics that are
  /// asked for by name and do not exist are created when the client and the configuration allow it.
  func metadata(_ request: MetadataRequest, _ context: RequestContext) -> Reply<MetadataResponse> {
    let image = image
    let endpoint = endpoint(of: context)
    let asked = AskedMetadata(
      request: request, version: context.version, endpoint: Endpoint(host: endpoint.host, port: endpoint.port),
      mayCreate: config.autoCreateTopics && (context.version < 4 || request.allowAutoTopicCreation))
    let isShort = asked.size(image) <= Limits.servedOnLoop
    if isShort, asked.missing(in: image).isEmpty { return .now(answer(asked, image)) }
    let pending = context.pending(MetadataResponse.self)
    if isShort {
      create(asked, missing: asked.missing(in: image), pending)
    } else {
      offload.submit(.request) {
        let missing = asked.missing(in: image)
        if missing.isEmpty { return pending.complete(self.answer(asked, image)) }
        self.create(asked, missing: missing, pending)
      }
    }
    return .later
  }

  func endpoint(of context: RequestContext) -> (host: String, port: UInt16) {
    guard let endpoint = endpoints.withLock({ $0[context.origin.listener] }) else {
      preconditionFailure("a connection came by a listener that was not advertised")
    }
    return (endpoint.host ?? context.origin.localAddress, endpoint.port)
  }

  /// Creates the missing topics with partitions and replicas as the broker is configured, and answers.
  private func create(_ asked: AskedMetadata, missing: [String], _ pending: PendingAnswer<MetadataResponse>) {
    controller.ask({ random in
      .create(
        missing.map { Controller.Creation(NewTopic(name: $0), id: UUID128.random(using: &random)) },
        validateOnly: false)
    }) { outcomes in
      var refused: [String: ErrorCode] = [:]
      for (name, outcome) in zip(missing, outcomes) {
        // Another client has created it meanwhile, or it is still being deleted.
        if case .refused(let refusal) = outcome, refusal.code != .topicAlreadyExists { refused[name] = refusal.code }
      }
      pending.complete(self.answer(asked, self.image, refused: refused))
    }
  }

  /// - Parameter refused: topics that could not be created.
  private func answer(
    _ asked: AskedMetadata, _ image: MetadataImage, refused: [String: ErrorCode] = [:]
  ) -> MetadataResponse {
    var answer = MetadataResponse()
    var broker = MetadataResponse.Broker()
    broker.nodeID = brokerID
    broker.host = asked.endpoint.host ?? ""
    broker.port = Int32(asked.endpoint.port)
    broker.rack = config.rack
    answer.brokers = [broker]
    answer.clusterID = clusterID
    answer.controllerID = image.controllerID
    if let topics = asked.topics {
      answer.topics = Mentions(topics.lazy.map { AskedMetadata.Named($0) }).firsts.map { index in
        describe(topics[index], asked, image, refused)
      }
    } else {
      answer.topics = image.all.map { describe($0, image) }
    }
    if asked.request.includeTopicAuthorizedOperations {
      for index in answer.topics.indices where answer.topics[index].errorCode == .none {
        answer.topics[index].topicAuthorizedOperations = AuthorizedOperations.topic
      }
    }
    if asked.request.includeClusterAuthorizedOperations {
      answer.clusterAuthorizedOperations = AuthorizedOperations.cluster
    }
    return answer
  }

  private func describe(
    _ wanted: MetadataRequest.Topic, _ asked: AskedMetadata, _ image: MetadataImage, _ refused: [String: ErrorCode]
  ) -> MetadataResponse.Topic {
    var answer = MetadataResponse.Topic()
    guard let name = wanted.name else {
      if let topic = image.withID(wanted.topicID) { return describe(topic, image) }
      answer.topicID = wanted.topicID
      answer.errorCode = .unknownTopicId
      return answer
    }
    if let topic = image.named(name) { return describe(topic, image) }
    answer.name = name
    answer.errorCode =
      if TopicName.problem(with: name) != nil {
        .invalidTopicException
      } else if let code = refused[name] {
        code
      } else {
        // Allowed and not there: it was deleted again, or is still being deleted.
        asked.mayCreate ? .leaderNotAvailable : .unknownTopicOrPartition
      }
    return answer
  }

  private func describe(_ topic: Topic, _ image: MetadataImage) -> MetadataResponse.Topic {
    var answer = MetadataResponse.Topic()
    answer.name = topic.name
    answer.topicID = topic.id
    answer.isInternal = topic.isInternal
    answer.partitions = topic.description.partitions.enumerated().map { index, state in
      var described = MetadataResponse.Partition()
      described.partitionIndex = Int32(index)
      described.leaderID = state.leader
      described.leaderEpoch = state.leaderEpoch
      described.replicaNodes = state.replicas
      described.isrNodes = state.inSyncReplicas
      described.offlineReplicas = state.replicas.filter { !image.brokers.contains($0) }
      if state.leader == brokerID, topic.partition(Int32(index))?.isOnline != true {
        described.leaderID = -1
        described.isrNodes.removeAll { $0 == brokerID }
        described.offlineReplicas = [brokerID]
      }
      if described.leaderID == -1 { described.errorCode = .leaderNotAvailable }
      return described
    }
    return answer
  }
}

/// A Metadata request with what it takes to answer it on another thread.
private struct AskedMetadata: Sendable {
  let request: MetadataRequest
  let version: Int16
  let endpoint: LocalBroker.Endpoint
  let mayCreate: Bool

  /// A topic as it is asked for: by name, or by id.
  struct Named: Hashable {
    let name: String?
    let id: TopicID

    init(_ topic: MetadataRequest.Topic) {
      name = topic.name
      id = topic.name == nil ? topic.topicID : .zero
    }
  }

  /// Nil: all. In version 0, which has no null, an empty list means all.
  var topics: [MetadataRequest.Topic]? {
    guard let topics = request.topics, version > 0 || !topics.isEmpty else { return nil }
    return topics
  }

  /// How many topics and partitions the answer may have; more than can be served on the loop where it is not worth counting.
  func size(_ image: MetadataImage) -> Int {
    guard let topics else { return image.count + image.partitionCount }
    guard topics.count <= Limits.servedOnLoop else { return topics.count }
    return topics.reduce(0) { size, asked in
      let topic = asked.name.map { image.named($0) } ?? image.withID(asked.topicID)
      return size + 1 + (topic?.partitions.count ?? 0)
    }
  }

  /// The topics to be created, each once.
  func missing(in image: MetadataImage) -> [String] {
    guard mayCreate, let topics else { return [] }
    let names = topics.lazy.compactMap(\.name).filter { image.named($0) == nil && TopicName.isValid($0) }
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }
}
