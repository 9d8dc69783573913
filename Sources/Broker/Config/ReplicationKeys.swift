import Model

/// The replica from which a consumer reads (`replica.selector.class`).
package enum ReplicaSelectorClass: String, ConfigChoice {
  case leader = "org.apache.kafka.common.replica.LeaderSelector"
  case rackAware = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
}

/// Replication. Sources: as in `BrokerKeys.swift`.
package struct ReplicationKeys: KeyTable {
  let replicaLagMsMax = Key<Int64>(
    "replica.lag.time.max.ms", 30_000,
    "The time in milliseconds after which a follower that has not caught up leaves the ISR.")
  let replicaFetchMaxBytes = Key<Int32>(
    "replica.fetch.max.bytes", 1_048_576, .atLeast(0),
    "The bytes of records that a follower fetches per partition. A larger batch is fetched all the same.")
  let replicaFetchResponseMaxBytes = Key<Int32>(
    "replica.fetch.response.max.bytes", 10_485_760, .atLeast(0),
    "The maximum bytes of the response to a follower's fetch. A larger batch is fetched all the same.")
  let replicaFetchMinBytes = Key<Int32>(
    "replica.fetch.min.bytes", 1, "The minimum bytes of the response to a follower's fetch.")
  let replicaFetchWaitMsMax = Key<Int32>(
    "replica.fetch.wait.max.ms", 500,
    "The maximum time in milliseconds that a follower's fetch waits for replica.fetch.min.bytes.")
  let replicaFetchBackoffMs = Key<Int32>(
    "replica.fetch.backoff.ms", 1000, .atLeast(0),
    "The maximum time in milliseconds for which a follower waits after a fetch error. The first errors in a row are followed by shorter waits."
  )
  let numReplicaFetchers = Key(
    "num.replica.fetchers", 1, .between(1, 1024),
    "The number of fetchers, each with its own connection, over which the partitions are spread that this broker follows at one leader. At most 1024."
  ).dynamic()
  let leaderThrottledRate = Key<Int64>(
    "leader.replication.throttled.rate", .max, .atLeast(0),
    "The maximum bytes per second that this broker, as leader, sends of the replicas in leader.replication.throttled.replicas. Above it, followers that are not in sync get no records of those."
  ).dynamic(.perBroker)
  let followerThrottledRate = Key<Int64>(
    "follower.replication.throttled.rate", .max, .atLeast(0),
    "The maximum bytes per second that this broker, as follower, fetches of the replicas in follower.replication.throttled.replicas. Above it, those that lag are not fetched."
  ).dynamic(.perBroker)
  let replicationQuotaWindowCount = Key(
    "replication.quota.window.num", 11, .between(1, 10_000), "The number of samples that replication quotas keep.")
  let replicationQuotaWindowSeconds = Key(
    "replication.quota.window.size.seconds", 1, .atLeast(1),
    "The time span in seconds of a replication quota sample.")
  let replicaSelectorClass = Key<ReplicaSelectorClass?>(
    "replica.selector.class", nil,
    "How the replica is selected from which a consumer reads that says in which rack it is (client.rack): RackAwareReplicaSelector refers it to an in-sync replica in its rack (broker.rack), LeaderSelector, and no value, to the leader."
  )
  let replicaSocketTimeoutMs = Key<Int32>(
    "replica.socket.timeout.ms", 30_000, "The timeout in milliseconds of a follower's network requests.")
}
