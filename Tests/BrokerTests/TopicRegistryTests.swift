import Cluster
import Coordination
import Model
import Synchronization
import Testing

@testable import Broker

/// A journal in memory that can be cut, and made to fail.
private final class Journal: JournalStore, @unchecked Sendable {
  var bytes: [UInt8]
  /// The lengths the journal has had, at each of which a crash may have left it.
  var lengths: [Int] = []
  var fails = false

  init(_ bytes: [UInt8] = []) { self.bytes = bytes }
  func load() throws(JournalStoreError) -> [UInt8] { bytes }
  func append(_ new: [UInt8], at position: Int) throws(JournalStoreError) {
    if fails { throw JournalStoreError(call: "pwrite", path: "memory", errno: 28) }
    bytes += new
    lengths.append(bytes.count)
  }
  func truncate(to length: Int) throws(JournalStoreError) { bytes.removeLast(bytes.count - length) }
  func replace(with new: [UInt8]) throws(JournalStoreError) { bytes = new }
  func close() {}
}

private struct Numbers: RandomNumberGenerator, Sendable {
  var state: UInt64 = 1
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ (state >> 29)
  }
}

private func registry(
  _ journal: Journal = Journal(), _ keys: [String: String] = ["broker.id": "1"],
  before: TopicRegistry.Identity = .init(),
  seed: UInt64 = 1
) throws -> TopicRegistry {
  try TopicRegistry(
    tree: EmbeddedTree(store: journal) { 1000 }, config: Config(overrides: keys), before: before, nowMs: { 1000 },
    random: Numbers(state: seed))
}

@Suite("TopicRegistry")
struct TopicRegistryTests {
  @Test("a new tree has Kafka's roots, a cluster id, and this broker as its controller")
  func fresh() throws {
    let registry = try registry()
    let tree = registry.tree
    for path in ZNodeRoots.persistent { #expect(try tree.exists(path) != nil, "\(path)") }
    #expect(try ClusterIDZNode(data: tree.get(ClusterIDZNode.path).data).id == registry.clusterID)
    #expect(registry.clusterID.utf8.count == 22)
    #expect(try ControllerZNode(data: tree.get(ControllerZNode.path).data).brokerID == 1)
    #expect(registry.controllerEpoch == 1)
    try registry.announce([.init(listener: "PLAINTEXT", securityProtocol: "PLAINTEXT", host: "h", port: 9)])
    #expect(try tree.children(of: BrokerZNode.parent) == ["1"])
    #expect(try tree.exists("/brokers/ids/1")?.ephemeralOwner == tree.sessionID)
  }

  @Test(
    "a restart loses nothing: topics, ids, configurations, dynamic keys; and every partition has a new leader epoch")
  func restart() throws {
    let journal = Journal()
    let first = try registry(journal)
    let made = try first.create(
      NewTopic(name: "t", partitionCount: 2, replicationFactor: 1), configs: [("retention.ms", "5")])
    _ = try first.create(NewTopic(name: "u"))
    _ = try first.addPartitions("u", to: 3, assignments: nil)
    _ = try first.alter(topic: "u", .incremental([("segment.bytes", 0, "999")]))
    _ = try first.alter(brokerDefault: false, .replace([("num.partitions", "7")]))
    let second = try registry(Journal(journal.bytes), seed: 2)
    #expect(second.clusterID == first.clusterID)
    #expect(second.controllerEpoch == 2)
    #expect(second.topics.map(\.name) == ["t", "u"])
    let kept = try #require(second.topic("t"))
    #expect(kept.id == made.id)
    #expect(kept.overrides == ["retention.ms": "5"])
    #expect(kept.partitions.map(\.leaderEpoch) == [1, 1])
    #expect(second.topic("u")?.partitions.count == 3)
    #expect(second.topic("u")?.overrides == ["segment.bytes": "999"])
    #expect(second.config.numPartitions == 7)
    #expect(try second.create(NewTopic(name: "v")).partitions.count == 7)
    let state = try PartitionStateZNode("t", 0, data: second.tree.get(PartitionStateZNode.path("t", 0)).data)
    #expect(state.leaderEpoch == 1)
    #expect(state.controllerEpoch == 2)
  }

  @Test("after a crash at any change, a topic is there whole or not at all, and a deleted one stays deleted")
  func crashes() throws {
    let journal = Journal()
    let original = try registry(journal)
    _ = try original.create(NewTopic(name: "t", partitionCount: 3))
    let created = journal.bytes.count
    _ = try original.beginDelete("t")
    let marked = journal.bytes.count
    try original.finishDelete("t")
    _ = try original.create(NewTopic(name: "t", partitionCount: 1))
    for length in journal.lengths {
      let reopened = try registry(Journal(Array(journal.bytes[..<length])))
      let unfinished = reopened.unfinishedDeletions
      switch length {
      case created: #expect(reopened.topic("t")?.partitions.count == 3)
      case marked:
        #expect(reopened.topic("t") == nil)
        #expect(unfinished.map(\.name) == ["t"])
        #expect(unfinished.first?.partitions.count == 3)
        #expect(throws: Refusal.self) { try reopened.create(NewTopic(name: "t")) }
        try reopened.finishDelete("t")
        _ = try reopened.create(NewTopic(name: "t"))
      case journal.bytes.count: #expect(reopened.topic("t")?.partitions.count == 1)
      default: #expect(reopened.topic("t") == nil && unfinished.isEmpty, "at \(length)")
      }
    }
  }

  @Test("a deleted topic leaves nothing in the tree, and its name is free for a topic with another id")
  func delete() throws {
    let registry = try registry()
    func paths(_ path: String = "/") throws -> [String] {
      try [path] + registry.tree.children(of: path).flatMap { try paths(path == "/" ? "/\($0)" : "\(path)/\($0)") }
    }
    let before = try paths()
    let first = try registry.create(NewTopic(name: "a.b", partitionCount: 2), configs: [("retention.ms", "1")])
    #expect(throws: Refusal.self) { try registry.create(NewTopic(name: "a_b")) }
    #expect(try registry.beginDelete("a.b").isBeingDeleted)
    #expect(throws: Refusal(.unknownTopicOrPartition, "The topic 'a.b' does not exist.")) {
      try registry.beginDelete("a.b")
    }
    try registry.finishDelete("a.b")
    #expect(try paths() == before)
    let second = try registry.create(NewTopic(name: "a_b"))
    #expect(second.id != first.id)
  }

  @Test("what is only validated, and what cannot be written, changes nothing")
  func nothing() throws {
    let journal = Journal()
    let registry = try registry(journal)
    _ = try registry.create(NewTopic(name: "t"))
    let bytes = journal.bytes
    #expect(try registry.create(NewTopic(name: "v"), validateOnly: true).partitions.count == 1)
    #expect(try registry.addPartitions("t", to: 5, assignments: nil, validateOnly: true).partitions.count == 5)
    #expect(try registry.alter(topic: "t", .replace([("retention.ms", "1")]), validateOnly: true).overrides.count == 1)
    #expect(journal.bytes == bytes)
    journal.fails = true
    #expect(throws: Refusal.self) { try registry.create(NewTopic(name: "v")) }
    #expect(throws: Refusal.self) { try registry.addPartitions("t", to: 5, assignments: nil) }
    #expect(throws: Refusal.self) { try registry.alter(topic: "t", .replace([("retention.ms", "1")])) }
    #expect(throws: Refusal.self) { try registry.beginDelete("t") }
    #expect(throws: Refusal.self) { try registry.nextProducerIDBlock() }
    #expect(registry.topics.map(\.name) == ["t"])
    #expect(registry.topic("t")?.partitions.count == 1)
    #expect(registry.topic("t")?.overrides == [:])
    journal.fails = false
    _ = try registry.create(NewTopic(name: "v"))
  }

  @Test("a topic with a configuration Kafka would not take is refused")
  func badConfigs() throws {
    let registry = try registry()
    #expect(throws: Refusal(.invalidConfig, "Unknown topic config name: x")) {
      try registry.create(NewTopic(name: "t"), configs: [("x", "1")])
    }
    #expect(throws: Refusal(.invalidConfig, "Null value not supported for topic configs: retention.ms")) {
      try registry.create(NewTopic(name: "t"), configs: [("retention.ms", nil)])
    }
    #expect(registry.topics.isEmpty)
  }

  @Test("producer ids are never handed out twice, not even after a crash")
  func producerIDs() throws {
    let journal = Journal()
    let first = try registry(journal)
    #expect(try first.nextProducerIDBlock() == 0..<1000)
    #expect(try first.nextProducerIDBlock() == 1000..<2000)
    #expect(try registry(Journal(journal.bytes)).nextProducerIDBlock() == 2000..<3000)
  }

  @Test("a broker without a number gets one above the reserved ones, and keeps what its directories say")
  func brokerIDs() throws {
    let journal = Journal()
    #expect(try registry(journal, [:]).brokerID == 1001)
    #expect(try registry(Journal(journal.bytes), [:]).brokerID == 1002)
    #expect(try registry(Journal(journal.bytes), [:], before: .init(brokerID: 1001)).brokerID == 1001)
    #expect(throws: RegistryError("broker.id is 3, but the log directories are those of broker 1")) {
      try registry(Journal(), ["broker.id": "3"], before: .init(brokerID: 1))
    }
    for reserved in ["2147483647", "2147483646"] {
      let few = Journal()
      if reserved == "2147483646" { #expect(try registry(few, ["reserved.broker.max.id": reserved]).brokerID == .max) }
      let error = #expect(throws: RegistryError.self) {
        try registry(Journal(few.bytes), ["reserved.broker.max.id": reserved])
      }
      #expect(error?.description.contains("no broker number is left") == true, "\(error?.description ?? "")")
    }
    #expect(throws: RegistryError("broker.id is not set, and broker.id.generation.enable is false")) {
      try registry(Journal(), ["broker.id.generation.enable": "false"])
    }
  }

  @Test("the cluster id of the directories must be the tree's; an empty tree is not theirs, and stays empty")
  func clusterIDs() throws {
    let journal = Journal()
    let error = #expect(throws: RegistryError.self) { try registry(journal, before: .init(clusterID: "known")) }
    #expect(error?.description.contains("the z-node tree is empty") == true)
    let id = try registry(journal).clusterID
    #expect(try registry(Journal(journal.bytes), before: .init(clusterID: id)).clusterID == id)
    #expect(throws: RegistryError.self) { try registry(Journal(journal.bytes), before: .init(clusterID: "other")) }
  }

  @Test("partitions of another broker have no leader here")
  func foreign() throws {
    let journal = Journal()
    _ = try registry(journal).create(NewTopic(name: "t"))
    let other = try registry(Journal(journal.bytes), ["broker.id": "2"])
    #expect(other.topic("t")?.partitions.map(\.leader) == [-1])
  }

  @Test("notifications of changed configurations are swept after 15 minutes")
  func notifications() throws {
    let clock = Mutex<Int64>(0)
    let now: @Sendable () -> Int64 = { clock.withLock { $0 } }
    let tree = try EmbeddedTree(store: Journal(), now: now)
    let registry = try TopicRegistry(
      tree: tree, config: Config(overrides: ["broker.id": "1"]), before: .init(), nowMs: now, random: Numbers())
    _ = try registry.create(NewTopic(name: "t"))
    for _ in 0..<3 { _ = try registry.alter(topic: "t", .replace([])) }
    #expect(try tree.children(of: "/config/changes").count == 3)
    clock.withLock { $0 = 16 * 60 * 1000 }
    _ = try registry.alter(topic: "t", .replace([]))
    #expect(try tree.children(of: "/config/changes") == ["config_change_0000000003"])
  }
}
