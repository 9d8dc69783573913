/// The metrics of clusters: brokers together and each, elections, in-sync replicas, roles and z-nodes.
extension Metric {
  package static let brokerCPUMostSeconds = Metric(
    "broker_cpu_most_s", "s", .less, .cost,
    "user and system CPU of the cluster's broker that spent most while measuring")
  package static let processWrittenMostBytes = Metric(
    "process_written_most_bytes", "B", .less, .cost,
    "write_bytes of /proc/PID/io of the cluster's broker that wrote most")
  package static let rssMostMiB = Metric(
    "rss_most_mib", "MiB", .less, .cost,
    "resident memory of the cluster's largest broker at the end")
  package static let idleCPUPercent = Metric(
    "idle_cpu_percent", "%", .less, .cost,
    "CPU of all brokers together while nobody uses them, of one core")
  package static let creationMs = Metric(
    "creation_ms", "ms", .less, .latency,
    "from CreateTopics until every broker knows all replicas as in sync")
  package static let detectionMs = Metric(
    "detection_ms", "ms", .less, .latency,
    "from a broker's end until ZooKeeper has ended its session; 0 of one that stops in order")
  package static let electionMs = Metric(
    "election_ms", "ms", .less, .latency,
    "from then, or from the beginning of a stop in order, until the last partition takes a write again")
  package static let outageP50Ms = Metric(
    "outage_p50_ms", "ms", .less, .latency,
    "how long a partition took no write, median of the partitions; a write is tried every 10 ms")
  package static let outageMeanMs = Metric(
    "outage_mean_ms", "ms", .less, .latency,
    "the same, mean of the partitions, or of the kills")
  package static let outageMaxMs = Metric(
    "outage_max_ms", "ms", .less, .latency,
    "the longest that a partition took no write")
  package static let leaderless = Metric(
    "leaderless", "", .less, .fault,
    "partitions without a leader that takes writes, at the end")
  package static let writesAgainMs = Metric(
    "writes_again_ms", "ms", .less, .latency,
    "from the end of a killed leader's session to an acknowledgement by the next in every partition, the longest of the kills"
  )
  package static let kills = Metric("kills", "", .neither, .amount, "how often a leader was killed")
  package static let lostAcknowledged = Metric(
    "lost_acknowledged", "", .less, .fault,
    "records that were acknowledged and are in no log any more")
  package static let lostPerKill = Metric("lost_per_kill", "", .less, .cost, "the same, for each kill of a leader")
  package static let failedRequests = Metric(
    "failed_requests", "", .less, .fault,
    "batches that a producer gave up, or requests that a consumer did, after their retries")
  package static let retries = Metric("retries", "", .less, .cost, "batches that were sent again")
  package static let unchangedBrokers = Metric(
    "unchanged_brokers", "", .less, .fault,
    "brokers that do not have the changed configuration")
  package static let restartMs = Metric(
    "restart_ms", "ms", .less, .latency,
    "from stopping a broker until it is back and all its replicas are in sync, mean of the brokers")
  package static let isrReplicas = Metric(
    "isr_replicas", "", .more, .quality,
    "replicas in sync, mean of the partitions, at a time")
  package static let isrLeast = Metric(
    "isr_least", "", .more, .quality,
    "the fewest replicas in sync of any partition at any time")
  package static let isrShrinks = Metric(
    "isr_shrinks", "", .less, .cost,
    "1 where a replica left the in-sync replicas, else 0")
  package static let isrShrinkMs = Metric(
    "isr_shrink_ms", "ms", .less, .latency,
    "from a follower's stop until it has left the in-sync replicas of all partitions")
  package static let isrGrowMs = Metric(
    "isr_grow_ms", "ms", .less, .latency,
    "from its going on until it is in sync in all partitions again")
  package static let wrongControllers = Metric(
    "wrong_controllers", "", .less, .fault,
    "brokers that name another controller than ZooKeeper does, and controllers that came beside another")
  package static let servedByFollowers = Metric(
    "served_by_followers", "", .less, .fault,
    "reads and writes that a follower took")
  package static let refusedByLeaders = Metric(
    "refused_by_leaders", "", .less, .fault,
    "reads and writes that a leader refused")
  package static let deadInSync = Metric(
    "dead_in_sync", "", .less, .fault,
    "partitions that have a dead broker as leader or in sync")
  package static let leadersLeast = Metric(
    "leaders_least", "", .more, .quality,
    "partitions led by the broker that leads fewest")
  package static let followersLeast = Metric(
    "followers_least", "", .more, .quality,
    "partitions followed by the broker that follows fewest")
  package static let zNodesMissing = Metric(
    "znodes_missing", "", .less, .fault,
    "z-nodes of Kafka's that are not there")
  package static let zNodesDiffering = Metric(
    "znodes_differing", "", .less, .fault,
    "z-nodes that say something else than the brokers do")
  package static let shellDiffering = Metric(
    "shell_differing", "", .less, .fault,
    "paths of which ZooKeeper's shell lists other children")
  package static let zNodesCompared = Metric(
    "znodes_compared", "", .neither, .amount,
    "facts in z-nodes that were looked at")

  /// In the order in which `rows.csv` may have them.
  static let ofClusters: [Metric] = [
    brokerCPUMostSeconds, processWrittenMostBytes, rssMostMiB, idleCPUPercent, creationMs, detectionMs, electionMs,
    outageP50Ms, outageMeanMs, outageMaxMs, leaderless, writesAgainMs, kills, lostAcknowledged, lostPerKill,
    failedRequests, retries, unchangedBrokers, restartMs, isrReplicas, isrLeast, isrShrinks, isrShrinkMs, isrGrowMs,
    wrongControllers, servedByFollowers, refusedByLeaders, deadInSync, leadersLeast, followersLeast, zNodesMissing,
    zNodesDiffering, shellDiffering, zNodesCompared,
  ]
}
