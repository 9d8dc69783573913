import Cluster
import Coordination
import Model
import Synchronization
import Testing

@testable import Broker

/// A journal in memory that can be cut, and made to fail.
final class MemoryJournal: JournalStore, @unchecked Sendable {
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

/// A controller over a tree, whose one broker makes every log at once.
private final class OneBroker {
  let tree: EmbeddedTree
  let nowMs: @Sendable () -> Int64
  var elected: ElectedController
  private var random: Numbers
  private var effects: [Controller.Effect]
  private var outcome: Controller.Outcome?

  init(
    _ tree: EmbeddedTree, _ keys: [String: String] = ["broker.id": "1"], before: ElectedController.Identity = .init(),
    nowMs: @escaping @Sendable () -> Int64 = { 1000 }, seed: UInt64 = 1
  ) throws {
    self.tree = tree
    self.nowMs = nowMs
    random = Numbers(state: seed)
    elected = try ElectedController(
      tree: tree, config: Config(overrides: keys), before: before, nowMs: nowMs(), random: random)
    effects = elected.effects
  }

  var brokerID: BrokerID { elected.brokerID }
  var clusterID: String { elected.clusterID }
  var controllerEpoch: Int32 { elected.controller.epoch }
  var config: Config { elected.starting.config }
  var topics: [TopicDescription] {
    elected.controller.cluster.topics.values.filter { !$0.isBeingDeleted }.sorted { $0.name < $1.name }
  }
  func topic(_ name: String) -> TopicDescription? { elected.controller.cluster.topic(name) }
  var unfinishedDeletions: [TopicDescription] { elected.controller.cluster.topics.values.filter(\.isBeingDeleted) }

  /// Carries out what the controller wants; logs are removed only where `removing`.
  func settle(removing: Bool = true) {
    while !effects.isEmpty {
      switch effects.removeFirst() {
      case .write(let operations): effects += elected.controller.step(tree.carryOut(operations))
      case .leaderAndISR(_, let replicas):
        let new = Set(replicas.filter(\.isNew).map(\.name.topic))
        let made = Dictionary(uniqueKeysWithValues: new.map { ($0, String?.none) })
        effects += elected.controller.step(.replicasMade(by: brokerID, made))
      case .stopReplicas(let broker, let replicas) where removing:
        for name in Set(replicas.map(\.name.topic)) {
          effects += elected.controller.step(.replicasStopped(by: broker, topic: name, isGone: true))
        }
      case .settle: effects += elected.controller.step(.settled)
      case .response(_, let outcomes): outcome = outcomes.first
      default: break
      }
    }
  }

  private func ask(_ request: Controller.Request, removing: Bool = true) throws -> Controller.Outcome {
    outcome = nil
    effects += elected.controller.step(.asked(1, request))
    settle(removing: removing)
    if case .refused(let refusal) = outcome { throw refusal }
    return outcome ?? .done
  }

  private func topic(_ outcome: Controller.Outcome) throws -> TopicDescription {
    guard case .topic(let topic) = outcome else { throw ApiError(.unknownServerError, "\(outcome)") }
    return topic
  }

  func create(
    _ topic: NewTopic, configs: [(name: String, value: String?)] = [], validateOnly: Bool = false
  ) throws -> TopicDescription {
    let checked = Result { () throws(ApiError) in try TopicConfig.checked(configs) }
    let creation = Controller.Creation(topic, id: UUID128.random(using: &random), configs: checked)
    return try self.topic(ask(.create([creation], validateOnly: validateOnly)))
  }

  func addPartitions(_ name: String, to count: Int32, validateOnly: Bool = false) throws -> TopicDescription {
    try topic(ask(.grow([.init(name, to: count)], validateOnly: validateOnly)))
  }

  /// Marks a topic, and leaves its logs.
  func beginDelete(_ name: String) throws { _ = try ask(.delete([.init(name)]), removing: false) }

  /// Removes the logs of a topic that is marked.
  func finishDelete(_ name: String) throws {
    effects += elected.controller.step(.replicasStopped(by: brokerID, topic: name, isGone: true))
    settle()
  }

  func alter(_ entity: ConfigZNode.Entity, _ alteration: ConfigAlteration, validateOnly: Bool = false) throws {
    let configs = elected.configs
    let change = Controller.ConfigChange(entity) { values, brokers throws(ApiError) in
      if case .topic = entity { return try alteration.applied(toTopic: values, broker: configs.config(brokers)) }
      return try alteration.applied(toBroker: configs.config(brokers), isDefault: false).dynamicOwn
    }
    _ = try ask(.alterConfigs([change], validateOnly: validateOnly, nowMs: nowMs()))
  }

  func nextProducerIDBlock() throws -> Range<Int64> {
    guard case .producerIDs(let ids) = try ask(.producerIDs(for: brokerID)) else {
      throw ApiError(.unknownServerError, "no ids")
    }
    return ids
  }
}

private func oneBroker(
  _ journal: MemoryJournal = MemoryJournal(), _ keys: [String: String] = ["broker.id": "1"],
  before: ElectedController.Identity = .init(), seed: UInt64 = 1
) throws -> OneBroker {
  try OneBroker(EmbeddedTree(store: journal) { 1000 }, keys, before: before, seed: seed)
}

@Suite("ElectedController")
struct ElectedControllerTests {
  @Test("a new tree has Kafka's roots, a cluster id, and this broker as its controller")
  func fresh() throws {
    let broker = try oneBroker()
    let tree = broker.tree
    for path in ZNodeRoots.persistent { #expect(try tree.exists(path) != nil, "\(path)") }
    #expect(try ClusterIDZNode(data: tree.get(ClusterIDZNode.path).data).id == broker.clusterID)
    #expect(broker.clusterID.utf8.count == 22)
    #expect(try ControllerZNode(data: tree.get(ControllerZNode.path).data).brokerID == 1)
    #expect(broker.controllerEpoch == 1)
  }

  @Test(
    "a restart loses nothing: topics, ids, configurations, dynamic keys; and every partition has a new leader epoch")
  func restart() throws {
    let journal = MemoryJournal()
    let first = try oneBroker(journal)
    let made = try first.create(
      NewTopic(name: "t", partitionCount: 2, replicationFactor: 1), configs: [("retention.ms", "5")])
    _ = try first.create(NewTopic(name: "u"))
    _ = try first.addPartitions("u", to: 3)
    try first.alter(.topic("u"), .incremental([("segment.bytes", 0, "999")]))
    try first.alter(.broker(1), .replace([("num.partitions", "7")]))
    let second = try oneBroker(MemoryJournal(journal.bytes), seed: 2)
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
    let journal = MemoryJournal()
    let original = try oneBroker(journal)
    _ = try original.create(NewTopic(name: "t", partitionCount: 3))
    let created = journal.bytes.count
    try original.beginDelete("t")
    let marked = journal.bytes.count
    try original.finishDelete("t")
    _ = try original.create(NewTopic(name: "t", partitionCount: 1))
    for length in journal.lengths {
      let reopened = try oneBroker(MemoryJournal(Array(journal.bytes[..<length])))
      let unfinished = reopened.unfinishedDeletions
      switch length {
      case created: #expect(reopened.topic("t")?.partitions.count == 3)
      case marked:
        #expect(reopened.topic("t") == nil)
        #expect(unfinished.map(\.name) == ["t"])
        #expect(unfinished.first?.partitions.count == 3)
        #expect(throws: ApiError.self) { try reopened.create(NewTopic(name: "t")) }
        try reopened.finishDelete("t")
        #expect(reopened.unfinishedDeletions.isEmpty)
        _ = try reopened.create(NewTopic(name: "t"))
      case journal.bytes.count: #expect(reopened.topic("t")?.partitions.count == 1)
      default: #expect(reopened.topic("t") == nil && unfinished.isEmpty, "at \(length)")
      }
    }
  }

  @Test("a deleted topic leaves nothing in the tree, and its name is free for a topic with another id")
  func delete() throws {
    let broker = try oneBroker()
    func paths(_ path: String = "/") throws -> [String] {
      try [path] + broker.tree.children(of: path).flatMap { try paths(path == "/" ? "/\($0)" : "\(path)/\($0)") }
    }
    let before = try paths()
    let first = try broker.create(NewTopic(name: "a.b", partitionCount: 2), configs: [("retention.ms", "1")])
    #expect(throws: ApiError.self) { try broker.create(NewTopic(name: "a_b")) }
    try broker.beginDelete("a.b")
    #expect(broker.unfinishedDeletions.map(\.name) == ["a.b"])
    #expect(throws: ApiError(.unknownTopicOrPartition, "The topic 'a.b' does not exist.")) {
      try broker.beginDelete("a.b")
    }
    try broker.finishDelete("a.b")
    #expect(try paths() == before)
    let second = try broker.create(NewTopic(name: "a_b"))
    #expect(second.id != first.id)
  }

  @Test("what is only validated, and what cannot be written, changes nothing")
  func nothing() throws {
    let journal = MemoryJournal()
    let broker = try oneBroker(journal)
    _ = try broker.create(NewTopic(name: "t"))
    let bytes = journal.bytes
    #expect(try broker.create(NewTopic(name: "v"), validateOnly: true).partitions.count == 1)
    #expect(try broker.addPartitions("t", to: 5, validateOnly: true).partitions.count == 5)
    try broker.alter(.topic("t"), .replace([("retention.ms", "1")]), validateOnly: true)
    #expect(journal.bytes == bytes)
    journal.fails = true
    #expect(throws: ApiError.self) { try broker.create(NewTopic(name: "v")) }
    #expect(throws: ApiError.self) { try broker.addPartitions("t", to: 5) }
    #expect(throws: ApiError.self) { try broker.alter(.topic("t"), .replace([("retention.ms", "1")])) }
    #expect(throws: ApiError.self) { try broker.beginDelete("t") }
    #expect(throws: ApiError.self) { try broker.nextProducerIDBlock() }
    #expect(broker.topics.map(\.name) == ["t"])
    #expect(broker.topic("t")?.partitions.count == 1)
    #expect(broker.topic("t")?.overrides == [:])
    journal.fails = false
    _ = try broker.create(NewTopic(name: "v"))
  }

  @Test("a topic with a configuration Kafka would not take is refused")
  func badConfigs() throws {
    let broker = try oneBroker()
    #expect(throws: ApiError(.invalidConfig, "Unknown topic config name: x")) {
      try broker.create(NewTopic(name: "t"), configs: [("x", "1")])
    }
    #expect(throws: ApiError(.invalidConfig, "Null value not supported for topic configs: retention.ms")) {
      try broker.create(NewTopic(name: "t"), configs: [("retention.ms", nil)])
    }
    #expect(broker.topics.isEmpty)
  }

  @Test("producer ids are never handed out twice, not even after a crash")
  func producerIDs() throws {
    let journal = MemoryJournal()
    let first = try oneBroker(journal)
    #expect(try first.nextProducerIDBlock() == 0..<1000)
    #expect(try first.nextProducerIDBlock() == 1000..<2000)
    #expect(try oneBroker(MemoryJournal(journal.bytes)).nextProducerIDBlock() == 2000..<3000)
  }

  @Test("a broker without a number gets one above the reserved ones, and keeps what its directories say")
  func brokerIDs() throws {
    let journal = MemoryJournal()
    #expect(try oneBroker(journal, [:]).brokerID == 1001)
    #expect(try oneBroker(MemoryJournal(journal.bytes), [:]).brokerID == 1002)
    #expect(try oneBroker(MemoryJournal(journal.bytes), [:], before: .init(brokerID: 1001)).brokerID == 1001)
    #expect(throws: RegistryError("broker.id is 3, but the log directories are those of broker 1")) {
      try oneBroker(MemoryJournal(), ["broker.id": "3"], before: .init(brokerID: 1))
    }
    for reserved in ["2147483647", "2147483646"] {
      let few = MemoryJournal()
      if reserved == "2147483646" { #expect(try oneBroker(few, ["reserved.broker.max.id": reserved]).brokerID == .max) }
      let error = #expect(throws: RegistryError.self) {
        try oneBroker(MemoryJournal(few.bytes), ["reserved.broker.max.id": reserved])
      }
      #expect(error?.description.contains("no broker number is left") == true, "\(error?.description ?? "")")
    }
    #expect(throws: RegistryError("broker.id is not set, and broker.id.generation.enable is false")) {
      try oneBroker(MemoryJournal(), ["broker.id.generation.enable": "false"])
    }
  }

  @Test("the cluster id of the directories must be the tree's; an empty tree is not theirs, and stays empty")
  func clusterIDs() throws {
    let journal = MemoryJournal()
    let error = #expect(throws: RegistryError.self) { try oneBroker(journal, before: .init(clusterID: "known")) }
    #expect(error?.description.contains("the z-node tree is empty") == true)
    let id = try oneBroker(journal).clusterID
    #expect(try oneBroker(MemoryJournal(journal.bytes), before: .init(clusterID: id)).clusterID == id)
    #expect(throws: RegistryError.self) {
      try oneBroker(MemoryJournal(journal.bytes), before: .init(clusterID: "other"))
    }
  }

  @Test("partitions of another broker have no leader here")
  func foreign() throws {
    let journal = MemoryJournal()
    _ = try oneBroker(journal).create(NewTopic(name: "t"))
    let other = try oneBroker(MemoryJournal(journal.bytes), ["broker.id": "2"])
    #expect(other.topic("t")?.partitions.map(\.leader) == [-1])
  }

  @Test("notifications of changed configurations are swept after 15 minutes")
  func notifications() throws {
    let clock = Mutex<Int64>(0)
    let now: @Sendable () -> Int64 = { clock.withLock { $0 } }
    let tree = try EmbeddedTree(store: MemoryJournal(), now: now)
    let broker = try OneBroker(tree, nowMs: now)
    _ = try broker.create(NewTopic(name: "t"))
    for _ in 0..<3 { try broker.alter(.topic("t"), .replace([])) }
    #expect(try tree.children(of: "/config/changes").count == 3)
    clock.withLock { $0 = 16 * 60 * 1000 }
    try broker.alter(.topic("t"), .replace([]))
    #expect(try tree.children(of: "/config/changes") == ["config_change_0000000003"])
  }
}
