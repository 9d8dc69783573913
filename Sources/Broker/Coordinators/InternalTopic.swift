import Cluster
import Model

/// Describes an internal topic as it is created when a coordinator first needs it.
struct InternalTopic: Sendable {
  let name: String
  /// The number of partitions, which counts until the topic exists.
  let partitionCount: Int32
  /// The replication factor in a cluster; a broker that is alone has one replica.
  let replicationFactor: Int16
  /// The wanted `min.insync.replicas`; never more than the replicas that the topic gets.
  let inSyncMin: Int
  /// How many bytes are read at a time while a partition is loaded.
  let loadBytes: Int
  /// The topic's other values.
  private let overrides: [String: String]

  /// Describes `__consumer_offsets`.
  static func groupOffsets(_ config: Config) -> InternalTopic {
    InternalTopic(
      name: TopicName.groupOffsets, partitionCount: Int32(clamping: config.offsetsTopicNumPartitions),
      replicationFactor: config.offsetsTopicReplicationFactor, inSyncMin: 1, loadBytes: config.offsetsLoadBufferSize,
      overrides: [
        "cleanup.policy": "compact", "compression.type": "producer",
        "segment.bytes": "\(config.offsetsTopicSegmentBytes)",
      ])
  }

  /// Describes `__transaction_state`.
  static func transactionState(_ config: Config) -> InternalTopic {
    InternalTopic(
      name: TopicName.transactionState, partitionCount: Int32(clamping: config.transactionStateLogNumPartitions),
      replicationFactor: config.transactionStateLogReplicationFactor, inSyncMin: config.transactionStateLogMinIsr,
      loadBytes: config.transactionStateLogLoadBufferSize,
      overrides: [
        "cleanup.policy": "compact", "compression.type": "uncompressed", "unclean.leader.election.enable": "false",
        "segment.bytes": "\(config.transactionStateLogSegmentBytes)",
      ])
  }

  /// Returns the topic's creation. In a cluster the controller refuses it, as Kafka's does, until there are as many brokers as it is to have
  /// replicas: one made while the others start would have the first alone for good.
  func creation(id: TopicID, inCluster: Bool) -> Controller.Creation {
    let replicas = inCluster ? replicationFactor : 1
    var values = overrides
    if inSyncMin > 1 { values["min.insync.replicas"] = "\(min(inSyncMin, Int(replicas)))" }
    return Controller.Creation(
      NewTopic(name: name, partitionCount: partitionCount, replicationFactor: replicas), id: id,
      configs: .success(values))
  }
}
