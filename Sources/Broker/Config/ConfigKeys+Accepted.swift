// Keys of Apache Kafka 3.9 that Millrace knows and checks, and that change nothing here: what they steer is not there
// (replication over the network, TLS and SASL, quotas, ZooKeeper, KRaft, tiered storage), or works without being steered.
// A configuration written for Kafka starts Millrace; each such key in it is noted once.

extension ConfigKeys {
  static let accepted: [ConfigKey] =
    (threads + cleaner + replication + groups + transactions + zookeeper + security + other)
    .map(\.withoutEffect)

  private static let threads: [ConfigKey] = [
    .int("num.io.threads", 8, .atLeast(1), "Kafka's request handler threads; here a request runs on its event loop.")
      .dynamic(),
    .int("background.threads", 10, .atLeast(1), "Kafka's background threads.").dynamic(),
    .int("num.replica.alter.log.dirs.threads", nil, "Threads that move replicas between directories."),
    .int("fetch.purgatory.purge.interval.requests", 1000, "Kafka's bookkeeping of waiting fetches."),
    .int("producer.purgatory.purge.interval.requests", 1000, "Kafka's bookkeeping of waiting produces."),
    .int("delete.records.purgatory.purge.interval.requests", 1, "Kafka's bookkeeping of waiting deletions."),
    .int(
      "max.incremental.fetch.session.cache.slots", 1000, .atLeast(0), "Fetch sessions; here fetches are sessionless."),
    .int("max.connection.creation.rate", Int(Int32.max), .atLeast(0), "New connections a second.").dynamic(),
    .int("connection.failed.authentication.delay.ms", 100, .atLeast(0), "The pause after a failed authentication."),
    .string("control.plane.listener.name", nil, "A listener for the controller alone."),
    .string("early.start.listeners", nil, "Listeners opened before the authorizer is ready."),
  ]

  private static let cleaner: [ConfigKey] = [
    .boolean("log.cleaner.enable", true, "Whether compacted topics are compacted."),
    .int("log.cleaner.threads", 1, .atLeast(0), "Compaction threads.").dynamic(),
    .double("log.cleaner.io.max.bytes.per.second", 1.7976931348623157e308, "Compaction's share of the disk.").dynamic(),
    .long("log.cleaner.dedupe.buffer.size", 134_217_728, "Memory for compaction's map.").dynamic(),
    .int("log.cleaner.io.buffer.size", 524_288, .atLeast(0), "Compaction's buffers.").dynamic(),
    .double("log.cleaner.io.buffer.load.factor", 0.9, "How full compaction's map becomes.").dynamic(),
    .long("log.cleaner.backoff.ms", 15_000, .atLeast(0), "The pause when there is nothing to compact.").dynamic(),

    .long("log.dir.failure.timeout.ms", 30_000, .atLeast(1), "How long a failed directory may go unreported."),

    .boolean("remote.log.storage.system.enable", false, "Tiered storage."),
    .int(
      "producer.id.expiration.check.interval.ms", 600_000, .atLeast(1), "How often unused producer ids are looked for."),
    .className("create.topic.policy.class.name", nil, "A Java class that refuses topics."),
    .className("alter.config.policy.class.name", nil, "A Java class that refuses configurations."),
  ]

  private static let replication: [ConfigKey] = [
    .long("replica.lag.time.max.ms", 30_000, "How long a follower may lag and stay in sync."),
    .int("replica.fetch.max.bytes", 1_048_576, .atLeast(0), "Bytes a follower asks for, per partition."),
    .int("replica.fetch.response.max.bytes", 10_485_760, .atLeast(0), "Bytes a follower asks for."),
    .int("replica.fetch.min.bytes", 1, "Bytes a follower waits for."),
    .int("replica.fetch.wait.max.ms", 500, "How long a follower waits."),
    .int("replica.fetch.backoff.ms", 1000, .atLeast(0), "A follower's pause after an error."),
    .int("replica.socket.timeout.ms", 30_000, "A follower's network timeout."),
    .int("replica.socket.receive.buffer.bytes", 65_536, "A follower's receive buffer."),
    .className("replica.selector.class", nil, "Which replica a consumer is sent to."),
    .int("num.replica.fetchers", 1, "Fetchers per source broker.").dynamic(),
    .boolean("auto.leader.rebalance.enable", true, "Whether leadership returns to preferred replicas."),
    .int("leader.imbalance.per.broker.percentage", 10, "The imbalance that is put right."),
    .long("leader.imbalance.check.interval.seconds", 300, .atLeast(1), "How often imbalance is looked for."),
    .boolean("controlled.shutdown.enable", true, "Whether leadership is moved away before a stop."),
    .int("controlled.shutdown.max.retries", 3, "Attempts of it."),
    .long("controlled.shutdown.retry.backoff.ms", 5000, "The pause between them."),
    .int("controller.socket.timeout.ms", 30_000, "The controller's network timeout."),
    .string("inter.broker.listener.name", nil, "The listener between brokers."),
    .string("security.inter.broker.protocol", "PLAINTEXT", "The protocol between brokers."),
    .string("inter.broker.protocol.version", "3.9-IV0", "The protocol version between brokers."),
    .long("socket.connection.setup.timeout.ms", 10_000, "A broker's patience for a connection it opens."),
    .long("socket.connection.setup.timeout.max.ms", 30_000, "The most of it."),
    .long("follower.replication.throttled.rate", .max, .atLeast(0), "A follower's bytes a second.").dynamic(.perBroker),
    .long("leader.replication.throttled.rate", .max, .atLeast(0), "A leader's bytes a second to followers.")
      .dynamic(.perBroker),
    .long("replica.alter.log.dirs.io.max.bytes.per.second", .max, .atLeast(0), "Bytes a second of moved replicas.")
      .dynamic(.perBroker),
  ]

  private static let groups: [ConfigKey] = [
    .int("group.min.session.timeout.ms", 6000, "The least session timeout of a group's member."),
    .int("group.max.session.timeout.ms", 1_800_000, "The largest one."),
    .int("group.initial.rebalance.delay.ms", 3000, "How long a new group waits for members."),
    .int("group.max.size", Int(Int32.max), .atLeast(1), "Members of a group."),
    .list("group.coordinator.rebalance.protocols", "classic", "Group protocols served."),
    .int("offset.metadata.max.bytes", 4096, "The longest text beside a committed offset."),
    .int("offsets.load.buffer.size", 5_242_880, .atLeast(1), "Reads of __consumer_offsets."),
    .int("offsets.topic.compression.codec", 0, "The codec of __consumer_offsets."),
    .int("offsets.retention.minutes", 10_080, .atLeast(1), "How long an empty group's offsets are kept."),
    .long("offsets.retention.check.interval.ms", 600_000, .atLeast(1), "How often they are looked through."),
    .int("offsets.commit.timeout.ms", 5000, .atLeast(1), "How long a commit may take."),
    .short("offsets.commit.required.acks", -1, "The acknowledgements of a commit."),
  ]

  private static let transactions: [ConfigKey] = [
    .int("transactional.id.expiration.ms", 604_800_000, .atLeast(1), "How long an idle transactional id is kept."),
    .int("transaction.state.log.load.buffer.size", 5_242_880, .atLeast(1), "Reads of __transaction_state."),
    .int(
      "transaction.abort.timed.out.transaction.cleanup.interval.ms", 10_000, .atLeast(1), "How often timeouts are seen."
    ),
    .int(
      "transaction.remove.expired.transaction.cleanup.interval.ms", 3_600_000, .atLeast(1),
      "How often idle ids are seen."),
    .boolean(
      "transaction.partition.verification.enable", true, "Whether a partition's part in a transaction is verified."
    )
    .dynamic(),
  ]

  private static let zookeeper: [ConfigKey] = [
    .string("zookeeper.connect", nil, "Kafka's ZooKeeper; a single broker keeps its z-nodes itself."),
    .int("zookeeper.session.timeout.ms", 18_000, "ZooKeeper's session timeout."),
    .int("zookeeper.connection.timeout.ms", nil, "The patience for ZooKeeper's connection."),
    .int("zookeeper.max.in.flight.requests", 10, .atLeast(1), "Requests under way to ZooKeeper."),
    .boolean("zookeeper.set.acl", false, "Whether z-nodes are protected."),
    .boolean("zookeeper.metadata.migration.enable", false, "Kafka's way from ZooKeeper to KRaft."),
    .boolean("zookeeper.ssl.client.enable", false, "TLS to ZooKeeper."),
    .string("zookeeper.clientCnxnSocket", nil, "Kafka's ZooKeeper socket class."),
    .list("process.roles", "", "KRaft: what this process is."),
    .list("controller.quorum.voters", "", "KRaft: the controllers."),
    .list("controller.quorum.bootstrap.servers", "", "KRaft: where to find the controllers."),
    .string("controller.listener.names", nil, "KRaft: the controllers' listeners."),
    .string("metadata.log.dir", nil, "KRaft: where the metadata log is."),
    .int("broker.heartbeat.interval.ms", 2000, "KRaft: the pulse of a broker."),
    .int("broker.session.timeout.ms", 9000, "KRaft: the patience for it."),
    .int("initial.broker.registration.timeout.ms", 60_000, "KRaft: the patience for a registration."),
  ]

  private static let security: [ConfigKey] = [
    .className("authorizer.class.name", "", "A Java class that permits."),
    .className(
      "principal.builder.class", "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
      "A Java class that names clients."),
    .string("super.users", nil, "Who may do everything."),
    .list("sasl.enabled.mechanisms", "GSSAPI", "SASL mechanisms."),
    .string("sasl.mechanism.inter.broker.protocol", "GSSAPI", "The SASL mechanism between brokers."),
    .password("sasl.jaas.config", "SASL logins."),
    .long("connections.max.reauth.ms", 0, "How long a SASL login holds."),
    .int("sasl.server.max.receive.size", 524_288, "The largest SASL message."),
    .string(
      "ssl.client.auth", "none", .oneOf(["required", "requested", "none"]), "Whether TLS clients show certificates."),
    .string("ssl.keystore.location", nil, "The TLS key store.").dynamic(.perBroker),
    .password("ssl.keystore.password", "Its password.").dynamic(.perBroker),
    .string("ssl.keystore.type", "JKS", "Its type.").dynamic(.perBroker),
    .password("ssl.key.password", "The TLS key's password.").dynamic(.perBroker),
    .string("ssl.truststore.location", nil, "The TLS trust store.").dynamic(.perBroker),
    .password("ssl.truststore.password", "Its password.").dynamic(.perBroker),
    .string("ssl.truststore.type", "JKS", "Its type.").dynamic(.perBroker),
    .list("ssl.enabled.protocols", "TLSv1.2,TLSv1.3", "TLS versions.").dynamic(.perBroker),
    .string("ssl.protocol", "TLSv1.3", "The TLS version.").dynamic(.perBroker),
    .list("ssl.cipher.suites", "", "TLS cipher suites.").dynamic(.perBroker),
    .string("ssl.endpoint.identification.algorithm", "https", "How TLS host names are checked.").dynamic(.perBroker),
    .password("delegation.token.secret.key", "The key that signs delegation tokens."),
    .long("delegation.token.max.lifetime.ms", 604_800_000, .atLeast(1), "The longest life of a delegation token."),
    .long("delegation.token.expiry.time.ms", 86_400_000, .atLeast(1), "The life of one that is not renewed."),
    .long(
      "delegation.token.expiry.check.interval.ms", 3_600_000, .atLeast(1), "How often expired ones are looked for."),
    .password("password.encoder.secret", "The key of passwords kept in ZooKeeper."),
  ]

  private static let other: [ConfigKey] = [
    .int("quota.window.num", 11, .atLeast(1), "Quota windows kept."),
    .int("quota.window.size.seconds", 1, .atLeast(1), "A quota window."),
    .int("replication.quota.window.num", 11, .atLeast(1), "Replication quota windows kept."),
    .int("replication.quota.window.size.seconds", 1, .atLeast(1), "A replication quota window."),
    .int("alter.log.dirs.replication.quota.window.num", 11, .atLeast(1), "Quota windows of moved replicas."),
    .int("alter.log.dirs.replication.quota.window.size.seconds", 1, .atLeast(1), "A quota window of moved replicas."),
    .int("controller.quota.window.num", 11, .atLeast(1), "Controller quota windows kept."),
    .int("controller.quota.window.size.seconds", 1, .atLeast(1), "A controller quota window."),
    .className("client.quota.callback.class", nil, "A Java class that sets quotas."),
    .int("metrics.num.samples", 2, .atLeast(1), "Kafka's metrics."),
    .long("metrics.sample.window.ms", 30_000, .atLeast(1), "Kafka's metrics."),
    .string("metrics.recording.level", "INFO", "Kafka's metrics."),
    .list("metric.reporters", "", "Java classes that report metrics.").dynamic(),
    .list("kafka.metrics.reporters", "", "Java classes that report metrics."),
    .int("kafka.metrics.polling.interval.secs", 10, .atLeast(1), "Kafka's metrics."),
    .boolean("auto.include.jmx.reporter", true, "Kafka's metrics."),
  ]
}
