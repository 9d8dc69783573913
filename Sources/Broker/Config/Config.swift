package import Model
package import Storage

/// What a broker is configured to do: the values of `ConfigKeys`, checked, with what each means as a typed property.
///
/// A value: a dynamic change makes another `Config`. Values come, most binding first, from the z-nodes `/config/brokers/N`
/// and `/config/brokers/<default>`, from server.properties and `--override`, and from the table's defaults.
@dynamicMemberLookup
package struct Config: Sendable {
  /// server.properties and `--override`: as given and checked, unknown keys among them.
  package let given: [String: String]
  /// `/config/brokers/<default>`.
  package let dynamicDefaults: [String: String]
  /// `/config/brokers/N`.
  package let dynamicOwn: [String: String]

  // What several keys say together, or what a key's text stands for. Every other key is a property by its table's name
  // (`config.numNetworkThreads`).
  /// -1: to be generated (`broker.id.generation.enable`).
  package let brokerID: BrokerID
  package let rack: String?
  package let listeners: [Listener]
  package let advertisedListeners: [Listener]
  /// Never empty.
  package let logDirs: [String]
  /// nil leaves it to the kernel.
  package let socketSendBufferBytes: Int?
  package let socketReceiveBufferBytes: Int?
  package let connectionsPerIPOverrides: [String: Int]
  /// nil: connections are never closed for being silent.
  package let connectionsIdleMaxMs: Int64?
  /// nil: no limit.
  package let queuedRequestBytesMax: Int?
  package let defaultReplicationFactor: Int16
  /// Always `copy` with a cache of the broker's own.
  package let readPath: ReadPath
  package let cacheSettings: CacheSettings
  /// nil leaves the kernel's default.
  package let congestionControl: String?

  // What requests ask for.
  package let fetchMaxBytes: Int
  package let autoCreateTopics: Bool
  package let flushBeforeAck: Bool

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
    rack = values[Keys.server.rack].flatMap { $0.isEmpty ? nil : $0 }
    listeners = try Listener.parse(values, Keys.server.listeners.name)
    advertisedListeners = try Listener.advertised(values, listeners: listeners)
    logDirs = try Self.logDirectories(values)
    socketSendBufferBytes = values.notNegative(Keys.limits.socketSendBufferBytes)
    socketReceiveBufferBytes = values.notNegative(Keys.limits.socketReceiveBufferBytes)
    connectionsPerIPOverrides = try Self.connectionOverrides(values)
    connectionsIdleMaxMs = values.notNegative(Keys.limits.connectionsIdleMaxMs)
    queuedRequestBytesMax = values.notNegative(Keys.limits.queuedRequestBytesMax).flatMap { $0 == 0 ? nil : Int($0) }
    defaultReplicationFactor = try Self.replicationFactor(values)
    try Self.checkRetention(values)
    cacheSettings = try Self.cacheSettings(values)
    try Self.checkSwitches(values)
    readPath = values[Keys.millrace.cache] == .page ? values[Keys.millrace.readPath] : .copy
    congestionControl = values[Keys.millrace.congestionControl].isEmpty ? nil : values[Keys.millrace.congestionControl]
    fetchMaxBytes = values[Keys.limits.fetchMaxBytes]
    autoCreateTopics = values[Keys.topics.autoCreateTopics]
    flushBeforeAck = values[Keys.millrace.flushBeforeAck]
  }

  /// The values behind the properties, to describe and to change.
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

  /// The path without what changes nothing in it: `/a//b/./` is `/a/b`.
  private static func normalized(_ path: String) -> String {
    let parts = path.split(separator: "/").filter { $0 != "." }
    if path.hasPrefix("/") { return "/" + parts.joined(separator: "/") }
    return parts.isEmpty ? "." : parts.joined(separator: "/")
  }

  /// `broker.id`, or KRaft's name for it.
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

  private static func cacheSettings(_ values: ConfigValues) throws(ConfigError) -> CacheSettings {
    let blockBytes = values[Keys.millrace.cacheBlockBytes]
    guard blockBytes.nonzeroBitCount == 1 else {
      throw ConfigError("\(Keys.millrace.cacheBlockBytes.name) must be a power of two; it is \(blockBytes)")
    }
    return CacheSettings(
      bytes: Int(values[Keys.millrace.cacheBytes]), layout: values[Keys.millrace.cacheLayout], blockBytes: blockBytes)
  }

  /// Refuses switches that contradict each other: an experiment must not measure what it did not ask for.
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

  subscript<Value>(_ key: Key<Value>) -> Value {
    guard let value = Value.value(of: text(key.name)) else { preconditionFailure("\(key.name) was not checked") }
    return value
  }

  /// nil: the key's negative values are "no limit", or "as the system has it".
  func notNegative<Value: ConfigValue & SignedInteger>(_ key: Key<Value>) -> Value? {
    self[key] < 0 ? nil : self[key]
  }
}

/// Each key's value by the name the key has in its table.
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
  package subscript<Value>(dynamicMember key: KeyPath<InternalTopicKeys, Key<Value>>) -> Value {
    values[Keys.internalTopics[keyPath: key]]
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
