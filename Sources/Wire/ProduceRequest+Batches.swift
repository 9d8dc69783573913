package import Model

extension ProduceRequest {
  /// Adds a partition's records; the partitions of a topic follow each other.
  package mutating func add(_ records: Records, to partition: TopicPartition) {
    if topicData.last?.name != partition.topic { topicData.append(.with { $0.name = partition.topic }) }
    topicData[topicData.count - 1].partitionData.append(
      .with { ($0.index, $0.records) = (partition.partition, records) })
  }
}
