import Cluster
import Model
import Security
import Synchronization
import Wire

extension LocalBroker {
  /// Lists the brokers, at the addresses of the listener by which the client came, and the topics asked for, each once. Topics
  /// asked for by name that do not exist are created when the request and `auto.create.topics.enable` allow it.
  func metadata(_ request: MetadataRequest, _ context: RequestContext) -> HandlerResult<MetadataResponse> {
    let image = image
    let endpoint = endpoint(of: context)
    let asked = AskedMetadata(
      request: request, version: context.version, listener: context.origin.listener,
      endpoint: Endpoint(host: endpoint.host, port: endpoint.port),
      mayCreate: config.autoCreateTopics && (context.version < 4 || request.allowAutoTopicCreation))
    let isShort = asked.size(image) <= Limits.servedOnLoop
    if isShort, asked.missing(in: image).isEmpty { return .now(response(to: asked, image)) }
    let pending = context.pending(MetadataResponse.self)
    if isShort {
      create(asked, missing: asked.missing(in: image), pending)
    } else {
      offload.submit(.request) {
        let missing = asked.missing(in: image)
        if missing.isEmpty { return pending.complete(self.response(to: asked, image)) }
        self.create(asked, missing: missing, pending)
      }
    }
    return .pending
  }

  func endpoint(of context: RequestContext) -> (host: String, port: UInt16) {
    guard let endpoint = endpoints.withLock({ $0[context.origin.listener] }) else {
      preconditionFailure("a connection came by a listener that was not advertised")
    }
    return (endpoint.host ?? context.origin.localAddress, endpoint.port)
  }

  /// A broker as clients are to reach it.
  struct BrokerAddress {
    var id: BrokerID
    var host: String
    var port: Int32
    var rack: String?
  }

  /// Returns the addresses of the living brokers for clients of one listener; a broker without that listener is left out, as in Kafka.
  ///
  /// - Parameter own: this broker's address, which may depend on the connection.
  func addresses(
    in image: MetadataImage, listener: String, own: (host: String, port: UInt16)
  ) -> [BrokerAddress] {
    image.brokers.compactMap { broker in
      if broker.id == brokerID {
        return BrokerAddress(id: brokerID, host: own.host, port: Int32(own.port), rack: config.rack)
      }
      return broker.endpoint(listener).map {
        BrokerAddress(id: broker.id, host: $0.host, port: $0.port, rack: broker.rack)
      }
    }
  }

  /// Creates the missing topics with `num.partitions` and `default.replication.factor`, and responds.
  private func create(_ asked: AskedMetadata, missing: [String], _ pending: PendingResponse<MetadataResponse>) {
    controller.ask(
      { random in
        .create(
          missing.map { Controller.Creation(NewTopic(name: $0), id: UUID128.random(using: &random)) },
          validateOnly: false)
      }, elsewhere: .sent
    ) { outcomes in
      var refused: [String: ErrorCode] = [:]
      for (name, outcome) in zip(missing, outcomes) {
        // Another client has created it meanwhile, or it is still being deleted.
        if case .refused(let refusal) = outcome, refusal.code != .topicAlreadyExists { refused[name] = refusal.code }
      }
      pending.complete(self.response(to: asked, self.image, refused: refused))
    }
  }

  /// - Parameter refused: topics that could not be created.
  private func response(
    to asked: AskedMetadata, _ image: MetadataImage, refused: [String: ErrorCode] = [:]
  ) -> MetadataResponse {
    var response = MetadataResponse()
    response.brokers = addresses(
      in: image, listener: asked.listener, own: (asked.endpoint.host ?? "", asked.endpoint.port)
    ).map { address in
      var broker = MetadataResponse.Broker()
      broker.nodeID = address.id
      broker.host = address.host
      broker.port = address.port
      broker.rack = address.rack
      return broker
    }
    response.clusterID = clusterID
    response.controllerID = image.controllerID
    if let topics = asked.topics {
      response.topics = Mentions(topics.lazy.map { AskedMetadata.Named($0) }).firsts.map { index in
        describe(topics[index], asked, image, refused)
      }
    } else {
      response.topics = image.all.map { describe($0, image) }
    }
    if asked.request.includeTopicAuthorizedOperations {
      // As in Kafka also of a name that no topic has: kafka-python 2.3 takes the number that means "not asked" for a set of operations.
      for index in response.topics.indices where response.topics[index].errorCode != .unknownTopicId {
        response.topics[index].topicAuthorizedOperations = OperationSet.bits(of: .topic)
      }
    }
    if asked.request.includeClusterAuthorizedOperations {
      response.clusterAuthorizedOperations = OperationSet.bits(of: .cluster)
    }
    return response
  }

  private func describe(
    _ wanted: MetadataRequest.Topic, _ asked: AskedMetadata, _ image: MetadataImage, _ refused: [String: ErrorCode]
  ) -> MetadataResponse.Topic {
    var response = MetadataResponse.Topic()
    guard let name = wanted.name else {
      if let topic = image.withID(wanted.topicID) { return describe(topic, image) }
      response.topicID = wanted.topicID
      response.errorCode = .unknownTopicId
      return response
    }
    if let topic = image.named(name) { return describe(topic, image) }
    response.name = name
    response.errorCode =
      if TopicName.problem(with: name) != nil {
        .invalidTopicException
      } else if let code = refused[name] {
        code
      } else {
        // Its creation succeeded, and it was deleted since; or its deletion is not finished.
        asked.mayCreate ? .leaderNotAvailable : .unknownTopicOrPartition
      }
    return response
  }

  private func describe(_ topic: Topic, _ image: MetadataImage) -> MetadataResponse.Topic {
    var response = MetadataResponse.Topic()
    response.name = topic.name
    response.topicID = topic.id
    response.isInternal = topic.isInternal
    response.partitions = topic.description.partitions.indices.map { describe(partition: $0, of: topic, image) }
    return response
  }

  /// Describes a partition by its index; its leader is none while this broker leads it and its log directory is offline.
  func describe(partition index: Int, of topic: Topic, _ image: MetadataImage) -> MetadataResponse.Partition {
    let state = topic.description.partitions[index]
    var described = MetadataResponse.Partition()
    described.partitionIndex = Int32(index)
    described.leaderID = state.leader
    described.leaderEpoch = state.leaderEpoch
    described.replicaNodes = state.replicas
    described.isrNodes = state.inSyncReplicas
    described.offlineReplicas = state.replicas.filter { image.broker($0) == nil || state.offlineReplicas.contains($0) }
    if state.leader == brokerID, topic.partition(Int32(index))?.isOnline != true {
      described.leaderID = -1
      described.isrNodes.removeAll { $0 == brokerID }
      described.offlineReplicas = [brokerID]
    }
    if described.leaderID == -1 { described.errorCode = .leaderNotAvailable }
    return described
  }
}

/// A Metadata request with the values of its connection and version that the response needs, for use on any thread.
private struct AskedMetadata: Sendable {
  let request: MetadataRequest
  let version: Int16
  /// The name of the listener by which the client came.
  let listener: String
  let endpoint: LocalBroker.Endpoint
  let mayCreate: Bool

  /// The name by which a topic is asked for, or its id when it has none.
  struct Named: Hashable {
    let name: String?
    let id: TopicID

    init(_ topic: MetadataRequest.Topic) {
      name = topic.name
      id = topic.name == nil ? topic.topicID : .zero
    }
  }

  /// The topics asked for; nil asks for all. In version 0, which has no null, an empty list asks for all.
  var topics: [MetadataRequest.Topic]? {
    guard let topics = request.topics, version > 0 || !topics.isEmpty else { return nil }
    return topics
  }

  /// The number of topics and partitions that the response can have. A request that names more topics than
  /// `Limits.servedOnLoop` is not counted further: its number of topics is returned.
  func size(_ image: MetadataImage) -> Int {
    guard let topics else { return image.count + image.partitionCount }
    guard topics.count <= Limits.servedOnLoop else { return topics.count }
    return topics.reduce(0) { size, asked in
      let topic = asked.name.map { image.named($0) } ?? image.withID(asked.topicID)
      return size + 1 + (topic?.partitions.count ?? 0)
    }
  }

  /// Returns the names of the topics to be created, each once.
  func missing(in image: MetadataImage) -> [String] {
    guard mayCreate, let topics else { return [] }
    let names = topics.lazy.compactMap(\.name).filter { image.named($0) == nil && TopicName.isValid($0) }
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }
}
