/// Consumer groups and their committed offsets. Kafka's names and defaults; the sizes of `__consumer_offsets` are in
/// `InternalTopicKeys`.
package struct GroupKeys: KeyTable {
  let sessionTimeoutMsMin = Key<Int32>(
    "group.min.session.timeout.ms", 6000,
    "The minimum session timeout in milliseconds of a group's member. A JoinGroup with a smaller one is refused.")
  let sessionTimeoutMsMax = Key<Int32>(
    "group.max.session.timeout.ms", 1_800_000,
    "The maximum session timeout in milliseconds of a group's member. A JoinGroup with a larger one is refused.")
  let initialRebalanceDelayMs = Key<Int32>(
    "group.initial.rebalance.delay.ms", 3000,
    "The time in milliseconds that the coordinator of an empty group waits for more members before the first rebalance. The wait of a new group is extended while members come."
  )
  let groupSizeMax = Key(
    "group.max.size", Int(Int32.max), .atLeast(1),
    "The maximum number of members of a group. A further one gets GROUP_MAX_SIZE_REACHED.")
  let rebalanceProtocols = Key<[String]>(
    "group.coordinator.rebalance.protocols", ["classic", "consumer"],
    "The rebalance protocols of the group coordinator. Without `consumer` (KIP-848), its heartbeats get UNSUPPORTED_VERSION."
  )
  let consumerSessionTimeoutMs = Key<Int32>(
    "group.consumer.session.timeout.ms", 45_000, .atLeast(1),
    "The session timeout in milliseconds of a member of a group of the consumer protocol (KIP-848).")
  let consumerHeartbeatIntervalMs = Key<Int32>(
    "group.consumer.heartbeat.interval.ms", 5_000, .atLeast(1),
    "The interval in milliseconds at which members of a group of the consumer protocol send heartbeats.")
  let consumerGroupSizeMax = Key(
    "group.consumer.max.size", Int(Int32.max), .atLeast(1),
    "The maximum number of members of a group of the consumer protocol. A further one gets GROUP_MAX_SIZE_REACHED.")
  let offsetMetadataBytesMax = Key(
    "offset.metadata.max.bytes", 4096,
    "The maximum length of the metadata that a client stores with a committed offset.")
  let offsetsRetentionMinutes = Key(
    "offsets.retention.minutes", 10_080, .atLeast(1),
    "The time in minutes after which committed offsets are removed: those of a group without members since it has none, those of topics that a group does not subscribe to and of consumers that assign partitions themselves since the commit. A group without members and offsets is removed, too."
  )
  let offsetsRetentionCheckIntervalMs = Key<Int64>(
    "offsets.retention.check.interval.ms", 600_000, .atLeast(1),
    "The interval in milliseconds at which expired offsets are removed.")
}
