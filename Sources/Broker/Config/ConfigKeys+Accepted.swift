// Keys of Apache Kafka 3.9 that are accepted without effect: what they configure does not exist in Millrace (Kerberos,
// delegation tokens, KRaft, tiered storage), or needs no configuration. Their values are checked,
// so that a configuration written for Kafka starts Millrace; one warning at the start names those that are set.

extension ConfigKeys {
  static let accepted: [ConfigKey] =
    (threads + logs + replication + groups + zookeeper + security + other)
    .map(\.withoutEffect)

  private static let threads: [ConfigKey] = [
    .int(
      "num.io.threads", 8, .atLeast(1),
      "The number of request handler threads. In Millrace a request is handled on the event loop of its connection."
    )
    .dynamic(),
    .int("background.threads", 10, .atLeast(1), "The number of threads for background tasks.").dynamic(),
    .int(
      "num.replica.alter.log.dirs.threads", nil, "The number of threads that move replicas between log directories."),
    .int(
      "fetch.purgatory.purge.interval.requests", 1000,
      "The interval, in number of requests, at which the fetch purgatory is purged."),
    .int(
      "producer.purgatory.purge.interval.requests", 1000,
      "The interval, in number of requests, at which the produce purgatory is purged."),
    .int(
      "delete.records.purgatory.purge.interval.requests", 1,
      "The interval, in number of requests, at which the DeleteRecords purgatory is purged."),
    .string("control.plane.listener.name", nil, "The name of the listener between the controller and brokers."),
    .string("early.start.listeners", nil, "The listeners that are opened before the authorizer is ready."),
  ]

  private static let logs: [ConfigKey] = [
    .long(
      "log.dir.failure.timeout.ms", 30_000, .atLeast(1),
      "The time in milliseconds within which a failed log directory must be reported to the controller."),

    .boolean("remote.log.storage.system.enable", false, "Whether tiered storage is enabled, which is not served."),
    .className("create.topic.policy.class.name", nil, "The Java class of the policy that validates new topics."),
    .className(
      "alter.config.policy.class.name", nil, "The Java class of the policy that validates altered configurations."),
  ]

  private static let replication: [ConfigKey] = [
    .int(
      "replica.socket.receive.buffer.bytes", 65_536, "The socket receive buffer of a follower's connections, in bytes."),
    .string("inter.broker.protocol.version", "3.9-IV0", "The version of the protocol between brokers."),
    .long(
      "socket.connection.setup.timeout.ms", 10_000,
      "The time in milliseconds that a broker waits for a connection to another to be set up."),
    .long(
      "socket.connection.setup.timeout.max.ms", 30_000,
      "The maximum of socket.connection.setup.timeout.ms, in milliseconds, as it grows with each failure."),
  ]

  private static let groups: [ConfigKey] = [
    .int("offsets.topic.compression.codec", 0, "The compression codec of __consumer_offsets."),
    .short("offsets.commit.required.acks", -1, "The acks that an offset commit needs."),
  ]

  private static let zookeeper: [ConfigKey] = [
    .int("zookeeper.max.in.flight.requests", 10, .atLeast(1), "The maximum number of requests to ZooKeeper in flight."),
    .boolean("zookeeper.set.acl", false, "Whether z-nodes are created with access control lists."),
    .boolean("zookeeper.metadata.migration.enable", false, "Whether metadata is migrated from ZooKeeper to KRaft."),
    .boolean("zookeeper.ssl.client.enable", false, "Whether the connection to ZooKeeper uses TLS."),
    .string("zookeeper.clientCnxnSocket", nil, "The Java class of the ZooKeeper client socket."),
    .list("process.roles", "", "The KRaft roles of this process."),
    .list("controller.quorum.voters", "", "The KRaft voters, as a comma-separated list of id@host:port."),
    .list("controller.quorum.bootstrap.servers", "", "The endpoints from which the KRaft quorum is found."),
    .string("controller.listener.names", nil, "The names of the KRaft controller's listeners."),
    .string("metadata.log.dir", nil, "The directory of the KRaft metadata log."),
    .int(
      "broker.heartbeat.interval.ms", 2000,
      "The interval in milliseconds between a broker's heartbeats to the KRaft controller."),
    .int(
      "broker.session.timeout.ms", 9000,
      "The time in milliseconds without a heartbeat after which the KRaft controller fences a broker."),
    .int(
      "initial.broker.registration.timeout.ms", 60_000,
      "The time in milliseconds that a broker waits for its registration with the KRaft controller."),
  ]

  private static let security: [ConfigKey] = [
    .className(
      "principal.builder.class", "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
      "The Java class that builds the principal of a connection."),
    .string("sasl.kerberos.service.name", nil, "The Kerberos principal name of brokers.").dynamic(.perBroker),
    .string("sasl.kerberos.kinit.cmd", "/usr/bin/kinit", "The path of Kerberos' kinit.").dynamic(.perBroker),
    .long(
      "sasl.kerberos.min.time.before.relogin", 60_000,
      "The time in milliseconds between two renewals of a Kerberos ticket, at least."
    ).dynamic(.perBroker),
    .double(
      "sasl.kerberos.ticket.renew.jitter", 0.05,
      "The share of random time by which a renewal of a Kerberos ticket varies."
    ).dynamic(.perBroker),
    .double(
      "sasl.kerberos.ticket.renew.window.factor", 0.8,
      "The share of a Kerberos ticket's lifetime after which it is renewed."
    ).dynamic(.perBroker),
    .list(
      "sasl.kerberos.principal.to.local.rules", "DEFAULT", "The rules that map Kerberos principals to short names."
    ).dynamic(.perBroker),
    .string("ssl.protocol", "TLSv1.3", "The TLS version with which connections are made.").dynamic(.perBroker),
    .password("delegation.token.secret.key", "The secret key that signs delegation tokens."),
    .long(
      "delegation.token.max.lifetime.ms", 604_800_000, .atLeast(1),
      "The maximum lifetime of a delegation token in milliseconds, over all renewals."),
    .long(
      "delegation.token.expiry.time.ms", 86_400_000, .atLeast(1),
      "The time in milliseconds after which a delegation token expires that is not renewed."),
    .long(
      "delegation.token.expiry.check.interval.ms", 3_600_000, .atLeast(1),
      "The interval in milliseconds at which expired delegation tokens are removed."),
    .password("password.encoder.secret", "The secret that encrypts passwords in dynamic configurations."),
  ]

  private static let other: [ConfigKey] = [
    .int(
      "alter.log.dirs.replication.quota.window.num", 11, .atLeast(1),
      "The number of samples that quotas for moving replicas between log directories keep."),
    .int(
      "alter.log.dirs.replication.quota.window.size.seconds", 1, .atLeast(1),
      "The time span in seconds of a sample of quotas for moving replicas between log directories."),
    .className("client.quota.callback.class", nil, "The Java class that determines the quotas of clients."),
    .int("metrics.num.samples", 2, .atLeast(1), "The number of samples that a metric keeps."),
    .long("metrics.sample.window.ms", 30_000, .atLeast(1), "The time span in milliseconds of a metric's sample."),
    .string("metrics.recording.level", "INFO", "The highest recording level of metrics."),
    .list("metric.reporters", "", "The Java classes that report metrics.").dynamic(),
    .list("kafka.metrics.reporters", "", "The Java classes that report Yammer metrics."),
    .int(
      "kafka.metrics.polling.interval.secs", 10, .atLeast(1),
      "The polling interval in seconds of kafka.metrics.reporters."),
    .boolean(
      "auto.include.jmx.reporter", true,
      "Whether metrics are reported by JMX even if metric.reporters does not list that."),
  ]
}
