import Base
package import Client
package import Compression

/// Holds every setting of a run, with its default. Flags and plan files set the same fields by the names of the table in
/// `LoadPlan+Settings.swift`.
package struct LoadPlan: Sendable, Equatable {
  package enum Command: String, CaseIterable, Sendable {
    case produce, consume
    case endToEnd = "end-to-end"
  }

  package enum Acks: Int16, Sendable {
    case none = 0
    case leader = 1
    case all = -1

    package var name: String { self == .all ? "all" : String(rawValue) }
  }

  package enum Key: String, CaseIterable, Sendable { case none, random, sequence }

  /// Chooses the partition of records without keys.
  package enum Partitioner: String, CaseIterable, Sendable {
    /// A batch is filled for one partition, the next batch for the next one.
    case sticky
    /// Each record goes to the next partition.
    case roundRobin = "round-robin"
  }

  package enum GroupProtocol: String, CaseIterable, Sendable {
    /// JoinGroup and SyncGroup; a member assigns.
    case classic
    /// KIP-848: the coordinator assigns.
    case consumer
  }

  /// The order in which consumers read.
  package enum Order: String, CaseIterable, Sendable {
    /// Each fetch continues at the end of the last response.
    case sequential
    /// Each fetch begins at an offset drawn at random.
    case random
  }

  package enum Start: Equatable, Sendable {
    case earliest, latest
    case offset(Int64)
  }

  package var command: Command
  package var bootstrapServers: [Endpoint] = []
  /// The path of a file of client properties, which say how connections are secured.
  package var commandConfig: String?
  package var topic = ""
  package var recordCount: Int?
  package var durationSeconds: Double?
  package var threads = 1
  package var connections = 1
  /// End to end: whether consumers run on separate event loops, as many as `threads`.
  package var separatesConsumers = false
  package var seed: UInt64 = 1
  /// This generator's part of a run that several share; see `takeShare`.
  package var share = Share.whole

  // Records.
  package var recordSize = 100
  package var corpus = Corpus.json
  package var key = Key.none
  /// The number of different keys; nil without a limit.
  package var distinctKeys: Int?
  package var partitioner = Partitioner.sticky
  package var compressesEachMessage = false

  // Producing.
  /// Records per second over all connections; nil for no limit. For consumers an upper limit.
  package var throughput: Double?
  package var acks = Acks.leader
  package var codec = Codec.none
  package var level: Int?
  /// The threads that compress batches beside the event loops, for all connections; 0 and 1 compress on the event loops.
  package var compressionThreads = 0
  package var batchBytes = 262_144
  package var batchRecords: Int?
  package var lingerMs = 0.0
  package var inFlight = 5
  package var isIdempotent = false
  /// The records of one transaction of a connection; nil without transactions.
  package var transactionRecords: Int?
  /// Each connection's transactional id is this with its number.
  package var transactionalID = "millrace-load"
  package var transactionTimeoutMs = 60_000
  /// Aborts every so manieth transaction, whose records are then sent again; nil commits all.
  package var abortEvery: Int?
  package var partitions: Int?
  package var replicationFactor = 1
  package var topicConfigs: [TopicConfig] = []
  package var deliveryTimeoutMs = 120_000
  package var usesNullSink = false
  /// The time that the null sink takes for each request; 0 for none.
  package var nullSinkServiceUs = 0.0

  package struct TopicConfig: Equatable, Sendable {
    package var key: String
    package var value: String

    /// Parses `KEY=VALUE,KEY=[A,B],…` as Kafka's own tools do: brackets protect a value's commas and are removed.
    static func list(reading text: String) throws(PlanError) -> [TopicConfig] {
      guard let pairs = KeyValueList.pairs(in: text) else {
        throw LoadPlan.invalid("topic-config", text, "key=value,key=[a,b],…")
      }
      return pairs.map { TopicConfig(key: $0.key, value: $0.value) }
    }
  }

  // Consuming.
  package var from = Start.earliest
  package var verifies = true
  /// Also counts the records received out of their producer's order over all partitions.
  package var countsGlobalOrder = false
  /// Also counts the records whose key belongs to another partition.
  package var checksKeys = false
  package var checksCRC = true
  package var timeoutMs = 10_000
  package var fetchMinBytes = 1
  package var fetchMaxWaitMs = 500
  package var fetchMaxBytes = 8 << 20
  package var fetchPartitionMaxBytes = 1 << 20
  /// The number of fetches outstanding on a connection.
  package var fetchesInFlight = 1
  /// The number of consumers that each read everything.
  package var fanOut = 1
  /// The distance in records that reading keeps behind each partition's end.
  package var lagRecords = 0
  package var order = Order.sequential
  /// Reads up to the last stable offset, without records of aborted transactions.
  package var readsCommitted = false
  /// The consumer group that the connections are members of; nil reads without a group. With `fanOut` each copy is a group of
  /// its own.
  package var group: String?
  /// Makes the members static: each one's instance id is this with its number.
  package var groupInstanceID: String?
  package var groupProtocol = GroupProtocol.classic
  /// Of the classic protocol.
  package var assignor = Assignor.range
  /// The coordinator's assignor that members of the new protocol prefer; nil leaves it to the coordinator.
  package var remoteAssignor: String?
  package var sessionTimeoutMs = 45_000
  package var heartbeatIntervalMs = 3_000
  package var commitIntervalMs = 5_000
  /// How often all members of each group leave and are replaced by others.
  package var memberRestarts = 0
  /// How many more members come to each group, one after the other, and leave again.
  package var visits = 0
  /// The time between two of their comings and goings, the first one's counted from the run's beginning.
  package var visitMs = 1_000

  // Connections.
  package var congestionControl: String?
  /// IP addresses of this machine; clients take turns in connecting from them. Empty: the kernel's choice.
  package var sourceAddresses: [String] = []
  package var requestTimeoutMs = 30_000
  package var receiveBufferBytes: Int?

  // Output.
  package var intervalMs = 1000
  package var intervalsCSV: String?
  package var csv: String?
  package var histogramFile: String?
  package var printsJSON = false
  package var isQuiet = false

  package init(_ command: Command) { self.command = command }

  /// Whether consumers read every record of the run, so that a missing record is lost.
  var readsToTheEnd: Bool { command == .endToEnd && lagRecords == 0 && order == .sequential && !usesNullSink }

  /// Whether producers have producer ids.
  var hasIdentities: Bool { isIdempotent || transactionRecords != nil }

  /// The bytes of a key; 0 without keys.
  package var keyBytes: Int { key == .none ? 0 : 16 }
}

/// Says why a plan cannot be run.
package struct PlanError: Error, Equatable, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}

extension LoadPlan {
  /// Refuses more connections than the process can have, before any is made.
  ///
  /// - Parameter openFiles: how many files and sockets the process may have open.
  func check(openFiles: Int) throws(PlanError) {
    // The null sink is within the process.
    guard !usesNullSink else { return }
    let producers = command == .consume ? 0 : connections
    let sockets = producers + (command == .produce ? 0 : (connections + visits) * fanOut)
    let needed = sockets + threads * Limits.descriptorsPerThread + Limits.descriptorsSpare
    guard needed > openFiles else { return }
    throw PlanError(
      "the process may have \(openFiles) files and sockets open (ulimit -n), and \(sockets) connections need at least "
        + "\(needed): raise the limit, or ask for fewer --connections")
  }

  /// Checks the settings in combination.
  package func check() throws(PlanError) {
    guard !topic.isEmpty || usesNullSink else { throw PlanError("--topic is missing") }
    guard !bootstrapServers.isEmpty || usesNullSink else { throw PlanError("--bootstrap-server is missing") }
    guard !usesNullSink || command == .produce else {
      throw PlanError("--null-sink returns no records, so it needs produce")
    }
    guard nullSinkServiceUs == 0 || usesNullSink && acks != .none else {
      throw PlanError(
        "--null-sink-service-us delays the answers of --null-sink: it needs --null-sink, and --acks other than 0")
    }
    guard command == .consume || recordCount != nil || durationSeconds != nil else {
      throw PlanError("give --num-records or --duration: a run must have an end")
    }
    try checkReading()
    try checkKeys()
    let sizeMin = Payload.sizeMin(corpus.stampForm)
    guard command == .consume || recordSize >= sizeMin || !verifies else {
      throw PlanError(
        "--record-size \(recordSize) has no room for the sequence number and checksum of \(corpus) records, which need "
          + "\(sizeMin) bytes; --no-verify sends records without them")
    }
    guard command != .endToEnd || verifies else { throw PlanError("end-to-end always verifies: leave out --no-verify") }
    guard !countsGlobalOrder || verifies && !compressesEachMessage else {
      throw PlanError("--global-order reads the records' stamps: leave out --no-verify and --per-message-compression")
    }
    guard threads <= connections * (command == .consume ? fanOut : 1) else {
      throw PlanError(
        "--threads \(threads) is more than --connections \(connections)\(fanOut > 1 ? " times --fan-out \(fanOut)" : ""): "
          + "a connection has one thread")
    }
    guard connections < 1 << StampField.producerBits else {
      throw PlanError("--connections \(connections) is beyond the limit of \(1 << StampField.producerBits - 1)")
    }
    try checkIdentities()
    guard !compressesEachMessage || codec != .none else {
      throw PlanError("--per-message-compression needs a --compression to use")
    }
    guard compressionThreads <= 1 || codec != .none && !compressesEachMessage else {
      throw PlanError(
        "--compression-threads compress batches: they need a --compression, and not --per-message-compression")
    }
    if let level, let levels = codec.levels, !levels.contains(level) {
      throw PlanError(
        "--compression \(codec.name):\(level) is invalid: levels are \(levels.lowerBound) to \(levels.upperBound)")
    }
    if level != nil, codec.levels == nil { throw PlanError("\(codec.name) has no levels") }
  }

  private func checkIdentities() throws(PlanError) {
    guard abortEvery == nil || transactionRecords != nil else {
      throw PlanError("--transaction-abort-every aborts transactions: it needs --transaction-records")
    }
    guard hasIdentities else { return }
    let flag = transactionRecords == nil ? "--idempotent" : "--transaction-records"
    guard inFlight <= 5 else {
      throw PlanError("\(flag) needs --in-flight 5 or less: a broker remembers five batches of a producer")
    }
    guard acks == .all else { throw PlanError("\(flag) needs --acks all") }
    guard !usesNullSink else { throw PlanError("--null-sink has no producer ids") }
  }

  private func checkKeys() throws(PlanError) {
    guard distinctKeys == nil || key != .none else {
      throw PlanError("--keys says how many keys there are: it needs --key")
    }
    guard partitioner == .sticky || key == .none else {
      throw PlanError("--partitioner \(partitioner.rawValue) is for records without keys: leave out --key")
    }
    guard !checksKeys || verifies else {
      throw PlanError("--check-keys looks at every record: leave out --no-verify")
    }
  }

  private func checkGroup() throws(PlanError) {
    guard group != nil else {
      guard groupInstanceID == nil else { throw PlanError("--group-instance-id names members of a --group") }
      guard memberRestarts == 0, visits == 0 else {
        throw PlanError("--member-restarts and --visits are of the members of a --group")
      }
      return
    }
    try checkMembers()
    guard recordCount != nil || durationSeconds != nil else {
      throw PlanError("--group needs --num-records or --duration: no member knows when the others have read the topic")
    }
    guard lagRecords == 0, order == .sequential else {
      throw PlanError("--group reads each partition once and in order: leave out --lag-records and --order random")
    }
    guard heartbeatIntervalMs * 2 <= sessionTimeoutMs else {
      throw PlanError(
        "--heartbeat-ms \(heartbeatIntervalMs) is more than half of --session-timeout-ms \(sessionTimeoutMs): the "
          + "coordinator would take members for dead")
    }
  }

  private func checkMembers() throws(PlanError) {
    guard memberRestarts == 0 || recordCount != nil else {
      throw PlanError("--member-restarts are due at shares of the records: give --num-records")
    }
    guard memberRestarts == 0 || visits == 0 else {
      throw PlanError("--member-restarts and --visits cannot be told apart in one run: leave one out")
    }
    let neededMs = (2 * visits + 1) * visitMs
    guard visits == 0 || durationSeconds.map({ $0 * 1000 >= Double(neededMs) }) ?? false else {
      throw PlanError(
        "--visits \(visits) take \(neededMs) ms, which is --visit-ms for each coming and going and once more: give "
          + "--duration \(Double(neededMs) / 1000) or more")
    }
    guard remoteAssignor == nil || groupProtocol == .consumer else {
      throw PlanError("--remote-assignor is the coordinator's: it needs --group-protocol consumer")
    }
  }

  private func checkReading() throws(PlanError) {
    guard (connections + visits) * fanOut <= Limits.connectionsMax else {
      throw PlanError(
        "--connections \(connections)\(visits > 0 ? " and --visits \(visits)" : "") times --fan-out \(fanOut) is beyond the "
          + "limit of \(Limits.connectionsMax)")
    }
    guard command == .consume else { return }
    try checkGroup()
    let hasEnd = recordCount != nil || durationSeconds != nil
    guard lagRecords == 0 || hasEnd else {
      throw PlanError("--lag-records never reaches the topic's end: give --num-records or --duration")
    }
    guard lagRecords == 0 || from == .earliest else {
      throw PlanError("--lag-records says where to begin: leave out --from")
    }
    guard order == .sequential || !verifies && hasEnd && lagRecords == 0 else {
      throw PlanError(
        "--order random needs --no-verify (sequence numbers have no order then) and --num-records or --duration, "
          + "and cannot be combined with --lag-records")
    }
  }
}
