package import Model
package import Storage

/// What a broker is configured to do: the values of `ConfigKeys`, checked, with what each means as a typed property.
///
/// A value: a dynamic change makes another `Config`. Values come, most binding first, from the z-nodes `/config/brokers/N`
/// and `/config/brokers/<default>`, from server.properties and `--override`, and from the table's defaults.
package struct Config: Sendable {
  /// server.properties and `--override`: as given and checked, unknown keys among them.
  package let given: [String: String]
  /// `/config/brokers/<default>`.
  package let dynamicDefaults: [String: String]
  /// `/config/brokers/N`.
  package let dynamicOwn: [String: String]

  // Who and where.
  /// -1: to be generated (`broker.id.generation.enable`).
  package let brokerID: BrokerID
  package let brokerIDGenerationEnable: Bool
  package let reservedBrokerMaxID: BrokerID
  package let rack: String?
  package let listeners: [Listener]
  package let advertisedListeners: [Listener]
  /// Never empty.
  package let logDirs: [String]

  // Threads, sockets, limits.
  package let numNetworkThreads: Int
  package let recoveryThreadsPerDataDir: Int
  package let socketRequestMaxBytes: Int
  /// nil leaves it to the kernel.
  package let socketSendBufferBytes: Int?
  package let socketReceiveBufferBytes: Int?
  package let socketListenBacklog: Int
  package let connectionsMax: Int
  package let connectionsPerIPMax: Int
  package let connectionsPerIPOverrides: [String: Int]
  /// nil: connections are never closed for being silent.
  package let connectionsIdleMaxMs: Int64?
  /// nil: no limit.
  package let queuedRequestBytesMax: Int?
  package let fetchMaxBytes: Int

  // Topics.
  package let autoCreateTopics: Bool
  package let deleteTopics: Bool
  package let numPartitions: Int32
  package let defaultReplicationFactor: Int16

  // Storage, beyond what a topic's own configuration says.
  package let retentionCheckIntervalMs: Int64
  package let flushSchedulerIntervalMs: Int64
  package let recoveryPointCheckpointIntervalMs: Int64
  package let logStartOffsetCheckpointIntervalMs: Int64
  package let highWatermarkCheckpointIntervalMs: Int64
  package let producerIDExpirationMs: Int64

  // Millrace's own switches.
  /// Always `copy` with a cache of the broker's own.
  package let readPath: ReadPath
  package let readCopyBufferBytes: Int
  package let logEngine: LogEngine
  package let cache: CacheKind
  package let cacheSettings: CacheSettings
  package let writePath: WritePath
  package let flushBeforeAck: Bool
  /// nil leaves the kernel's default.
  package let congestionControl: String?
  package let requestsInFlightMax: Int
  package let receiveBufferBytes: Int
  package let parkedFetchesMax: Int

  package enum ReadPath: String, Sendable, CaseIterable {
    case sendfile, copy, mmap
  }

  /// Every key at its default: for tests, and for `millrace-broker` without a file.
  package init(overrides: [String: String] = [:]) throws(ConfigError) {
    var values = ConfigValues(given: [:], dynamicDefaults: [:], dynamicOwn: [:])
    var problems: [String] = []
    for (name, value) in overrides.sorted(by: { $0.key < $1.key }) {
      do { values.given[name] = try ConfigKeys.named[name]?.check(value) ?? value } catch {
        problems.append("\(error)")
      }
    }
    guard problems.isEmpty else { throw ConfigError(problems: problems) }
    try self.init(values)
  }

  /// The same broker with other dynamic values, which must be checked ones.
  package func changing(dynamicDefaults: [String: String], dynamicOwn: [String: String]) throws(ConfigError) -> Config {
    try Config(ConfigValues(given: given, dynamicDefaults: dynamicDefaults, dynamicOwn: dynamicOwn))
  }

  init(_ values: ConfigValues) throws(ConfigError) {
    given = values.given
    dynamicDefaults = values.dynamicDefaults
    dynamicOwn = values.dynamicOwn

    brokerID = try Self.brokerID(values)
    brokerIDGenerationEnable = values.bool("broker.id.generation.enable")
    reservedBrokerMaxID = BrokerID(values.int("reserved.broker.max.id"))
    rack = values.text("broker.rack").flatMap { $0.isEmpty ? nil : $0 }
    listeners = try Listener.parse(values, "listeners")
    advertisedListeners = try Listener.advertised(values, listeners: listeners)
    logDirs = try Self.logDirectories(values)

    numNetworkThreads = values.int("num.network.threads")
    recoveryThreadsPerDataDir = values.int("num.recovery.threads.per.data.dir")
    socketRequestMaxBytes = values.int("socket.request.max.bytes")
    socketSendBufferBytes = values.notNegative("socket.send.buffer.bytes").map { Int($0) }
    socketReceiveBufferBytes = values.notNegative("socket.receive.buffer.bytes").map { Int($0) }
    socketListenBacklog = values.int("socket.listen.backlog.size")
    connectionsMax = values.int("max.connections")
    connectionsPerIPMax = values.int("max.connections.per.ip")
    connectionsPerIPOverrides = try Self.connectionOverrides(values)
    connectionsIdleMaxMs = values.notNegative("connections.max.idle.ms")
    queuedRequestBytesMax = values.notNegative("queued.max.request.bytes").flatMap { $0 == 0 ? nil : Int($0) }
    fetchMaxBytes = values.int("fetch.max.bytes")

    autoCreateTopics = values.bool("auto.create.topics.enable")
    deleteTopics = values.bool("delete.topic.enable")
    numPartitions = Int32(values.int("num.partitions"))
    defaultReplicationFactor = try values.shortFromInt("default.replication.factor")

    retentionCheckIntervalMs = values.long("log.retention.check.interval.ms")
    flushSchedulerIntervalMs = values.long("log.flush.scheduler.interval.ms")
    recoveryPointCheckpointIntervalMs = values.long("log.flush.offset.checkpoint.interval.ms")
    logStartOffsetCheckpointIntervalMs = values.long("log.flush.start.offset.checkpoint.interval.ms")
    highWatermarkCheckpointIntervalMs = values.long("replica.high.watermark.checkpoint.interval.ms")
    producerIDExpirationMs = values.long("producer.id.expiration.ms")
    try Self.checkRetention(values)

    logEngine = LogEngine(rawValue: values.text("millrace.log.engine") ?? "") ?? .append
    cache = CacheKind(rawValue: values.text("millrace.cache") ?? "") ?? .page
    cacheSettings = try Self.cacheSettings(values)
    writePath = WritePath(rawValue: values.text("millrace.write.path") ?? "") ?? .buffered
    try Self.checkSwitches(values, cache, logEngine, writePath)
    let readPath = ReadPath(rawValue: values.text("millrace.read.path") ?? "") ?? .sendfile
    self.readPath = cache == .page ? readPath : .copy
    readCopyBufferBytes = values.int("millrace.read.copy.buffer.bytes")
    flushBeforeAck = values.bool("millrace.flush.before.ack")
    congestionControl = values.text("millrace.congestion.control").flatMap { $0.isEmpty ? nil : $0 }
    requestsInFlightMax = values.int("millrace.requests.in.flight")
    receiveBufferBytes = values.int("millrace.receive.buffer.bytes")
    parkedFetchesMax = values.int("millrace.parked.fetches.max")
  }

  /// The values behind the properties, to describe and to change.
  var values: ConfigValues { ConfigValues(given: given, dynamicDefaults: dynamicDefaults, dynamicOwn: dynamicOwn) }
}

extension Config {
  private static func logDirectories(_ values: ConfigValues) throws(ConfigError) -> [String] {
    let name = values.text("log.dirs") == nil ? "log.dir" : "log.dirs"
    let directories = ConfigKey.elements(values.text(name) ?? "")
    guard !directories.isEmpty else { throw ConfigError("\(name) names no directory: give at least one path") }
    var named: [String: String] = [:]
    for directory in directories {
      if let earlier = named.updateValue(directory, forKey: normalized(directory)) {
        throw ConfigError("\(name) names a directory twice: \(earlier) and \(directory)")
      }
    }
    return directories.map(normalized)
  }

  /// The path without what changes nothing in it: `/a//b/./` is `/a/b`.
  private static func normalized(_ path: String) -> String {
    let parts = path.split(separator: "/").filter { $0 != "." }
    if path.hasPrefix("/") { return "/" + parts.joined(separator: "/") }
    return parts.isEmpty ? "." : parts.joined(separator: "/")
  }

  /// `broker.id`, or KRaft's name for it.
  private static func brokerID(_ values: ConfigValues) throws(ConfigError) -> BrokerID {
    let id = values.int("broker.id"), node = values.int("node.id")
    guard id < 0 || node < 0 || id == node else {
      throw ConfigError("node.id is \(node), but broker.id is \(id): they are two names of one number, so give one")
    }
    return BrokerID(max(id, node))
  }

  private static func connectionOverrides(_ values: ConfigValues) throws(ConfigError) -> [String: Int] {
    var overrides: [String: Int] = [:]
    for element in ConfigKey.elements(values.text("max.connections.per.ip.overrides") ?? "") {
      // The address may be IPv6, so the count is after the last colon.
      guard let colon = element.lastIndex(of: ":"), let count = Int(element[element.index(after: colon)...]), count >= 0
      else { throw ConfigError("max.connections.per.ip.overrides: \(element) is not address:count") }
      overrides[String(element[..<colon])] = count
    }
    return overrides
  }

  private static func cacheSettings(_ values: ConfigValues) throws(ConfigError) -> CacheSettings {
    let blockBytes = values.int("millrace.cache.block.bytes")
    guard blockBytes.nonzeroBitCount == 1 else {
      throw ConfigError("millrace.cache.block.bytes must be a power of two; it is \(blockBytes)")
    }
    return CacheSettings(
      bytes: values.int("millrace.cache.bytes"),
      layout: CacheLayout(rawValue: values.text("millrace.cache.layout") ?? "") ?? .compact, blockBytes: blockBytes)
  }

  /// Refuses switches that contradict each other: an experiment must not measure what it did not ask for.
  private static func checkSwitches(
    _ values: ConfigValues, _ cache: CacheKind, _ engine: LogEngine, _ writePath: WritePath
  ) throws(ConfigError) {
    let readPath = values.given["millrace.read.path"] ?? "copy"
    if cache != .page, readPath != "copy" {
      throw ConfigError(
        "millrace.read.path=\(readPath) needs the page cache, but millrace.cache=\(cache.rawValue) has fetches copied out of the broker's own: leave it out, or set it to copy"
      )
    }
    guard engine == .btree else { return }
    guard cache == .page, writePath == .buffered else {
      throw ConfigError(
        "millrace.log.engine=btree maps its file itself: it goes with millrace.cache=page and millrace.write.path=buffered only, not with \(cache.rawValue) and \(writePath.rawValue)"
      )
    }
  }

  /// Kafka takes -1 and positive numbers in all three units.
  private static func checkRetention(_ values: ConfigValues) throws(ConfigError) {
    for name in ["log.retention.ms", "log.retention.minutes", "log.retention.hours"] {
      guard let value = values.text(name).flatMap({ Int64($0) }), value == 0 || value < -1 else { continue }
      throw ConfigError("\(name) must be unlimited (-1) or at least 1; it is \(value)")
    }
  }
}

/// Why a configuration cannot be used: every problem found, each naming its key, where it was given and what is allowed.
package struct ConfigError: Error, Equatable, CustomStringConvertible {
  package var problems: [String]

  package init(problems: [String]) { self.problems = problems }
  init(_ problem: String) { problems = [problem] }

  package var description: String { problems.joined(separator: "\n") }
}

/// Values by source, looked up most binding first. All have been checked.
struct ConfigValues {
  var given: [String: String]
  var dynamicDefaults: [String: String]
  var dynamicOwn: [String: String]

  /// nil is Kafka's null.
  func text(_ name: String) -> String? {
    guard let key = ConfigKeys.named[name] else { preconditionFailure("\(name) is not in the table of keys") }
    return dynamicOwn[name] ?? dynamicDefaults[name] ?? given[name] ?? key.defaultValue
  }

  func long(_ name: String) -> Int64 {
    guard let value = text(name).flatMap({ Int64($0) }) else { preconditionFailure("\(name) was not checked") }
    return value
  }

  func int(_ name: String) -> Int { Int(long(name)) }
  func bool(_ name: String) -> Bool { text(name) == "true" }
  func notNegative(_ name: String) -> Int64? { long(name) < 0 ? nil : long(name) }

  func shortFromInt(_ name: String) throws(ConfigError) -> Int16 {
    guard let value = Int16(exactly: long(name)) else {
      throw ConfigError("\(name) is \(long(name)); the most is 32767")
    }
    return value
  }
}
