import Cluster
import Model
import Wire

extension LocalBroker {
  /// Creates topics. Each has a result of its own, and a topic that was created can be produced to when the response arrives. A
  /// topic named twice gets one INVALID_REQUEST.
  func createTopics(_ request: CreateTopicsRequest, _ context: RequestContext) -> HandlerResult<CreateTopicsResponse> {
    let pending = context.pending(CreateTopicsResponse.self)
    let validateOnly = request.validateOnly && context.version >= 1
    controller.ask({ random in
      let mentions = Mentions(request.topics.lazy.map(\.name))
      let singles = mentions.firsts.lazy.map { request.topics[$0] }.filter { !mentions.isDoubled($0.name) }
      return .create(
        singles.map { Controller.Creation($0, id: UUID128.random(using: &random)) }, validateOnly: validateOnly)
    }) { outcomes in
      pending.complete(self.response(to: request, outcomes))
    }
    return .pending
  }

  private func response(to request: CreateTopicsRequest, _ outcomes: [Controller.Outcome]) -> CreateTopicsResponse {
    var response = CreateTopicsResponse()
    let image = image
    let mentions = Mentions(request.topics.lazy.map(\.name))
    var outcomes = outcomes[...]
    var described = 0
    response.topics = mentions.firsts.map { index in
      var topicResponse = CreateTopicsResponse.Topic()
      topicResponse.name = request.topics[index].name
      guard !mentions.isDoubled(topicResponse.name) else {
        topicResponse.refuse(
          ApiError(.invalidRequest, "Create topics request from client contains multiple entries for the topic."))
        return topicResponse
      }
      switch outcomes.popFirst() {
      case .topic(let topic):
        topicResponse.topicID = topic.id
        topicResponse.numPartitions = Int32(topic.partitions.count)
        topicResponse.replicationFactor = topic.replicationFactor
        described += 1
        if described <= Limits.createdTopicsDescribed { topicResponse.describe(topic, image) }
      case .refused(let refusal): topicResponse.refuse(refusal)
      default: preconditionFailure("a creation ends with a topic or a refusal")
      }
      return topicResponse
    }
    return response
  }
}

extension Controller.Creation {
  init(_ asked: CreateTopicsRequest.Topic, id: TopicID) {
    let topic = NewTopic(
      name: asked.name, partitionCount: asked.numPartitions, replicationFactor: asked.replicationFactor,
      assignments: asked.assignments.map { ($0.partitionIndex, $0.brokerIDs) })
    let configs = Result { () throws(ApiError) in
      try TopicConfig.checked(asked.configs.map { (name: $0.name, value: $0.value) })
    }
    self.init(topic, id: id, configs: configs)
  }
}

extension CreateTopicsResponse.Topic {
  fileprivate mutating func refuse(_ refusal: ApiError) {
    errorCode = refusal.code
    errorMessage = refusal.message
  }

  fileprivate mutating func describe(_ topic: TopicDescription, _ image: MetadataImage) {
    let config = TopicConfig(overrides: topic.overrides, broker: image.config)
    configs = config.describe(over: image.config).map { row in
      var config = CreateTopicsResponse.Config()
      config.name = row.name
      config.value = row.value
      config.readOnly = row.isReadOnly
      config.configSource = row.source.rawValue
      config.isSensitive = row.isSensitive
      return config
    }
  }
}
