import Base
import Client
import Model
import Wire

/// A topic as Metadata, DescribeConfigs and ListPartitionReassignments tell it.
struct DescribedTopic: Equatable, Sendable {
  var name: String
  var id: TopicID
  var isInternal: Bool
  var partitions: [Partition]
  /// The values that are not defaults; nil where they were not asked for.
  var configs: [ConfigEntry]?

  struct Partition: Equatable, Sendable {
    var index: Int32
    /// -1 without a leader.
    var leader: BrokerID
    var leaderEpoch: LeaderEpoch
    var replicas: [BrokerID]
    var inSync: [BrokerID]
    var offline: [BrokerID]
    var adding: [BrokerID] = []
    var removing: [BrokerID] = []

    var isMoved: Bool { !adding.isEmpty || !removing.isEmpty }
  }
}

/// Which partitions `topics describe` shows; without a condition all of them.
package struct TopicFilter: Equatable, Sendable {
  package enum Condition: Sendable, CaseIterable {
    case underReplicated, unavailable, underMinISR, atMinISR
  }

  package var conditions: Set<Condition> = []
  /// Only topics with values of their own, and their first lines alone.
  package var withOverrides = false
  package var excludesInternal = false

  package init() {}
}

/// What `topics create` is asked for.
package struct TopicCreation: Sendable {
  package var name: String
  /// Nil: the cluster's `num.partitions`.
  package var partitions: Int32?
  /// Nil: the cluster's `default.replication.factor`.
  package var replicationFactor: Int16?
  /// KEY=VALUE,…
  package var configs: [String] = []
  /// BROKER:BROKER,… for one partition after the other; nil leaves the choice to the controller.
  package var assignment: String?
  package var ifNotExists = false

  package init(name: String) { self.name = name }
}

extension ClusterSession {
  package func listTopics(excludingInternal: Bool) async throws -> Answer {
    TopicText.list(try await topics(nil).filter { !excludingInternal || !$0.isInternal })
  }

  /// - Parameter names: empty: all topics.
  package func describeTopics(_ names: [String], _ filter: TopicFilter) async throws -> Answer {
    var topics = try await topics(names.isEmpty ? nil : names)
    if filter.excludesInternal { topics.removeAll(where: \.isInternal) }
    try await addConfigs(to: &topics)
    try await addReassignments(to: &topics)
    return TopicText.describe(topics, filter, alive: Set(brokers.map(\.id)))
  }

  package func createTopic(_ creation: TopicCreation) async throws -> Answer {
    var request = CreateTopicsRequest()
    request.timeoutMs = Limits.changeTimeoutMs
    request.topics = [try Self.topic(creation)]
    let topic = try await callController(request).topics.first
    let code = topic?.errorCode ?? .unknownServerError
    if code == .topicAlreadyExists, creation.ifNotExists {
      return Answer([], json: TopicText.outcome(creation.name, "exists"), notes: ["topic '\(creation.name)' exists"])
    }
    try check(code, message: topic?.errorMessage, "creating topic '\(creation.name)'", by: controller)
    // Its partitions have leaders when the command ends.
    _ = try await admin.metadata(of: creation.name, autoCreate: true)
    return Answer(["Created topic \(creation.name)."], json: TopicText.outcome(creation.name, "created"))
  }

  static func topic(_ creation: TopicCreation) throws(AdministrationError) -> CreateTopicsRequest.Topic {
    var topic = CreateTopicsRequest.Topic()
    topic.name = creation.name
    topic.configs = try ConfigChange.pairs(creation.configs, of: "--config").map { pair in
      .with {
        $0.name = pair.key
        $0.value = pair.value
      }
    }
    topic.numPartitions = creation.partitions ?? -1
    topic.replicationFactor = creation.replicationFactor ?? -1
    guard let text = creation.assignment else { return topic }
    guard creation.partitions == nil, creation.replicationFactor == nil else {
      throw .argument("--replica-assignment says how many partitions and replicas there are: leave out the numbers")
    }
    topic.assignments = try assignments(text).enumerated().map { index, replicas in
      .with {
        $0.partitionIndex = Int32(index)
        $0.brokerIDs = replicas
      }
    }
    return topic
  }

  /// Reads `1:2,2:3`: the replicas of one partition after the other.
  static func assignments(_ text: String) throws(AdministrationError) -> [[BrokerID]] {
    var assignments: [[BrokerID]] = []
    for partition in text.split(separator: ",", omittingEmptySubsequences: false) {
      let brokers = partition.split(separator: ":", omittingEmptySubsequences: false).map { BrokerID($0) }
      let replicas = brokers.compactMap { $0 }
      guard replicas.count == brokers.count, Set(replicas).count == replicas.count else {
        throw .argument("--replica-assignment \(text): distinct broker ids as in 1:2,2:3 are needed")
      }
      guard replicas.count == assignments.first?.count ?? replicas.count else {
        throw .argument("--replica-assignment \(text): every partition needs as many replicas as the first")
      }
      assignments.append(replicas)
    }
    return assignments
  }

  /// Raises a topic's number of partitions.
  package func growTopic(_ name: String, to count: Int32) async throws -> Answer {
    var request = CreatePartitionsRequest()
    request.timeoutMs = Limits.changeTimeoutMs
    request.topics = [
      .with {
        $0.name = name
        $0.count = count
      }
    ]
    let result = try await callController(request).results.first
    try check(
      result?.errorCode ?? .unknownServerError, message: result?.errorMessage,
      "raising the partitions of '\(name)' to \(count)",
      by: controller)
    return Answer(["Topic \(name) has \(count) partitions."], json: TopicText.outcome(name, "altered"))
  }

  package func deleteTopics(_ names: [String], ifExists: Bool) async throws -> Answer {
    var request = DeleteTopicsRequest()
    request.timeoutMs = Limits.changeTimeoutMs
    request.topicNames = names
    request.topics = names.map { name in .with { $0.name = name } }
    var answer = Answer([], json: .null)
    var outcomes: [JSON] = []
    for topic in try await callController(request).responses {
      let name = topic.name ?? "\(topic.topicID)"
      let isMissing = topic.errorCode == .unknownTopicOrPartition && ifExists
      if topic.errorCode != .none, !isMissing {
        answer.isRefused = true
        answer.notes.append("topic '\(name)' was not deleted: \(Refusal.text(topic.errorCode, topic.errorMessage))")
      }
      let outcome = topic.errorCode == .none ? "deleted" : isMissing ? "missing" : topic.errorCode.name
      outcomes.append(TopicText.outcome(name, outcome))
    }
    answer.json = .array(outcomes)
    return answer
  }

  // MARK: What describes them

  /// - Parameter names: nil: all of them.
  /// - Throws: for a name that no topic has, with the nearest that one has.
  func topics(_ names: [String]?) async throws -> [DescribedTopic] {
    var request = MetadataRequest()
    request.topics = names.map { names in names.map { name in .with { $0.name = name } } }
    request.allowAutoTopicCreation = false
    var described: [DescribedTopic] = []
    for topic in try await call(request).topics.sorted(by: { $0.name ?? "" < $1.name ?? "" }) {
      let name = topic.name ?? ""
      if topic.errorCode == .unknownTopicOrPartition { throw try await missing(name) }
      // A topic without a leader is still described.
      if topic.errorCode != .leaderNotAvailable { try check(topic.errorCode, "describing topic '\(name)'") }
      described.append(DescribedTopic(topic))
    }
    return described
  }

  private func missing(_ name: String) async throws(ClientError) -> AdministrationError {
    var request = MetadataRequest()
    request.allowAutoTopicCreation = false
    let known = try await call(request).topics.compactMap(\.name)
    return AdministrationError("topic '\(name)' does not exist" + Refusal.hint(name, known))
  }

  private func addConfigs(to topics: inout [DescribedTopic]) async throws {
    let entities = topics.map { ConfigEntity.topic($0.name) }
    let described = try await configs(of: entities)
    for (index, entity) in entities.enumerated() {
      topics[index].configs = described.first { $0.entity == entity }?.entries.filter { $0.source != .default }
    }
  }

  /// Clusters older than Kafka 2.4 have no list of reassignments, and then no column for them.
  private func addReassignments(to topics: inout [DescribedTopic]) async throws {
    guard let answer = try await callIfServed(ListPartitionReassignmentsRequest(), to: controller) else { return }
    try check(answer.errorCode, message: answer.errorMessage, "listing reassignments", by: controller)
    for moved in answer.topics {
      guard let place = topics.firstIndex(where: { $0.name == moved.name }) else { continue }
      for partition in moved.partitions {
        guard let index = topics[place].partitions.firstIndex(where: { $0.index == partition.partitionIndex }) else {
          continue
        }
        topics[place].partitions[index].adding = partition.addingReplicas
        topics[place].partitions[index].removing = partition.removingReplicas
      }
    }
  }
}

extension DescribedTopic {
  init(_ topic: MetadataResponse.Topic) {
    name = topic.name ?? ""
    id = topic.topicID
    isInternal = topic.isInternal
    partitions = topic.partitions.map { partition in
      Partition(
        index: partition.partitionIndex, leader: partition.leaderID, leaderEpoch: partition.leaderEpoch,
        replicas: partition.replicaNodes, inSync: partition.isrNodes, offline: partition.offlineReplicas)
    }.sorted { $0.index < $1.index }
  }
}
