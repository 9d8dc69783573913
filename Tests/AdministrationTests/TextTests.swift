import Base
import Model
import Testing
import Wire

@testable import Administration

/// The text that a person gets, and the documents that programs get.
struct TextTests {
  @Test("columns are as wide as their widest word, and no cell is empty")
  func table() {
    var table = TextTable(["A", "LONG", "C"])
    table.add(["wide", "", "x"])
    #expect(table.lines == ["A     LONG  C", "wide  -     x"])
  }

  // MARK: Topics

  private func topic(_ name: String = "t") -> DescribedTopic {
    DescribedTopic(
      name: name, id: TopicID(high: 0, low: 1), isInternal: false,
      partitions: [
        .init(index: 0, leader: 1, leaderEpoch: 3, replicas: [1, 2], inSync: [1, 2], offline: []),
        .init(index: 1, leader: -1, leaderEpoch: 4, replicas: [2, 1], inSync: [2], offline: [2]),
      ],
      configs: [entry("min.insync.replicas", "2", .topic), entry("segment.bytes", "100", .staticBroker)])
  }

  private func entry(_ name: String, _ value: String?, _ source: ConfigEntry.Source) -> ConfigEntry {
    ConfigEntry(
      name: name, value: value, source: source, isSensitive: value == nil, isReadOnly: false,
      synonyms: [.init(name: "log.\(name)", value: "7", source: .default)])
  }

  @Test("topics are described as kafka-topics does")
  func describeTopics() {
    let answer = TopicText.describe([topic()], TopicFilter(), alive: [1])
    #expect(
      answer.lines == [
        "Topic: t\tTopicId: AAAAAAAAAAAAAAAAAAAAAQ\tPartitionCount: 2\tReplicationFactor: 2\t"
          + "Configs: min.insync.replicas=2,segment.bytes=100",
        "\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1,2",
        "\tTopic: t\tPartition: 1\tLeader: none\tReplicas: 2,1\tIsr: 2\tOffline: 2",
      ])
    #expect(answer.json.asArray?[0]["partitions"]?.asArray?[1]["leader"] == .null)
    #expect(answer.json.asArray?[0]["configs"]?["segment.bytes"]?.asString == "100")
  }

  @Test("a partition that moves shows what is added and removed")
  func moves() {
    var moved = topic()
    moved.partitions[0].replicas = [3, 1, 2]
    moved.partitions[0].adding = [3]
    moved.partitions[0].removing = [2]
    let answer = TopicText.describe([moved], TopicFilter(), alive: [1])
    #expect(answer.lines[0].contains("ReplicationFactor: 2\t"))
    #expect(answer.lines[1].hasSuffix("Isr: 1,2\tAdding Replicas: 3\tRemoving Replicas: 2"))
  }

  @Test(
    "conditions keep the partitions that meet them, without the topics' lines",
    arguments: [
      (TopicFilter.Condition.underReplicated, [1]), (.unavailable, [1]), (.underMinISR, [1]), (.atMinISR, [0]),
    ] as [(TopicFilter.Condition, [Int])])
  func conditions(condition: TopicFilter.Condition, partitions: [Int]) {
    var filter = TopicFilter()
    filter.conditions = [condition]
    let answer = TopicText.describe([topic()], filter, alive: [1])
    #expect(answer.lines.count == partitions.count)
    for (line, partition) in zip(answer.lines, partitions) { #expect(line.contains("Partition: \(partition)\t")) }
    filter.conditions = Set(TopicFilter.Condition.allCases)
    #expect(TopicText.describe([topic()], filter, alive: [1]).lines.isEmpty)
  }

  @Test("topics with overrides are told in a line each, others left out")
  func overrides() {
    var plain = topic("u")
    plain.configs = [entry("segment.bytes", "100", .staticBroker)]
    var filter = TopicFilter()
    filter.withOverrides = true
    let answer = TopicText.describe([topic(), plain], filter, alive: [1])
    #expect(answer.lines.count == 1 && answer.lines[0].hasPrefix("Topic: t\t"))
  }

  @Test("an assignment by hand has as many distinct replicas for each partition")
  func assignments() throws {
    #expect(try ClusterSession.assignments("1:2,2:1") == [[1, 2], [2, 1]])
    for text in ["", "1:1", "1,2:3", "a", "1:,2", "1,"] {
      #expect(throws: AdministrationError.self, "\(text)") { try ClusterSession.assignments(text) }
    }
    var creation = TopicCreation(name: "t")
    creation.assignment = "1,1"
    creation.configs = ["a=1,b=[x,y]"]
    let request = try ClusterSession.topic(creation)
    #expect(request.numPartitions == -1 && request.replicationFactor == -1)
    #expect(request.assignments.map(\.brokerIDs) == [[1], [1]])
    #expect(request.configs.map(\.value) == ["1", "x,y"])
    creation.partitions = 2
    #expect(throws: AdministrationError.self) { try ClusterSession.topic(creation) }
  }

  // MARK: Configurations

  @Test("values of the entity itself are shown, and with all every value with its sources")
  func configs() {
    let described = [(entity: ConfigEntity.topic("t"), entries: topic().configs ?? [])]
    #expect(
      ConfigText.describe(described, includesAll: false).lines == [
        "Dynamic configs for topic t are:",
        "  min.insync.replicas=2 sensitive=false synonyms={DEFAULT_CONFIG:log.min.insync.replicas=7}",
      ])
    let all = ConfigText.describe(described, includesAll: true)
    #expect(all.lines.count == 3 && all.lines[0] == "All configs for topic t are:")
    #expect(all.json.asArray?[0]["configs"]?.asArray?[1]["source"]?.asString == "STATIC_BROKER_CONFIG")
    let secret = [(entity: ConfigEntity.broker(1), entries: [entry("password", nil, .dynamicBroker)])]
    #expect(
      ConfigText.describe(secret, includesAll: false).lines[1].hasPrefix("  password=null sensitive=true synonyms="))
  }

  @Test("a change names each key once, and at least one")
  func change() throws {
    let change = try ConfigChange(adding: ["a=1", "b=[x,y]"], deleting: ["c,d"])
    #expect(change.additions == [.init(key: "a", value: "1"), .init(key: "b", value: "x,y")])
    #expect(change.deletions == ["c", "d"])
    for (additions, deletions) in [([], []), (["a=1,a=2"], []), (["a=1"], ["a"]), (["a"], [])] as [([String], [String])]
    {
      #expect(throws: AdministrationError.self) { try ConfigChange(adding: additions, deleting: deletions) }
    }
  }

  // MARK: Log directories

  @Test("log directories are shown with their replicas; the document is that of kafka-log-dirs")
  func logDirs() {
    let answer = LogDirText.describe([
      DescribedLogDir(
        broker: 1, path: "/a", error: .none, totalBytes: 100, usableBytes: 50,
        replicas: [.init(partition: TopicPartition("t", 0), sizeBytes: 7, offsetLag: 0, isFuture: false)]),
      DescribedLogDir(
        broker: 1, path: "/b", error: .kafkaStorageError, totalBytes: -1, usableBytes: -1, replicas: []),
    ])
    #expect(
      answer.lines == [
        "Broker: 1\tLogDir: /a\tTotalBytes: 100\tUsableBytes: 50\tBytes: 7",
        "  TOPIC  PARTITION  SIZE  OFFSET-LAG  FUTURE", "  t      0          7     0           false", "",
        "Broker: 1\tLogDir: /b\tError: KAFKA_STORAGE_ERROR\tBytes: 0",
      ])
    #expect(
      answer.document
        == #"{"version":1,"brokers":[{"broker":1,"logDirs":[{"error":null,"logDir":"/a","totalBytes":100,"#
        + #""usableBytes":50,"partitions":[{"partition":"t-0","size":7,"offsetLag":0,"isFuture":false}]},"#
        + #"{"error":"KAFKA_STORAGE_ERROR","logDir":"/b","totalBytes":-1,"usableBytes":-1,"partitions":[]}]}]}"#)
  }
}
