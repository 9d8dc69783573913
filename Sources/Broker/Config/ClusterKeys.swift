/// The cluster: its z-node tree, its controller, and how a broker leaves. Sources: as in `BrokerKeys.swift`.
package struct ClusterKeys: KeyTable {
  let zooKeeperConnect = Key<String?>(
    "zookeeper.connect", nil,
    "The ZooKeeper servers that hold the cluster's z-nodes, as host:port,host:port/chroot. If not set, the broker is alone and keeps its z-nodes in a log directory."
  )
  let zooKeeperSessionTimeoutMs = Key(
    "zookeeper.session.timeout.ms", 18_000, .atLeast(1),
    "The time in milliseconds after which ZooKeeper takes a broker for dead that it has not heard of.")
  let zooKeeperConnectionTimeoutMs = Key<Int?>(
    "zookeeper.connection.timeout.ms", nil,
    "The time in milliseconds that a starting broker waits for a connection to ZooKeeper. If not set, zookeeper.session.timeout.ms."
  )
  let interBrokerListenerName = Key<String?>(
    "inter.broker.listener.name", nil,
    "The name of the listener by which other brokers reach this one. If not set, the first listener.")
  let controllerSocketTimeoutMs = Key(
    "controller.socket.timeout.ms", 30_000, .atLeast(1),
    "The time in milliseconds that a request to another broker waits for its response.")
  let autoLeaderRebalanceEnable = Key(
    "auto.leader.rebalance.enable", true,
    "Whether leadership is returned to preferred replicas in the background. The controller looks 5 seconds after its election for the first time."
  )
  let leaderImbalancePercent = Key(
    "leader.imbalance.per.broker.percentage", 10,
    "The percentage of the partitions whose preferred replica a broker has that others may lead. Above it, those partitions are led by the preferred replica again, where it is in sync."
  )
  let leaderImbalanceCheckSeconds = Key<Int64>(
    "leader.imbalance.check.interval.seconds", 300, .atLeast(1),
    "The interval in seconds at which the leader imbalance is checked.")
  let controlledShutdownEnable = Key(
    "controlled.shutdown.enable", true,
    "Whether the controller moves the leaderships of a broker to others before the broker stops.")
  let controlledShutdownMaxRetries = Key(
    "controlled.shutdown.max.retries", 3, .atLeast(0), "The maximum number of retries of a controlled shutdown.")
  let controlledShutdownRetryBackoffMs = Key<Int64>(
    "controlled.shutdown.retry.backoff.ms", 5000, .atLeast(0),
    "The time in milliseconds between two attempts of a controlled shutdown.")
}
