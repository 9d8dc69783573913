import Storage
import Testing

@testable import Broker

@Suite("Config")
struct ConfigTests {
  @Test("every key is named once, and its default is a value of the key")
  func table() throws {
    #expect(Set(ConfigKeys.all.map(\.name)).count == ConfigKeys.all.count)
    for key in ConfigKeys.all + TopicConfigKeys.all.map(\.key) {
      if let value = key.defaultValue { #expect(try key.check(value) == value, "\(key.name)") }
      #expect(key.documentation.hasSuffix("."), "\(key.name) is documented in whole sentences")
    }
    for key in TopicConfigKeys.all {
      for synonym in key.synonyms { #expect(ConfigKeys.named[synonym.name] != nil, "\(key.name) -> \(synonym.name)") }
    }
  }

  @Test("an empty configuration is Kafka's defaults")
  func defaults() throws {
    let config = try Config()
    #expect(config.brokerID == -1)
    #expect(config.logDirs == ["/tmp/kafka-logs"])
    #expect(config.listeners == [Listener(name: "PLAINTEXT", host: nil, port: 9092)])
    #expect(config.socketRequestMaxBytes == 100 << 20)
    #expect(config.connectionsIdleMaxMs == 600_000)
    #expect(config.numPartitions == 1)
    #expect(config.autoCreateTopics)
    #expect(config.readPath == .sendfile)
    #expect(config.queuedRequestBytesMax == nil)
    let topic = TopicConfig(overrides: [:], broker: config)
    #expect(topic.segmentBytes == 1 << 30)
    #expect(topic.segmentMs == 604_800_000)
    #expect(topic.retentionMs == 604_800_000)
    #expect(topic.retentionBytes == -1)
    #expect(topic.maxMessageBytes == 1_048_588)
    #expect(topic.flushMs == .max)
    #expect(topic.cleanupPolicy == .delete)
  }

  @Test("a topic's default has what its broker keys say everywhere: same value where the broker says nothing")
  func topicDefaultsAgree() throws {
    let values = TopicValues(overrides: [:], broker: try Config().values)
    for key in TopicConfigKeys.all {
      let fromBroker = key.synonyms.lazy.compactMap { synonym in
        ConfigKeys.named[synonym.name]?.defaultValue.map { TopicValues.converted($0, synonym.unit) }
      }.first
      #expect(fromBroker == nil || fromBroker == values.text(key.name), "\(key.name)")
    }
  }

  @Test("a key is written once: its property is its value, from wherever it was set, and its default elsewhere")
  func properties() throws {
    let config = try Config(overrides: [
      "num.partitions": "7", "log.dirs": "/a, /b", "broker.rack": "", "millrace.log.engine": "btree",
      "log.retention.minutes": "2", "min.insync.replicas": "2", "log.cleaner.delete.retention.ms": "5",
    ])
    #expect(config.numPartitions == Int32(7))
    #expect(config.numNetworkThreads == 3)
    #expect(config.brokerIDGenerationEnable)
    #expect(config.logEngine == .btree)
    #expect(config.logRetentionMinutes == 2)
    #expect(config.offsetsTopicReplicationFactor == Int16(3))
    #expect(config.values[Keys.server.logDirs] == ["/a", "/b"])
    #expect(config.values[Keys.server.advertisedListeners] == nil)
    #expect(try config.changing(dynamicDefaults: ["num.partitions": "8"], dynamicOwn: [:]).numPartitions == 8)
    let topic = TopicConfig(overrides: ["segment.jitter.ms": "9"], broker: config)
    #expect(topic.segmentJitterMs == 9)
    #expect(topic.deleteRetentionMs == 5)
    #expect(topic.minCleanableDirtyRatio == 0.5)
    #expect(topic.retentionMs == 120_000)
    #expect(topic.minInSyncReplicas == 2)
    // The stored property of a key is its value, too.
    #expect(topic.segmentBytes == topic[dynamicMember: \.segmentBytes])
    #expect(topic.maxMessageBytes == topic[dynamicMember: \.maxMessageBytes])
  }

  @Test("no value of any key ends the process: it is refused, or everything that is worked out from it can be")
  func extremes() throws {
    let numbers: [Int64] = [
      .min, .min + 1, -2_147_483_648, -2, -1, 0, 1, 2, 2_147_483_647, 2_147_483_648, .max - 1, .max,
    ]
    let texts: [String] =
      numbers.map { String($0) } + [
        "", " ", ",", ",,a", "x:9", "1e308", "-1e308", "nan", "18446744073709551616", "true",
      ]
    for text in texts {
      for key in ConfigKeys.accepted { _ = try? key.check(text) }
      for key in ConfigKeys.acted + ConfigKeys.inherited {
        guard let config = try? Config(overrides: [key.name: text]) else { continue }
        _ = LogConfig(TopicConfig(overrides: [:], broker: config), flushBeforeAck: config.flushBeforeAck)
        _ = BrokerServer.Settings(config, descriptorsMax: 1024)
        _ = try? DescriptorLimit.check(config, available: 1024)
      }
      let config = try Config()
      for name in TopicConfigKeys.all.map(\.name) {
        guard let checked = try? TopicConfig.checked([name: text]) else { continue }
        _ = LogConfig(TopicConfig(overrides: checked, broker: config), flushBeforeAck: true)
      }
    }
  }

  @Test("a file is read, an override wins over it, and the smaller unit wins over the larger")
  func file() throws {
    let text = """
      # a comment
      broker.id=3
      log.dirs = /data/a, /data/b
      listeners=PLAINTEXT://127.0.0.1:19092,INSIDE://[::1]:0
      listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT
      log.retention.hours=1
      log.retention.minutes=5
      num.partitions=4
      """
    let file = try ConfigFile.parse(text, name: "server.properties", overrides: ["num.partitions=6"])
    #expect(file.warnings == [])
    #expect(file.config.brokerID == 3)
    #expect(file.config.logDirs == ["/data/a", "/data/b"])
    #expect(
      file.config.listeners == [
        Listener(name: "PLAINTEXT", host: "127.0.0.1", port: 19092), Listener(name: "INSIDE", host: "::1", port: 0),
      ])
    #expect(file.config.advertisedListeners == file.config.listeners)
    #expect(file.config.numPartitions == 6)
    #expect(TopicConfig(overrides: [:], broker: file.config).retentionMs == 300_000)
    #expect(TopicConfig(overrides: ["retention.ms": "7"], broker: file.config).retentionMs == 7)
  }

  @Test("unknown keys, keys given twice and keys without effect are warned of, and nothing fails")
  func warnings() throws {
    let text = """
      num.partition=4
      num.io.threads=2
      retention.ms=5
      broker.id=1
      broker.id=2
      quite.something.else=1
      """
    let file = try ConfigFile.parse(text, name: "f")
    #expect(file.config.brokerID == 2)
    #expect(
      file.warnings == [
        "f:1: unknown key num.partition; did you mean num.partitions?",
        "f:3: unknown key retention.ms; did you mean log.retention.ms?",
        "f:5: broker.id was already given at f:4; the later value is used",
        "f:6: unknown key quite.something.else",
        "accepted without effect: num.io.threads",
      ])
  }

  @Test("all bad values are reported together, each with its place and what is allowed")
  func badValues() throws {
    let text = "num.partitions=0\nlog.segment.bytes=big\nmillrace.read.path=splice\nlog.cleanup.policy=delete,shred\n"
    let error = try #require(throws: ConfigError.self) {
      try ConfigFile.parse(text, name: "f", overrides: ["nonsense"])
    }
    #expect(
      error.problems == [
        "f:1: Invalid value 0 for configuration num.partitions: Value must be at least 1 (allowed: at least 1)",
        "f:2: Invalid value big for configuration log.segment.bytes: Not a number of type INT (allowed: at least 14)",
        "f:3: Invalid value splice for configuration millrace.read.path: String must be one of: sendfile, copy, mmap"
          + " (allowed: sendfile, copy, mmap)",
        "f:4: Invalid value shred for configuration log.cleanup.policy: String must be one of: compact, delete"
          + " (allowed: a list of: compact, delete)",
        "--override nonsense: expected key=value",
      ])
  }

  @Test(
    "what only several keys together are wrong in is refused with the place of the key",
    arguments: [
      (
        "listeners=SSL://:9093",
        "f:1: listeners: SSL://:9093 needs a key and a certificate: set ssl.keystore.type=PEM and ssl.keystore.location"
      ),
      (
        "listeners=SASL_SSL://:9093",
        "sasl.enabled.mechanisms: GSSAPI is not served (listener SASL_SSL); these are: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"
      ),
      (
        "listeners=SASL_PLAINTEXT://:9093\nsasl.enabled.mechanisms=PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config is not set: it has the users of PLAIN, as user_NAME=\"password\""
      ),
      ("inter.broker.listener.name=INSIDE", "f:1: inter.broker.listener.name is INSIDE, which is not in listeners"),
      ("listeners=PLAINTEXT:9092", "f:1: listeners: PLAINTEXT:9092 is not NAME://host:port"),
      ("listeners=X://:9092", "f:1: listeners: no security protocol is defined for listener X"),
      (
        "advertised.listeners=PLAINTEXT://0.0.0.0:1",
        "f:1: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address."
      ),
      ("log.dirs=", "f:1: log.dirs names no directory: give at least one path"),
      ("log.dirs=/a,/b,/a//./", "f:1: log.dirs names a directory twice: /a and /a//./"),
      (
        "node.id=7\nbroker.id=1",
        "f:1: node.id is 7, but broker.id is 1: they are two names of one number, so give one"
      ),
      ("log.retention.ms=0", "f:1: log.retention.ms must be unlimited (-1) or at least 1; it is 0"),
    ])
  func inconsistent(text: String, message: String) throws {
    let error = try #require(throws: ConfigError.self) { try ConfigFile.parse(text, name: "f") }
    #expect(error.problems == [message])
  }

  @Test(
    "a comma too many in a list says nothing",
    arguments: [
      ("log.dirs=/a,/b,", ["/a", "/b"]), ("log.dirs=/a,,/b", ["/a", "/b"]), ("log.dirs= , /a", ["/a"]),
      ("log.dirs=/a/,./b//c/.", ["/a", "b/c"]),
    ])
  func emptyElements(text: String, directories: [String]) throws {
    #expect(try ConfigFile.parse(text, name: "f").config.logDirs == directories)
    let lists = """
      listeners=PLAINTEXT://:1,,
      advertised.listeners=,PLAINTEXT://h:1
      listener.security.protocol.map=PLAINTEXT:PLAINTEXT,
      max.connections.per.ip.overrides=127.0.0.1:5,
      log.cleanup.policy=compact,,delete,
      """
    let config = try ConfigFile.parse(lists, name: "f").config
    #expect(config.listeners.map(\.port) == [1])
    #expect(config.advertisedListeners.map(\.host) == ["h"])
    #expect(config.connectionsPerIPOverrides == ["127.0.0.1": 5])
    #expect(TopicConfig(overrides: [:], broker: config).cleanupPolicy == [.compact, .delete])
  }

  @Test("node.id is another name of broker.id, and neither is told to be without effect")
  func nodeID() throws {
    for text in ["node.id=7", "node.id=7\nbroker.id=7", "broker.id=7"] {
      let file = try ConfigFile.parse(text, name: "f")
      #expect(file.config.brokerID == 7)
      #expect(file.warnings == [])
    }
  }

  @Test("a file that is not there is an error that names it")
  func missingFile() throws {
    let error = try #require(throws: ConfigError.self) { try ConfigFile.load(path: "/nonexistent/server.properties") }
    #expect(error.problems == ["/nonexistent/server.properties: No such file or directory"])
  }
}
