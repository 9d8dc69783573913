package import Model
import Security
package import Storage

/// The configuration of a broker: a checked value for each key of `ConfigKeys`, as typed properties.
///
/// Immutable: a dynamic change makes another `Config`. Where a key has several values, the first of these counts: the one in the
/// z-node `/config/brokers/N`, in `/config/brokers/<default>`, in server.properties or `--override`, the default.
@dynamicMemberLookup
package struct Config: Sendable {
  /// The checked values from server.properties and `--override`, by key, those of unknown keys among them.
  package let given: [String: String]
  /// The checked values in `/config/brokers/<default>`, by key.
  package let dynamicDefaults: [String: String]
  /// The checked values in `/config/brokers/N`, by key.
  package let dynamicOwn: [String: String]

  // Properties that join several keys, or that have another type than their key. Every other key is a property by its name in
  // its table (`config.numNetworkThreads`).
  /// The broker's id; -1 when one is to be generated (`broker.id.generation.enable`).
  package let brokerID: BrokerID
  package let rack: String?
  package let listeners: [Listener]
  package let advertisedListeners: [Listener]
  /// The paths of the log directories; never empty.
  package let logDirs: [String]
  /// SO_SNDBUF in bytes; nil leaves the size to the kernel.
  package let socketSendBufferBytes: Int?
  /// SO_RCVBUF in bytes; nil leaves the size to the kernel.
  package let socketReceiveBufferBytes: Int?
  /// `max.connections.per.ip` by IP address.
  package let connectionsPerIPOverrides: [String: Int]
  /// `connections.max.idle.ms`; nil when idle connections are not closed.
  package let connectionsIdleMaxMs: Int64?
  /// `queued.max.request.bytes`; nil when it is not set.
  package let queuedRequestBytesMax: Int?
  package let defaultReplicationFactor: Int16
  /// `millrace.read.path`; always `copy` with a cache of the broker's own.
  package let readPath: ReadPath
  package let cacheSettings: CacheSettings
  /// `millrace.metrics.listener`; nil for none.
  package let metricsListener: Listener?
  /// `millrace.congestion.control`; nil leaves the kernel's default.
  package let congestionControl: String?

  // Properties that requests read; stored, because looking a key up costs a hash and a parse.
  package let fetchMaxBytes: Int
  package let autoCreateTopics: Bool
  package let flushBeforeAck: Bool
  package let replicaLagMsMax: Int64
  let leaderThrottledRate: Int64
  let followerThrottledRate: Int64
  /// Whether a consumer is referred to a replica in its rack (`replica.selector.class`).
  let readsFromNearest: Bool
  /// The authorizer before it has read any ACL; nil where there is none.
  let authorizer: Authorizer?

  /// How leaders are elected (`millrace.election`).
  package enum Election: String, ConfigChoice { case batched, serial }

  package enum ReadPath: String, Sendable, CaseIterable {
    case sendfile, copy, mmap
  }

  /// Makes a configuration of defaults with some values overridden.
  ///
  /// - Throws: every value that its key does not allow.
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

  /// Returns the configuration with other dynamic values, each of which `ConfigKey.check` has returned.
  ///
  /// - Throws: when the values contradict each other or those of the file.
  package func changing(dynamicDefaults: [String: String], dynamicOwn: [String: String]) throws(ConfigError) -> Config {
    try Config(ConfigValues(given: given, dynamicDefaults: dynamicDefaults, dynamicOwn: dynamicOwn))
  }

  init(_ values: ConfigValues) throws(ConfigError) {
    given = values.given
    dynamicDefaults = values.dynamicDefaults
    dynamicOwn = values.dynamicOwn

    brokerID = try Self.brokerID(values)
    rack = values[Keys.server.rack].flatMap { $0.isEmpty ? nil : $0 }
    listeners = try Listener.parse(values, Keys.server.listeners.name)
    advertisedListeners = try Listener.advertised(values, listeners: listeners)
    try Self.checkSecurity(listeners, values)
    logDirs = try Self.logDirectories(values)
    socketSendBufferBytes = values.notNegative(Keys.limits.socketSendBufferBytes)
    socketReceiveBufferBytes = values.notNegative(Keys.limits.socketReceiveBufferBytes)
    connectionsPerIPOverrides = try Self.connectionOverrides(values)
    connectionsIdleMaxMs = values.notNegative(Keys.limits.connectionsIdleMaxMs)
    queuedRequestBytesMax = values.notNegative(Keys.limits.queuedRequestBytesMax).flatMap { $0 == 0 ? nil : Int($0) }
    defaultReplicationFactor = try Self.replicationFactor(values)
    try Self.checkRetention(values)
    authorizer = try Self.authorizer(values)
    cacheSettings = try Self.cacheSettings(values)
    try Self.checkSwitches(values)
    readPath = values[Keys.millrace.cache] == .page ? values[Keys.millrace.readPath] : .copy
    congestionControl = values[Keys.millrace.congestionControl].isEmpty ? nil : values[Keys.millrace.congestionControl]
    metricsListener = try Self.metricsListener(values)
    fetchMaxBytes = values[Keys.limits.fetchMaxBytes]
    autoCreateTopics = values[Keys.topics.autoCreateTopics]
    flushBeforeAck = values[Keys.millrace.flushBeforeAck]
    replicaLagMsMax = values[Keys.replication.replicaLagMsMax]
    leaderThrottledRate = values[Keys.replication.leaderThrottledRate]
    followerThrottledRate = values[Keys.replication.followerThrottledRate]
    readsFromNearest = values[Keys.replication.replicaSelectorClass] == .rackAware
  }

  /// The values by source, from which the properties were made.
  var values: ConfigValues { ConfigValues(given: given, dynamicDefaults: dynamicDefaults, dynamicOwn: dynamicOwn) }
}

extension Config {
  private static func logDirectories(_ values: ConfigValues) throws(ConfigError) -> [String] {
    let several = values[Keys.server.logDirs]
    let name = several == nil ? Keys.server.logDir.name : Keys.server.logDirs.name
    let directories = several ?? ConfigKey.elements(values[Keys.server.logDir])
    guard !directories.isEmpty else { throw ConfigError("\(name) names no directory: give at least one path") }
    var named: [String: String] = [:]
    for directory in directories {
      if let earlier = named.updateValue(directory, forKey: normalized(directory)) {
        throw ConfigError("\(name) names a directory twice: \(earlier) and \(directory)")
      }
    }
    return directories.map(normalized)
  }

  /// Returns the path without empty and `.` components: `/a/b` for `/a//b/./`.
  private static func normalized(_ path: String) -> String {
    let parts = path.split(separator: "/").filter { $0 != "." }
    if path.hasPrefix("/") { return "/" + parts.joined(separator: "/") }
    return parts.isEmpty ? "." : parts.joined(separator: "/")
  }

  /// Returns the value of `broker.id`, or of `node.id` when only that is set.
  private static func brokerID(_ values: ConfigValues) throws(ConfigError) -> BrokerID {
    let id = values[Keys.server.brokerID], node = values[Keys.server.nodeID]
    guard id < 0 || node < 0 || id == node else {
      throw ConfigError("node.id is \(node), but broker.id is \(id): they are two names of one number, so give one")
    }
    return max(id, node)
  }

  private static func replicationFactor(_ values: ConfigValues) throws(ConfigError) -> Int16 {
    let key = Keys.topics.defaultReplicationFactor
    guard let value = Int16(exactly: values[key]) else {
      throw ConfigError("\(key.name) is \(values[key]); the most is 32767")
    }
    return value
  }

  private static func connectionOverrides(_ values: ConfigValues) throws(ConfigError) -> [String: Int] {
    var overrides: [String: Int] = [:]
    let key = Keys.limits.connectionsPerIPOverrides
    for element in ConfigKey.elements(values[key]) {
      // The address may be IPv6, so the count is after the last colon.
      guard let colon = element.lastIndex(of: ":"), let count = Int(element[element.index(after: colon)...]), count >= 0
      else { throw ConfigError("\(key.name): \(element) is not address:count") }
      overrides[String(element[..<colon])] = count
    }
    return overrides
  }

  private static func metricsListener(_ values: ConfigValues) throws(ConfigError) -> Listener? {
    let key = Keys.millrace.metricsListener
    guard !values[key].isEmpty else { return nil }
    guard let listener = Listener("METRICS://\(values[key])") else {
      throw ConfigError("\(key.name): \(values[key]) is not host:port")
    }
    return listener
  }

  private static func cacheSettings(_ values: ConfigValues) throws(ConfigError) -> CacheSettings {
    let blockBytes = values[Keys.millrace.cacheBlockBytes]
    guard blockBytes.nonzeroBitCount == 1 else {
      throw ConfigError("\(Keys.millrace.cacheBlockBytes.name) must be a power of two; it is \(blockBytes)")
    }
    return CacheSettings(
      bytes: Int(values[Keys.millrace.cacheBytes]), layout: values[Keys.millrace.cacheLayout], blockBytes: blockBytes)
  }

  /// Refuses values of Millrace's own keys that contradict each other: an experiment must not measure another arm than it
  /// names.
  private static func checkSwitches(_ values: ConfigValues) throws(ConfigError) {
    let cache = values[Keys.millrace.cache], writePath = values[Keys.millrace.writePath]
    let readPath = values.given[Keys.millrace.readPath.name] ?? "copy"
    if cache != .page, readPath != "copy" {
      throw ConfigError(
        "millrace.read.path=\(readPath) needs the page cache, but millrace.cache=\(cache.rawValue) has fetches copied out of the broker's own: leave it out, or set it to copy"
      )
    }
    guard values[Keys.millrace.logEngine] == .btree else { return }
    guard cache == .page, writePath == .buffered else {
      throw ConfigError(
        "millrace.log.engine=btree maps its file itself: it goes with millrace.cache=page and millrace.write.path=buffered only, not with \(cache.rawValue) and \(writePath.rawValue)"
      )
    }
  }

  /// Refuses retention times other than -1 and positive numbers, in each of the three units, as Kafka does.
  private static func checkRetention(_ values: ConfigValues) throws(ConfigError) {
    for name in ["log.retention.ms", "log.retention.minutes", "log.retention.hours"] {
      guard let value = values.text(name).flatMap({ Int64($0) }), value == 0 || value < -1 else { continue }
      throw ConfigError("\(name) must be unlimited (-1) or at least 1; it is \(value)")
    }
  }
}

/// The problems for which a configuration cannot be used: each names its key, where it was given and what is allowed.
package struct ConfigError: Error, Equatable, CustomStringConvertible {
  package var problems: [String]

  package init(problems: [String]) { self.problems = problems }
  init(_ problem: String) { problems = [problem] }

  package var description: String { problems.joined(separator: "\n") }
}

/// The checked values of a configuration by source. A look-up returns the first of: the broker's own dynamic value, the dynamic
/// default of the cluster, the value of the file or `--override`, the default.
struct ConfigValues {
  var given: [String: String]
  var dynamicDefaults: [String: String]
  var dynamicOwn: [String: String]

  /// Returns the text of the effective value; nil is Kafka's null.
  func text(_ name: String) -> String? {
    guard let key = ConfigKeys.named[name] else { preconditionFailure("\(name) is not in the table of keys") }
    return dynamicOwn[name] ?? dynamicDefaults[name] ?? given[name] ?? key.defaultValue
  }

  subscript<Value>(_ key: Key<Value>) -> Value {
    guard let value = Value.value(of: text(key.name)) else { preconditionFailure("\(key.name) was not checked") }
    return value
  }

  /// Returns the effective value, or nil when it is negative, which for such keys means "no limit" or "the system's default".
  func notNegative<Value: ConfigValue & SignedInteger>(_ key: Key<Value>) -> Value? {
    self[key] < 0 ? nil : self[key]
  }
}

/// Makes each key of a table a property of the configuration, by the key's name in the table.
extension Config {
  package subscript<Value>(dynamicMember key: KeyPath<ServerKeys, Key<Value>>) -> Value {
    values[Keys.server[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<LimitKeys, Key<Value>>) -> Value {
    values[Keys.limits[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<TopicsKeys, Key<Value>>) -> Value {
    values[Keys.topics[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<LogKeys, Key<Value>>) -> Value { values[Keys.log[keyPath: key]] }
  package subscript<Value>(dynamicMember key: KeyPath<CleanerKeys, Key<Value>>) -> Value {
    values[Keys.cleaner[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<InternalTopicKeys, Key<Value>>) -> Value {
    values[Keys.internalTopics[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<GroupKeys, Key<Value>>) -> Value {
    values[Keys.groups[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<TransactionKeys, Key<Value>>) -> Value {
    values[Keys.transactions[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<ClusterKeys, Key<Value>>) -> Value {
    values[Keys.cluster[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<ReplicationKeys, Key<Value>>) -> Value {
    values[Keys.replication[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<SecurityKeys, Key<Value>>) -> Value {
    values[Keys.security[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<AccessKeys, Key<Value>>) -> Value {
    values[Keys.access[keyPath: key]]
  }
  package subscript<Value>(dynamicMember key: KeyPath<MillraceKeys, Key<Value>>) -> Value {
    values[Keys.millrace[keyPath: key]]
  }
}

extension Config.ReadPath: ConfigChoice {}
extension LogEngine: ConfigChoice {}
extension CacheKind: ConfigChoice {}
extension CacheLayout: ConfigChoice {}
extension WritePath: ConfigChoice {}
