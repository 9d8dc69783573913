import Model

/// The replicas on a broker, by topic and partition number.
struct HostedReplicas {
  private var byTopic: [String: [Int32: Partition]] = [:]
  /// All of them in order, as long as none comes or goes: every second several pieces of housekeeping look at each.
  private var ordered: [Partition]?

  subscript(topic: String) -> [Int32: Partition]? { byTopic[topic] }

  mutating func put(_ partition: Partition, as name: TopicPartition) {
    ordered = nil
    byTopic[name.topic, default: [:]][name.partition] = partition
  }

  mutating func remove(_ name: TopicPartition) -> Partition? {
    ordered = nil
    let partition = byTopic[name.topic]?.removeValue(forKey: name.partition)
    if byTopic[name.topic]?.isEmpty == true { byTopic[name.topic] = nil }
    return partition
  }

  /// By topic, and by number.
  mutating func inOrder() -> [Partition] {
    if let ordered { return ordered }
    let all = byTopic.sorted { $0.key < $1.key }.flatMap { $0.value.sorted { $0.key < $1.key }.map(\.value) }
    ordered = all
    return all
  }
}
