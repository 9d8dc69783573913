import Cluster
import Model
import Testing

@testable import Broker

@Suite("Describing and altering configurations")
struct ConfigAlterTests {
  private func describe(_ overrides: [String: String], _ broker: [String: String], _ name: String) throws
    -> DescribedConfig
  {
    let config = try Config(overrides: broker)
    return try #require(TopicConfig(overrides: overrides, broker: config).describe(over: config, only: [name]).first)
  }

  @Test("a topic's key tells its value, where it is from, and all other names it goes by")
  func topic() throws {
    let plain = try describe([:], [:], "retention.ms")
    #expect(plain.value == "604800000")
    #expect(plain.source == .defaultValue)
    #expect(plain.isDefault)
    #expect(plain.synonyms == [.init(name: "log.retention.hours", value: "168", source: .defaultValue)])
    let set = try describe(["retention.ms": "5"], ["log.retention.minutes": "2"], "retention.ms")
    #expect(set.value == "5")
    #expect(set.source == .topic)
    #expect(
      set.synonyms == [
        .init(name: "retention.ms", value: "5", source: .topic),
        .init(name: "log.retention.minutes", value: "2", source: .staticBroker),
        .init(name: "log.retention.hours", value: "168", source: .defaultValue),
      ])
    let inherited = try describe([:], ["log.retention.minutes": "2"], "retention.ms")
    #expect(inherited.value == "120000")
    #expect(inherited.source == .staticBroker)
  }

  @Test("every key of a topic and of a broker is told, with its type and what it is for")
  func complete() throws {
    let config = try Config(overrides: ["ssl.key.password": "secret", "who.knows": "x"])
    let topic = TopicConfig(overrides: [:], broker: config).describe(over: config)
    #expect(topic.map(\.name) == TopicConfigKeys.all.map(\.name).sorted())
    let broker = config.describe()
    #expect(broker.map(\.name) == (ConfigKeys.all.map(\.name) + ["who.knows"]).sorted())
    let password = try #require(broker.first { $0.name == "ssl.key.password" })
    #expect(password.isSensitive)
    #expect(password.value == nil)
    #expect(password.synonyms.map(\.value) == [nil])
    #expect(broker.first { $0.name == "num.partitions" }?.isReadOnly == false)
    #expect(broker.first { $0.name == "broker.id" }?.isReadOnly == true)
  }

  @Test("AlterConfigs leaves a topic with what was given and nothing else")
  func replace() throws {
    let changed = try ConfigAlteration.replace([("segment.bytes", " 1000 ")])
      .applied(toTopic: ["retention.ms": "5"], broker: try Config())
    #expect(changed == ["segment.bytes": "1000"])
  }

  @Test("IncrementalAlterConfigs sets, deletes, appends to and subtracts from what there is")
  func incremental() throws {
    let config = try Config()
    func apply(_ before: [String: String], _ name: String, _ operation: ConfigOperation, _ value: String?) throws
      -> [String: String]
    {
      try ConfigAlteration.incremental([(name, operation.rawValue, value)]).applied(toTopic: before, broker: config)
    }
    #expect(
      try apply(["retention.ms": "5"], "segment.bytes", .set, "99") == ["retention.ms": "5", "segment.bytes": "99"])
    #expect(try apply(["retention.ms": "5"], "retention.ms", .delete, nil) == [:])
    #expect(try apply([:], "retention.ms", .delete, nil) == [:])
    #expect(try apply([:], "cleanup.policy", .append, "compact") == ["cleanup.policy": "delete,compact"])
    #expect(
      try apply(["cleanup.policy": "compact"], "cleanup.policy", .append, "compact") == ["cleanup.policy": "compact"])
    #expect(
      try apply(["cleanup.policy": "compact,delete"], "cleanup.policy", .subtract, "delete") == [
        "cleanup.policy": "compact"
      ])
  }

  @Test("what cannot be set is refused in Kafka's words")
  func refusals() throws {
    let config = try Config()
    let set = ConfigOperation.set.rawValue
    let cases: [(ConfigAlteration, ErrorCode, String)] = [
      (.replace([("no.such", "1")]), .invalidConfig, "Unknown topic config name: no.such"),
      (.replace([("retention.ms", nil)]), .invalidRequest, "Null value not supported for : retention.ms"),
      (
        .replace([("retention.ms", "x")]), .invalidConfig,
        "Invalid value x for configuration retention.ms: Not a number of type LONG"
      ),
      (
        .incremental([("segment.bytes", set, "13")]), .invalidConfig,
        "Invalid value 13 for configuration segment.bytes: Value must be at least 14"
      ),
      (
        .incremental([("cleanup.policy", ConfigOperation.append.rawValue, "shred")]), .invalidConfig,
        "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"
      ),
      (.incremental([("retention.ms", set, nil)]), .invalidRequest, "Null value not supported for : retention.ms"),
      (
        .incremental([("retention.ms", set, "1"), ("retention.ms", set, "2")]), .invalidRequest,
        "Error due to duplicate config keys : retention.ms"
      ),
      (
        .incremental([("retention.ms", ConfigOperation.append.rawValue, "1")]), .invalidConfig,
        "Config value append is not allowed for config key: retention.ms"
      ),
      (.incremental([("retention.ms", 9, "1")]), .invalidRequest, "Unknown operation 9 for config key: retention.ms"),
    ]
    for (alteration, code, message) in cases {
      let refusal = #expect(throws: ApiError.self, "\(message)") {
        try alteration.applied(toTopic: [:], broker: config)
      }
      #expect(refusal == ApiError(code, message))
    }
  }

  @Test("a broker's dynamic values win over its file; its own win over those of all brokers")
  func dynamic() throws {
    let config = try Config(overrides: ["log.retention.ms": "1000"])
    let all = try ConfigAlteration.incremental([("log.retention.ms", 0, "2000")]).applied(
      toBroker: config, isDefault: true)
    #expect(TopicConfig(overrides: [:], broker: all).retentionMs == 2000)
    let own = try ConfigAlteration.incremental([("log.retention.ms", 0, "3000")]).applied(
      toBroker: all, isDefault: false)
    #expect(TopicConfig(overrides: [:], broker: own).retentionMs == 3000)
    #expect(
      own.describe(only: ["log.retention.ms"]).first?.synonyms == [
        .init(name: "log.retention.ms", value: "3000", source: .dynamicBroker),
        .init(name: "log.retention.ms", value: "2000", source: .dynamicDefaultBroker),
        .init(name: "log.retention.ms", value: "1000", source: .staticBroker),
        .init(name: "log.retention.hours", value: "168", source: .defaultValue),
      ])
    #expect(own.describeDynamicDefaults().map(\.value) == ["2000"])
    let back = try ConfigAlteration.incremental([("log.retention.ms", 1, nil)]).applied(toBroker: own, isDefault: false)
    #expect(TopicConfig(overrides: [:], broker: back).retentionMs == 2000)
  }

  @Test("a broker's key that cannot change while it runs is refused, unless it would stay what it is")
  func readOnly() throws {
    let config = try Config(overrides: ["broker.id": "4"])
    let refusal = #expect(throws: ApiError.self) {
      try ConfigAlteration.replace([("broker.id", "5")]).applied(toBroker: config, isDefault: false)
    }
    #expect(refusal?.code == .invalidRequest)
    #expect(
      try ConfigAlteration.replace([("broker.id", "4")]).applied(toBroker: config, isDefault: false).brokerID == 4)
    #expect(throws: ApiError.self) {
      try ConfigAlteration.replace([("listeners", "PLAINTEXT://:1")]).applied(toBroker: config, isDefault: true)
    }
    // A key that means retention must be one that retention takes.
    #expect(throws: ApiError.self) {
      try ConfigAlteration.replace([("log.retention.ms", "0")]).applied(toBroker: config, isDefault: false)
    }
  }
}
