import Base
import Client
import Compression
import NIOCore

/// Describes one setting: its name (`--name` as a flag, `"name"` in a plan file), its help, and how its value is parsed.
package struct PlanSetting: Sendable {
  package let name: String
  /// The placeholder for the value in the help; nil for a switch.
  package let placeholder: String?
  package let commands: Set<LoadPlan.Command>
  package let help: String
  let set: @Sendable (inout LoadPlan, String) throws(PlanError) -> Void
}

extension LoadPlan {
  /// Sets one field by the setting's name.
  ///
  /// - Throws: for an unknown name, with the nearest known one; for an invalid value; for a setting of another command.
  package mutating func set(_ name: String, _ text: String) throws(PlanError) {
    let known = Self.aliases[name] ?? name
    guard let setting = Self.settings.first(where: { $0.name == known }) else {
      throw Self.unknown(name)
    }
    guard setting.commands.contains(command) else {
      throw PlanError("'\(name)' is not a setting of \(command.rawValue)")
    }
    try setting.set(&self, text)
  }

  /// The names of the same settings in Kafka's perf tools.
  package static let aliases = [
    "bootstrap-servers": "bootstrap-server", "broker-list": "bootstrap-server", "messages": "num-records",
    "producer.config": "command-config", "consumer.config": "command-config",
    "fetch-size": "fetch-max-partition-bytes", "reporting-interval": "interval-ms",
  ]

  package static func setting(named name: String) -> PlanSetting? {
    settings.first { $0.name == aliases[name] ?? name }
  }

  static func unknown(_ name: String) -> PlanError {
    PlanError("unknown setting '\(name)'" + (nearest(to: name).map { "; did you mean '\($0)'?" } ?? ""))
  }

  static func nearest(to name: String) -> String? {
    Spelling.nearest(to: name, among: settings.map(\.name))
  }

  private static let all: Set<Command> = [.produce, .consume, .endToEnd]
  private static let sending: Set<Command> = [.produce, .endToEnd]
  private static let reading: Set<Command> = [.consume, .endToEnd]

  package static let settings = ownSettings + groupSettings

  private static let ownSettings: [PlanSetting] = [
    // Target.
    .value("bootstrap-server", "HOST:PORT,…", all, "one or more brokers of the cluster") {
      (plan, text) throws(PlanError) in
      guard let list = Endpoint.list(text) else { throw invalid("bootstrap-server", text, "host:port,host:port,…") }
      plan.bootstrapServers = list
    },
    .value("command-config", "FILE", all, "client properties: security.protocol, sasl.*, ssl.*") {
      (plan, text) throws(PlanError) in plan.commandConfig = text
    },
    .value("topic", "NAME", all, "the topic") { (plan, text) throws(PlanError) in plan.topic = text },
    .int("num-records", "N", all, "stop after N records", 1...(1 << 36)) { $0.recordCount = $1 },
    .double("duration", "SECONDS", all, "stop after this long", 0.001...1e9) { $0.durationSeconds = $1 },
    .int(
      "connections", "C", all, "connections; each is a producer or consumer (default 1)",
      1...Limits.connectionsMax
    ) {
      $0.connections = $1
    },
    .int("threads", "T", all, "event loops that share the connections (default 1)", 1...Limits.threadsMax) {
      $0.threads = $1
    },
    .toggle(
      "separate-consumers", [.endToEnd], "run consumers on additional event loops, as many as --threads"
    ) {
      $0.separatesConsumers = $1
    },
    .int("seed", "S", all, "seed of the records' contents (default 1)", 0...Int.max) { $0.seed = UInt64($1) },
    .value(
      "share", "I/N", all,
      "this is the Ith of N generators that share the run: their part of the records, rate and partitions (default 1/1)"
    ) { (plan, text) throws(PlanError) in
      guard let share = Share(text) else {
        throw invalid("share", text, "I/N, with I from 1 to N and N at most \(Limits.sharesMax)")
      }
      plan.share = share
    },

    // Records.
    .int("record-size", "BYTES", sending, "size of a record's value (default 100)", 1...Limits.recordBytesMax) {
      $0.recordSize = $1
    },
    .value("corpus", "NAME", sending, "json (default), access-log, random, entropy:BITS (0 to 8 a byte)") {
      (plan, text) throws(PlanError) in
      guard let corpus = Corpus(text) else {
        throw invalid("corpus", text, "json, access-log, random or entropy:BITS")
      }
      plan.corpus = corpus
    },
    .value(
      "key", "KIND", sending,
      "none (default; batches go round the partitions), random, sequence (murmur2 chooses the partition)"
    ) {
      (plan, text) throws(PlanError) in
      guard let key = Key(rawValue: text) else { throw invalid("key", text, "none, random or sequence") }
      plan.key = key
    },
    .int("keys", "N", sending, "how many different keys there are (default: no limit)", 1...(1 << 36)) {
      $0.distinctKeys = $1
    },
    .value(
      "partitioner", "NAME", sending,
      "of records without keys: sticky (default; a batch for each partition in turn) or round-robin (a record for each)"
    ) {
      (plan, text) throws(PlanError) in
      guard let partitioner = Partitioner(rawValue: text) else {
        throw invalid("partitioner", text, "sticky or round-robin")
      }
      plan.partitioner = partitioner
    },
    .toggle(
      "per-message-compression", all, "compress each value alone instead of the batch; consume: unpack such values"
    ) {
      $0.compressesEachMessage = $1
    },

    // Producing.
    .value(
      "throughput", "RECORDS/S", all,
      "records per second over all connections, as an open loop (consume: an upper limit); -1 (default): unlimited"
    ) { (plan, text) throws(PlanError) in
      guard let rate = Double(text), rate == -1 || rate > 0 && rate <= 1e9 else {
        throw invalid("throughput", text, "a number above 0 and at most 1e9, or -1 for unlimited")
      }
      plan.throughput = rate > 0 ? rate : nil
    },
    .value(
      "acks", "0|1|all", sending,
      "replicas that must have a batch before it is acknowledged: none, the leader, all in sync (default 1)"
    ) {
      (plan, text) throws(PlanError) in
      switch text {
      case "0": plan.acks = .none
      case "1": plan.acks = .leader
      case "all", "-1": plan.acks = .all
      default: throw invalid("acks", text, "0, 1 or all")
      }
    },
    .value("compression", "CODEC[:LEVEL]", all, "none (default), gzip, snappy, lz4, zstd") {
      (plan, text) throws(PlanError) in
      let parts = text.split(separator: ":", maxSplits: 1)
      guard let name = parts.first, let codec = Codec(name: String(name)) else {
        throw invalid("compression", text, "none, gzip, snappy, lz4 or zstd")
      }
      plan.codec = codec
      plan.level = nil
      guard parts.count == 2 else { return }
      guard let level = Int(parts[1]) else { throw invalid("compression", text, "CODEC:LEVEL with a number") }
      plan.level = level
    },
    .int(
      "compression-threads", "N", sending,
      "threads that compress batches beside the event loops (default 0: the event loops compress; 1 is the same)",
      0...Limits.threadsMax
    ) {
      $0.compressionThreads = $1
    },
    .int("batch-size", "BYTES", sending, "size of a batch before compression (default 262144)", 1...(256 << 20)) {
      $0.batchBytes = $1
    },
    .int("batch-records", "N", sending, "most records of a batch (default: no limit)", 1...(1 << 24)) {
      $0.batchRecords = $1
    },
    .double("linger-ms", "MS", sending, "how long an open batch waits for more records (default 0)", 0...60_000) {
      $0.lingerMs = $1
    },
    .int("in-flight", "K", sending, "requests in flight on a connection (default 5)", 1...Limits.inFlightMax) {
      $0.inFlight = $1
    },
    .toggle("idempotent", sending, "produce idempotently: retries append nothing twice (needs --acks all)") {
      $0.isIdempotent = $1
    },
    .int(
      "transaction-records", "N", sending,
      "produce in transactions of N records on each connection (needs --acks all)", 1...(1 << 30)
    ) {
      $0.transactionRecords = $1
    },
    .value(
      "transactional-id", "ID", sending,
      "each connection's transactional id is ID-NUMBER (default millrace-load); a new run fences an earlier one"
    ) { (plan, text) throws(PlanError) in
      guard !text.isEmpty, text.utf8.count <= 1000 else {
        throw invalid("transactional-id", text, "a name of 1 to 1000 bytes")
      }
      plan.transactionalID = text
    },
    .int(
      "transaction-timeout-ms", "MS", sending, "abort a transaction that is open for longer (default 60000)",
      1...2_147_483_647
    ) {
      $0.transactionTimeoutMs = $1
    },
    .int(
      "transaction-abort-every", "K", sending,
      "abort every Kth transaction, and send its records again in the next (default: commit all)", 2...(1 << 30)
    ) {
      $0.abortEvery = $1
    },
    .int("partitions", "N", sending, "create the topic with N partitions if it is missing", 1...Limits.partitionsMax) {
      $0.partitions = $1
    },
    .int(
      "replication-factor", "N", sending, "replicas of each partition of a topic that is created (default 1)", 1...1000
    ) {
      $0.replicationFactor = $1
    },
    .value("topic-config", "KEY=VALUE,…", sending, "configuration of a topic that is created; lists as KEY=[A,B]") {
      (plan, text) throws(PlanError) in
      plan.topicConfigs += try TopicConfig.list(reading: text)
    },
    .int(
      "delivery-timeout-ms", "MS", sending, "fail a batch, or a lost broker, after this long (default 120000)",
      1...86_400_000
    ) {
      $0.deliveryTimeoutMs = $1
    },
    .toggle(
      "null-sink", [.produce], "send to a sink inside the process that acknowledges at once: the generator's own cost"
    ) {
      $0.usesNullSink = $1
    },
    .double(
      "null-sink-service-us", "US", [.produce],
      "time the null sink takes for each request, one after another: a server of known rate", 0...1e7
    ) {
      $0.nullSinkServiceUs = $1
    },

    // Consuming.
    .value("from", "WHERE", [.consume], "earliest (default), latest, or an offset") { (plan, text) throws(PlanError) in
      switch text {
      case "earliest": plan.from = .earliest
      case "latest": plan.from = .latest
      default:
        guard let offset = Int64(text), offset >= 0 else {
          throw invalid("from", text, "earliest, latest or an offset")
        }
        plan.from = .offset(offset)
      }
    },
    .toggle(
      "no-verify", all,
      "do not write or check the records' sequence numbers and checksums; consume: count from batch headers alone"
    ) {
      $0.verifies = !$1
    },
    .toggle(
      "global-order", reading,
      "also count records that a connection receives out of their producer's order over all partitions"
    ) {
      $0.countsGlobalOrder = $1
    },
    .toggle(
      "check-keys", reading,
      "also count records that are in another partition than the one that their key's murmur2 names"
    ) {
      $0.checksKeys = $1
    },
    .toggle("no-check-crc", reading, "skip the batch CRC check") { $0.checksCRC = !$1 },
    .int("timeout", "MS", reading, "end the run when no record has come for this long (default 10000)", 1...86_400_000)
    {
      $0.timeoutMs = $1
    },
    .int(
      "fetch-min-bytes", "BYTES", reading, "fewest bytes of a fetch response, for which the broker waits (default 1)",
      0...(1 << 30)
    ) {
      $0.fetchMinBytes = $1
    },
    .int("fetch-max-wait-ms", "MS", reading, "longest wait for fetch-min-bytes (default 500)", 0...600_000) {
      $0.fetchMaxWaitMs = $1
    },
    .int("fetch-max-bytes", "BYTES", reading, "most bytes of one fetch response (default 8388608)", 1...(200 << 20)) {
      $0.fetchMaxBytes = $1
    },
    .int(
      "fetch-max-partition-bytes", "BYTES", reading,
      "most bytes of one partition in a fetch response (default 1048576)",
      1...(200 << 20)
    ) {
      $0.fetchPartitionMaxBytes = $1
    },
    .int(
      "fetch-in-flight", "N", reading, "fetches of different partitions outstanding on a connection (default 1)", 1...64
    ) {
      $0.fetchesInFlight = $1
    },

    .int("fan-out", "N", reading, "consumers that each read everything (default 1)", 1...Limits.connectionsMax) {
      $0.fanOut = $1
    },
    .int(
      "lag-records", "N", reading,
      "begin N records before each partition's end and stay N behind, to within one fetch response (default 0)",
      0...(1 << 36)
    ) {
      $0.lagRecords = $1
    },
    .value(
      "isolation", "LEVEL", reading, "read_uncommitted (default), or read_committed: no records of aborted transactions"
    ) {
      (plan, text) throws(PlanError) in
      guard ["read_uncommitted", "read_committed"].contains(text) else {
        throw invalid("isolation", text, "read_uncommitted or read_committed")
      }
      plan.readsCommitted = text == "read_committed"
    },

    .value("order", "HOW", [.consume], "sequential (default), or random: each fetch from an offset drawn at random") {
      (plan, text) throws(PlanError) in
      guard let order = Order(rawValue: text) else { throw invalid("order", text, "sequential or random") }
      plan.order = order
    },

    // Connections.
    .value("congestion-control", "NAME", all, "TCP_CONGESTION of the connections (default: the kernel's)") {
      (plan, text) throws(PlanError) in plan.congestionControl = text
    },
    .value(
      "source-addresses", "IP,...", all,
      "addresses of this machine that clients connect from, in turns (default: the kernel's choice)"
    ) { (plan, text) throws(PlanError) in
      let addresses = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      for address in addresses where (try? SocketAddress(ipAddress: address, port: 0)) == nil {
        throw invalid("source-addresses", text, "IP addresses separated by commas; `\(address)` is none")
      }
      plan.sourceAddresses = addresses
    },
    .int(
      "request-timeout-ms", "MS", all, "close a connection whose response is later than this (default 30000)",
      1...3_600_000
    ) {
      $0.requestTimeoutMs = $1
    },
    .int(
      "receive-buffer-bytes", "BYTES", all,
      "most bytes read from a socket at a time (default 64 KiB producing, 1 MiB consuming)",
      1024...(64 << 20)
    ) {
      $0.receiveBufferBytes = $1
    },

    // Output.
    .int("interval-ms", "MS", all, "time between two lines of progress (default 1000)", 10...3_600_000) {
      $0.intervalMs = $1
    },
    .value("intervals-csv", "FILE", all, "write a row for each interval") { (plan, text) throws(PlanError) in
      plan.intervalsCSV = text
    },
    .value("csv", "FILE", all, "append the summary as a row") { (plan, text) throws(PlanError) in plan.csv = text },
    .value("histogram", "FILE", all, "write the latency histograms, without loss, as CSV") {
      (plan, text) throws(PlanError) in
      plan.histogramFile = text
    },
    .toggle("json", all, "print the summary as one JSON object in the last line of standard output") {
      $0.printsJSON = $1
    },
    .toggle("quiet", all, "print no progress") { $0.isQuiet = $1 },
  ]

  static func invalid(_ name: String, _ text: String, _ expected: String) -> PlanError {
    PlanError("--\(name) '\(text)' is invalid: expected \(expected)")
  }
}

extension PlanSetting {
  static func value(
    _ name: String, _ placeholder: String, _ commands: Set<LoadPlan.Command>, _ help: String,
    _ set: @escaping @Sendable (inout LoadPlan, String) throws(PlanError) -> Void
  ) -> PlanSetting {
    PlanSetting(name: name, placeholder: placeholder, commands: commands, help: help, set: set)
  }

  static func int(
    _ name: String, _ placeholder: String, _ commands: Set<LoadPlan.Command>, _ help: String, _ range: ClosedRange<Int>,
    _ set: @escaping @Sendable (inout LoadPlan, Int) -> Void
  ) -> PlanSetting {
    .value(name, placeholder, commands, help) { (plan, text) throws(PlanError) in
      guard let number = Int(text), range.contains(number) else {
        throw LoadPlan.invalid(name, text, "a number from \(range.lowerBound) to \(range.upperBound)")
      }
      set(&plan, number)
    }
  }

  static func double(
    _ name: String, _ placeholder: String, _ commands: Set<LoadPlan.Command>, _ help: String,
    _ range: ClosedRange<Double>,
    _ set: @escaping @Sendable (inout LoadPlan, Double) -> Void
  ) -> PlanSetting {
    .value(name, placeholder, commands, help) { (plan, text) throws(PlanError) in
      guard let number = Double(text), range.contains(number) else {
        throw LoadPlan.invalid(name, text, "a number from \(range.lowerBound) to \(range.upperBound)")
      }
      set(&plan, number)
    }
  }

  static func toggle(
    _ name: String, _ commands: Set<LoadPlan.Command>, _ help: String,
    _ set: @escaping @Sendable (inout LoadPlan, Bool) -> Void
  ) -> PlanSetting {
    PlanSetting(name: name, placeholder: nil, commands: commands, help: help) { (plan, text) throws(PlanError) in
      guard let on = Bool(text) else { throw LoadPlan.invalid(name, text, "true or false") }
      set(&plan, on)
    }
  }
}
