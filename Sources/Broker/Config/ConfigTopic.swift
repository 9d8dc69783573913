package import Cluster
import Model

/// The configuration of a topic: the values that are set for it (`/config/topics/T`), and the broker's values for other keys.
///
/// The stored properties are the effective values that requests and logs read; every other key of `TopicKeys` is a property by
/// its name there. Immutable: a change to the topic's values or to the broker's dynamic ones makes another `TopicConfig`.
@dynamicMemberLookup
package struct TopicConfig: Sendable {
  private let values: TopicValues

  package let cleanupPolicy: CleanupPolicy
  package let compressionType: CompressionType
  package let compressionGzipLevel: Int
  package let compressionLZ4Level: Int
  package let compressionZstdLevel: Int
  package let fileDeleteDelayMs: Int64
  package let flushMessages: Int64
  package let flushMs: Int64
  package let indexIntervalBytes: Int
  package let maxMessageBytes: Int
  package let timestampAfterMaxMs: Int64
  package let timestampBeforeMaxMs: Int64
  package let timestampIsLogAppendTime: Bool
  package let minInSyncReplicas: Int
  package let preallocate: Bool
  /// The maximum size of a partition in bytes; -1 is no limit.
  package let retentionBytes: Int64
  /// The time for which a closed segment is retained; -1 is no limit.
  package let retentionMs: Int64
  package let segmentBytes: Int
  package let segmentIndexBytes: Int
  package let segmentMs: Int64
  let throttledLeaders: ThrottledReplicas
  let throttledFollowers: ThrottledReplicas

  /// The codec of stored batches; `producer` stores them as they were sent.
  package enum CompressionType: String, ConfigChoice { case uncompressed, zstd, lz4, snappy, gzip, producer }

  enum TimestampType: String, ConfigChoice { case createTime = "CreateTime", logAppendTime = "LogAppendTime" }

  package struct CleanupPolicy: OptionSet, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static let delete = CleanupPolicy(rawValue: 1)
    package static let compact = CleanupPolicy(rawValue: 2)
  }

  /// - Parameter overrides: values that `checked` returned.
  package init(overrides: [String: String], broker: Config) {
    let values = TopicValues(overrides: overrides, broker: broker.values)
    self.values = values
    let keys = Keys.topic
    var policy: CleanupPolicy = []
    for element in values[keys.cleanupPolicy] {
      policy.insert(element == "compact" ? .compact : .delete)
    }
    cleanupPolicy = policy
    compressionType = values[keys.compressionType]
    compressionGzipLevel = values[keys.compressionGzipLevel]
    compressionLZ4Level = values[keys.compressionLZ4Level]
    compressionZstdLevel = values[keys.compressionZstdLevel]
    fileDeleteDelayMs = values[keys.fileDeleteDelayMs]
    flushMessages = values[keys.flushMessages]
    flushMs = values[keys.flushMs]
    indexIntervalBytes = values[keys.indexIntervalBytes]
    maxMessageBytes = values[keys.maxMessageBytes]
    timestampAfterMaxMs = values[keys.timestampAfterMaxMs]
    timestampBeforeMaxMs = values[keys.timestampBeforeMaxMs]
    timestampIsLogAppendTime = values[keys.timestampType] == .logAppendTime
    minInSyncReplicas = values[keys.minInSyncReplicas]
    preallocate = values[keys.preallocate]
    retentionBytes = values[keys.retentionBytes]
    retentionMs = values[keys.retentionMs]
    segmentBytes = values[keys.segmentBytes]
    segmentIndexBytes = values[keys.segmentIndexBytes]
    segmentMs = values[keys.segmentMs]
    throttledLeaders = Self.replicas(keys.leaderReplicationThrottledReplicas, overrides)
    throttledFollowers = Self.replicas(keys.followerReplicationThrottledReplicas, overrides)
  }

  private static func replicas(_ key: TopicKey<[String]>, _ overrides: [String: String]) -> ThrottledReplicas {
    overrides[key.name].map { ThrottledReplicas(ConfigKey.elements($0)) } ?? .none
  }

  /// The checked values that are set for the topic, by key.
  package var overrides: [String: String] { values.overrides }

  package subscript<Value>(dynamicMember key: KeyPath<TopicKeys, TopicKey<Value>>) -> Value {
    values[Keys.topic[keyPath: key]]
  }

  /// Checks keys and values of a CreateTopics request, and returns the values by key.
  ///
  /// - Throws: with Kafka's code and message, for the first key in alphabetical order that is unknown or has a value that it
  ///   does not allow.
  package static func checked(_ given: [(name: String, value: String?)]) throws(ApiError) -> [String: String] {
    let nulls = given.filter { $0.value == nil }.map(\.name)
    guard nulls.isEmpty else {
      throw ApiError(.invalidConfig, "Null value not supported for topic configs: \(nulls.joined(separator: ","))")
    }
    return try checked(Dictionary(given.map { ($0.name, $0.value ?? "") }) { _, last in last })
  }

  static func checked(_ given: [String: String]) throws(ApiError) -> [String: String] {
    var checked: [String: String] = [:]
    for (name, value) in given.sorted(by: { $0.key < $1.key }) {
      guard let key = TopicConfigKeys.named[name] else {
        throw ApiError(.invalidConfig, "Unknown topic config name: \(name)")
      }
      do { checked[name] = try key.key.check(value) } catch { throw ApiError(.invalidConfig, error.description) }
    }
    try checkLags(checked)
    return checked
  }

  private static func checkLags(_ checked: [String: String]) throws(ApiError) {
    let (least, most) = (Keys.topic.minCompactionLagMs.name, Keys.topic.maxCompactionLagMs.name)
    guard let min = checked[least].flatMap({ Int64($0) }), let max = checked[most].flatMap({ Int64($0) }), min > max
    else { return }
    throw ApiError(.invalidConfig, "conflict topic config setting \(least) (\(min)) > \(most) (\(max))")
  }
}

/// The checked values of a topic by source: its own, and the broker's.
struct TopicValues {
  var overrides: [String: String]
  var broker: ConfigValues

  /// Returns the text of the effective value, in the unit of the topic key.
  func text(_ name: String) -> String {
    if let value = overrides[name] { return value }
    guard let key = TopicConfigKeys.named[name] else {
      preconditionFailure("\(name) is not in the table of topic keys")
    }
    for source in [broker.dynamicOwn, broker.dynamicDefaults, broker.given] {
      for synonym in key.synonyms {
        if let value = source[synonym.name] { return Self.converted(value, synonym.unit) }
      }
    }
    return key.key.defaultValue ?? ""
  }

  /// Converts a number of hours or minutes to milliseconds; a negative number becomes -1, "no limit".
  static func converted(_ value: String, _ unit: TopicConfigKey.Unit) -> String {
    guard unit != .same, let number = Int64(value) else { return value }
    guard number >= 0 else { return "-1" }
    let (product, overflow) = number.multipliedReportingOverflow(by: unit.rawValue)
    return String(overflow ? .max : product)
  }

  subscript<Value>(_ key: TopicKey<Value>) -> Value {
    guard let value = Value.value(of: text(key.name)) else { preconditionFailure("\(key.name) was not checked") }
    return value
  }
}
