import Cluster
import Model
import Wire

extension LocalBroker {
  /// Creates topics; each is answered for itself, and those created can be produced to when the answer arrives.
  func createTopics(_ request: CreateTopicsRequest, _ context: RequestContext) -> Reply<CreateTopicsResponse> {
    var answer = CreateTopicsResponse()
    let validateOnly = request.validateOnly && context.version >= 1
    for asked in request.topics {
      var answered = CreateTopicsResponse.Topic()
      answered.name = asked.name
      do throws(Refusal) {
        guard request.topics.count(where: { $0.name == asked.name }) == 1 else {
          throw Refusal(.invalidRequest, "Create topics request from client contains multiple entries for the topic.")
        }
        try create(asked, validateOnly: validateOnly, &answered)
      } catch {
        answered.errorCode = error.code
        answered.errorMessage = error.message
      }
      // A topic named twice is refused once.
      if !answer.topics.contains(where: { $0.name == asked.name }) { answer.topics.append(answered) }
    }
    return .now(answer)
  }

  private func create(
    _ asked: CreateTopicsRequest.Topic, validateOnly: Bool, _ answered: inout CreateTopicsResponse.Topic
  ) throws(Refusal) {
    let topic = NewTopic(
      name: asked.name, partitionCount: asked.numPartitions, replicationFactor: asked.replicationFactor,
      assignments: asked.assignments.map { ($0.partitionIndex, $0.brokerIDs) })
    let configs = asked.configs.map { (name: $0.name, value: $0.value) }
    let description = try change { () throws(Refusal) in
      let description = try registry.create(topic, configs: configs, validateOnly: validateOnly)
      if !validateOnly { install(description) }
      return description
    }
    answered.topicID = description.id
    answered.numPartitions = Int32(description.partitions.count)
    answered.replicationFactor = description.replicationFactor
    answered.configs = effectiveConfig(of: description).describe(over: registry.config).map { row in
      var config = CreateTopicsResponse.Config()
      config.name = row.name
      config.value = row.value
      config.readOnly = row.isReadOnly
      config.configSource = row.source.rawValue
      config.isSensitive = row.isSensitive
      return config
    }
  }

  /// For clients that ask for a topic that does not exist: partitions and replicas as the broker is configured.
  func create(name: String) -> Result<Topic, Refusal> {
    do throws(Refusal) {
      try change { () throws(Refusal) in
        if topics.named(name) != nil { return }
        install(try registry.create(NewTopic(name: name)))
      }
    } catch { return .failure(error) }
    guard let topic = topics.named(name) else {
      return .failure(Refusal(.leaderNotAvailable, "the topic was deleted again"))
    }
    return .success(topic)
  }
}
