import Base
import Model

/// Topics as kafka-topics prints them, and as JSON.
enum TopicText {
  static func list(_ topics: [DescribedTopic]) -> Answer {
    Answer(
      topics.map(\.name),
      json: .array(
        topics.map { .object(["name": .string($0.name), "partitions": .int(Int64($0.partitions.count))]) }))
  }

  static func outcome(_ topic: String, _ outcome: String) -> JSON {
    .object(["topic": .string(topic), "outcome": .string(outcome)])
  }

  /// - Parameter alive: the brokers of the cluster.
  static func describe(_ topics: [DescribedTopic], _ filter: TopicFilter, alive: Set<BrokerID>) -> Answer {
    var answer = Answer([], json: .null)
    var documents: [JSON] = []
    for topic in topics {
      if filter.withOverrides, topic.overrides.isEmpty { continue }
      var shown = topic
      shown.partitions = topic.partitions.filter { partition in
        filter.conditions.allSatisfy { topic.meets($0, partition, alive: alive) }
      }
      if !filter.conditions.isEmpty, shown.partitions.isEmpty { continue }
      // As Kafka's tool, a filter of partitions leaves out the topics' own lines.
      if filter.conditions.isEmpty { answer.lines.append(line(topic)) }
      if !filter.withOverrides { answer.lines += shown.partitions.map { line($0, of: topic.name, alive: alive) } }
      documents.append(json(shown, replicationFactor: topic.replicationFactor))
    }
    answer.json = .array(documents)
    return answer
  }

  private static func line(_ topic: DescribedTopic) -> String {
    var words = ["Topic: \(topic.name)"]
    if topic.id != .zero { words.append("TopicId: \(topic.id)") }
    words.append("PartitionCount: \(topic.partitions.count)")
    words.append("ReplicationFactor: \(topic.replicationFactor)")
    let configs = (topic.configs ?? []).map { "\($0.name)=\($0.value ?? "null")" }
    words.append("Configs: \(configs.joined(separator: ","))")
    return words.joined(separator: "\t")
  }

  private static func line(
    _ partition: DescribedTopic.Partition, of topic: String, alive: Set<BrokerID>
  ) -> String {
    func ids(_ brokers: [BrokerID]) -> String { brokers.map { "\($0)" }.joined(separator: ",") }
    var words = ["", "Topic: \(topic)", "Partition: \(partition.index)"]
    words.append("Leader: \(partition.leader < 0 ? "none" : "\(partition.leader)")")
    words += ["Replicas: \(ids(partition.replicas))", "Isr: \(ids(partition.inSync))"]
    if partition.isMoved {
      words += ["Adding Replicas: \(ids(partition.adding))", "Removing Replicas: \(ids(partition.removing))"]
    }
    if !partition.offline.isEmpty { words.append("Offline: \(ids(partition.offline))") }
    return words.joined(separator: "\t")
  }

  private static func json(_ topic: DescribedTopic, replicationFactor: Int) -> JSON {
    let configs = (topic.configs ?? []).map { JSON.Member(name: $0.name, value: .text($0.value)) }
    let partitions = topic.partitions.map { json($0) }
    return .object([
      "name": .string(topic.name), "topic_id": topic.id == .zero ? .null : .string("\(topic.id)"),
      "internal": .bool(topic.isInternal), "replication_factor": .int(Int64(replicationFactor)),
      "configs": .object(configs), "partitions": .array(partitions),
    ])
  }

  private static func json(_ partition: DescribedTopic.Partition) -> JSON {
    .object([
      "partition": .int(Int64(partition.index)),
      "leader": partition.leader < 0 ? .null : .int(Int64(partition.leader)),
      "leader_epoch": .int(Int64(partition.leaderEpoch)), "replicas": .integers(partition.replicas),
      "isr": .integers(partition.inSync), "offline": .integers(partition.offline),
      "adding": .integers(partition.adding), "removing": .integers(partition.removing),
    ])
  }
}

extension DescribedTopic {
  /// Of the first partition, without replicas that a reassignment adds.
  var replicationFactor: Int {
    partitions.first.map { first in first.replicas.count { !first.adding.contains($0) } } ?? 0
  }

  /// The values that are the topic's own.
  var overrides: [ConfigEntry] { (configs ?? []).filter { $0.source == .topic } }

  fileprivate func meets(_ condition: TopicFilter.Condition, _ partition: Partition, alive: Set<BrokerID>) -> Bool {
    switch condition {
    case .underReplicated: partition.inSync.count < partition.replicas.count { !partition.adding.contains($0) }
    case .unavailable: partition.leader < 0 || !alive.contains(partition.leader)
    case .underMinISR: partition.inSync.count < minInSyncReplicas
    case .atMinISR: partition.inSync.count == minInSyncReplicas
    }
  }

  /// `min.insync.replicas`: among the values that are not defaults, or Kafka's default.
  private var minInSyncReplicas: Int {
    let value = configs?.first { $0.name == "min.insync.replicas" }?.value
    return value.flatMap { Int($0) } ?? 1
  }
}
