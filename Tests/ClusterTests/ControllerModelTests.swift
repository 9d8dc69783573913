import Model
import TestSupport
import Testing

@testable import Cluster

/// A tree that takes a `multi` whole or not at all, as ZooKeeper does.
private struct ModelTree {
  var versions: [String: Int32] = ["/controller_epoch": 0, ProducerIDBlockZNode.path: 0]
  private var sequence = 0

  mutating func multi(_ operations: [TreeOperation]) -> Result<[String], TreeFailure> {
    var after = self
    var created: [String] = []
    for operation in operations {
      switch operation {
      case .create(let path, _):
        guard after.versions[path] == nil else { return .failure(.failed("\(path) exists")) }
        after.versions[path] = 0
      case .createSequential(let path, _):
        after.sequence += 1
        created.append("\(path)\(after.sequence)")
        after.versions["\(path)\(after.sequence)"] = 0
      case .set(let path, _, let version):
        guard let now = after.versions[path], version == nil || version == now else {
          return .failure(.failed("\(path) is not at \(version ?? 0)"))
        }
        after.versions[path] = now + 1
      case .delete(let path):
        guard !after.versions.keys.contains(where: { $0.hasPrefix(path + "/") }),
          after.versions.removeValue(forKey: path) != nil
        else { return .failure(.failed("\(path) cannot be deleted")) }
      case .check(let path, let version):
        guard after.versions[path] == version else { return .failure(.fenced) }
      }
    }
    self = after
    return .success(created)
  }
}

extension TreeFailure: Error {}

/// A cluster of three brokers that carries out what a controller says, in an order and with failures that a seed decides.
private struct ModelCluster {
  var seed: Seed
  var controller: Controller
  var tree = ModelTree()
  /// The order of what is carried out is kept for each broker.
  var writes: [[TreeOperation]] = []
  var inbox: [BrokerID: [Controller.Effect]] = [:]
  var asked: Set<UInt64> = []
  var answered: [UInt64] = []
  /// Writes that the tree refused although nobody else changes it.
  var conflicts: [String] = []
  var shown: Set<String> = []
  var alive: Set<BrokerID> = []
  var epochs: Int64 = 0
  /// Whether the controller waits until every inbox is empty.
  var isSettling = false

  init(_ seed: Seed, electsInSeries: Bool = false) {
    self.seed = seed
    controller = Controller(
      id: 1, epoch: 1, epochVersion: 0, cluster: ClusterState(),
      rules: .init { _ in
        .init(
          partitionCountDefault: 1, replicationFactorDefault: 1, deletesTopics: true, electsInSeries: electsInSeries)
      })
  }

  mutating func tell(_ event: Controller.Event) {
    for effect in controller.step(event) {
      switch effect {
      case .write(let operations): writes.append(operations)
      // What is sent to one that has gone is lost, also where the controller does not know that yet.
      case .leaderAndISR(let broker, _), .stopReplicas(let broker, _):
        if alive.contains(broker) { inbox[broker, default: []].append(effect) }
      case .updateMetadata(_, let changed, let removed):
        shown.formUnion(changed.map(\.name))
        shown.subtract(removed)
      case .response(let request, _): answered.append(request)
      case .settle: isSettling = true
      case .configure, .resigned: break
      }
    }
    settleIfAnswered()
  }

  mutating func settleIfAnswered() {
    guard isSettling, inbox.values.allSatisfy(\.isEmpty) else { return }
    isSettling = false
    tell(.settled)
  }

  mutating func random(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &seed) }

  mutating func ask() {
    let request = UInt64(asked.count)
    asked.insert(request)
    let name = "t\(random(4))"
    let partition = TopicPartition(name, Int32(random(3)))
    let brokers = (0...random(2)).map { _ in BrokerID(1 + random(3)) }
    let id = TopicID(high: 1, low: request)
    let known = controller.cluster.partition(partition)
    let what: Controller.Request =
      switch random(10) {
      case 0, 1, 2:
        .create(
          (0...random(2)).map { _ in
            .init(
              NewTopic(name: "t\(random(4))", partitionCount: Int32(random(3)), replicationFactor: Int16(random(4))),
              id: id)
          }, validateOnly: random(8) == 0)
      case 3: .grow([.init(name, to: Int32(random(5)))], validateOnly: false)
      case 4, 5: .delete([.init(name), .init("t\(random(4))")])
      case 6: .alterConfigs([.init(.topic(name)) { before, _ in before }], validateOnly: false, nowMs: Int64(request))
      case 7:
        .changeISR(
          by: known?.leader ?? 1, brokerEpoch: controller.cluster.brokers[known?.leader ?? 1]?.epoch ?? 0,
          [
            .init(
              partition, leaderEpoch: known?.leaderEpoch ?? 0, partitionEpoch: known?.partitionEpoch ?? 0,
              inSyncReplicas: known?.replicas ?? [])
          ])
      case 8: .elect([.init(partition, isUnclean: random(2) == 0)])
      default: .reassign([.init(partition, to: random(4) == 0 ? nil : brokers)])
      }
    tell(.asked(request, what))
  }

  /// One thing happens: something is asked, carried out, fails, or a broker comes or goes.
  mutating func happen(withFailures: Bool) {
    switch random(12) {
    case 0, 1, 2: ask()
    case 3 where withFailures: tell(random(2) == 0 ? .retryDue : .rebalanceDue)
    case 4 where withFailures: leave(BrokerID(1 + random(3)))
    case 5: come(BrokerID(1 + random(3)))
    case 6, 7, 8: write(fails: withFailures && random(5) == 0)
    default: carryOut(BrokerID(1 + random(3)), fails: withFailures && random(5) == 0)
    }
  }

  mutating func come(_ broker: BrokerID) {
    guard alive.insert(broker).inserted else { return }
    epochs += 1
    tell(.brokerCame(LiveBroker(id: broker, epoch: epochs)))
  }

  mutating func leave(_ broker: BrokerID) {
    alive.remove(broker)
    inbox[broker] = nil
    tell(.brokerWent(broker))
  }

  mutating func write(fails: Bool) {
    guard !writes.isEmpty else { return }
    let operations = writes.removeFirst()
    guard !fails else { return tell(.writeFailed(.failed("disk full"))) }
    switch tree.multi(operations) {
    case .success(let created): tell(.writeFinished(created: created))
    case .failure(let failure):
      conflicts.append("\(failure)")
      tell(.writeFailed(failure))
    }
  }

  mutating func carryOut(_ broker: BrokerID, fails: Bool) {
    guard let effect = inbox[broker]?.first else { return }
    inbox[broker]?.removeFirst()
    switch effect {
    case .leaderAndISR(_, let replicas):
      let made = Set(replicas.filter(\.isNew).map(\.name.topic))
      if !made.isEmpty {
        tell(.replicasMade(by: broker, Dictionary(uniqueKeysWithValues: made.map { ($0, fails ? "no room" : nil) })))
      }
    case .stopReplicas(_, let replicas):
      for name in Set(replicas.map(\.name.topic)).sorted() {
        tell(.replicasStopped(by: broker, topic: name, isGone: true))
      }
    default: break
    }
    settleIfAnswered()
  }

  mutating func settle() {
    for broker: BrokerID in 1...3 { come(broker) }
    for _ in 0..<4 {
      while !writes.isEmpty || inbox.values.contains(where: { !$0.isEmpty }) {
        write(fails: false)
        for broker: BrokerID in 1...3 { carryOut(broker, fails: false) }
      }
      tell(.retryDue)
      tell(.rebalanceDue)
    }
  }
}

struct ControllerModelTests {
  @Test(
    "in whatever order things happen and fail, each request is answered once and the tree takes every write",
    arguments: Seed.some(200) + [.fresh], [false, true])
  func random(seed: Seed, electsInSeries: Bool) throws {
    var cluster = ModelCluster(seed, electsInSeries: electsInSeries)
    for _ in 0..<300 { cluster.happen(withFailures: true) }
    cluster.settle()
    #expect(cluster.conflicts == [], "\(seed)")
    #expect(cluster.answered.count == Set(cluster.answered).count, "\(seed)")
    #expect(Set(cluster.answered) == cluster.asked, "\(seed)")
    let topics = cluster.controller.cluster.topics.values
    #expect(topics.filter(\.isBeingDeleted).isEmpty, "\(seed): deletions are finished")
    #expect(cluster.shown == Set(topics.map(\.name)), "\(seed): what is shown is what there is")
    for topic in topics {
      #expect(cluster.tree.versions[TopicZNode.path(topic.name)] != nil, "\(seed)")
      for (index, partition) in topic.partitions.enumerated() {
        let path = PartitionStateZNode.path(topic.name, Int32(index))
        #expect(cluster.tree.versions[path] == partition.partitionEpoch, "\(seed): \(path)")
        #expect(partition.inSyncReplicas.contains(partition.leader), "\(seed): \(path) has a leader, as all are alive")
        #expect(partition.replicas.contains(partition.leader), "\(seed): \(path)")
      }
    }
    let nodes = cluster.tree.versions.keys.filter { $0.hasPrefix("/brokers/topics/") }
    #expect(
      nodes.count == topics.reduce(0) { $0 + 2 + 2 * $1.partitions.count }, "\(seed): nothing is left of deleted topics"
    )
  }

  @Test("a request of 5,000 topics shares writes, and one that is asked after it does not wait for all of them")
  func fairness() {
    var cluster = ModelCluster(Seed(1))
    cluster.come(1)
    func creation(_ name: String) -> Controller.Creation {
      .init(NewTopic(name: name, partitionCount: 1, replicationFactor: 1), id: TopicID(high: 1, low: 1))
    }
    cluster.tell(.asked(1, .create((0..<5_000).map { creation("many\($0)") }, validateOnly: false)))
    cluster.tell(.asked(2, .create([creation("one")], validateOnly: false)))
    var writes = 0
    var topicsBefore: Int?
    while !cluster.writes.isEmpty || cluster.inbox.values.contains(where: { !$0.isEmpty }) {
      if !cluster.writes.isEmpty { writes += 1 }
      cluster.write(fails: false)
      cluster.carryOut(1, fails: false)
      if topicsBefore == nil, cluster.answered == [2] { topicsBefore = cluster.shown.count }
    }
    #expect(cluster.answered == [2, 1])
    #expect(topicsBefore.map { $0 < 1_500 } == true, "\(String(describing: topicsBefore)) topics came before")
    #expect(cluster.shown.count == 5_001)
    #expect(writes <= 5_001 * 5 / Controller.operationsPerWrite + 2)
  }

  @Test("a notification that another broker has written is known once, and swept like the controller's own")
  func noticed() {
    var controller = Controller(
      id: 1, epoch: 1, epochVersion: 0, cluster: ClusterState(),
      rules: .init { _ in .init(partitionCountDefault: 1, replicationFactorDefault: 1, deletesTopics: true) })
    for path in ["c_1", "c_2", "c_2", "c_1"] {
      controller.noticed(notification: "\(ConfigChangeZNode.prefix)\(path)", createdMs: 0)
    }
    #expect(controller.cluster.configNotifications.map(\.path) == ["c_1", "c_2"].map { ConfigChangeZNode.prefix + $0 })
    _ = controller.step(.brokerCame(LiveBroker(id: 1, epoch: 1)))
    let change = Controller.ConfigChange(.brokerDefault) { _, _ in [:] }
    let effects = controller.step(
      .asked(1, .alterConfigs([change], validateOnly: false, nowMs: ConfigChangeZNode.keptMs + 1)))
    let deleted = effects.flatMap { effect -> [String] in
      guard case .write(let operations) = effect else { return [] }
      return operations.compactMap { if case .delete(let path) = $0 { path } else { nil } }
    }
    #expect(deleted == ["c_1", "c_2"].map { ConfigChangeZNode.prefix + $0 })
  }

  @Test("numbers at their bounds in a damaged tree do not end the controller")
  func extremes() {
    var cluster = ClusterState()
    var partition = PartitionDescription(
      replicas: [1], leader: 1, leaderEpoch: .max, inSyncReplicas: [1], partitionEpoch: .max)
    partition.addingReplicas = [.max]
    cluster.topics["t"] = TopicDescription(
      name: "t", id: .zero,
      partitions: [partition, .init(replicas: [], leader: .min, leaderEpoch: .min, inSyncReplicas: [])])
    cluster.configNotifications = [
      .init(path: "/config/changes/a", createdMs: .min), .init(path: "b", createdMs: .max),
    ]
    cluster.producerIDs = 0...(.max)
    cluster.producerIDsVersion = .max
    var controller = Controller(
      id: 1, epoch: .max, epochVersion: .min, cluster: cluster,
      rules: .init { _ in .init(partitionCountDefault: .max, replicationFactorDefault: .max, deletesTopics: true) })
    var effects = controller.step(.brokerCame(LiveBroker(id: 1, epoch: .max)))
    effects += controller.step(.asked(1, .producerIDs(for: .max)))
    effects += controller.step(
      .asked(2, .create([.init(NewTopic(name: "u"), id: .zero)], validateOnly: false)))
    effects += controller.step(
      .asked(3, .grow([.init("t", to: .max), .init("t", to: .min)], validateOnly: false)))
    for nowMs in [Int64.min, .max] {
      effects += controller.step(
        .asked(
          UInt64(bitPattern: nowMs),
          .alterConfigs([.init(.topic("t")) { before, _ in before }], validateOnly: false, nowMs: nowMs)))
    }
    effects += controller.step(.asked(4, .reassign([.init(TopicPartition("t", .max), to: [.min])])))
    effects += controller.step(.retryDue) + controller.step(.rebalanceDue)
    for _ in 0..<20 { effects += controller.step(.writeFinished(created: [])) }
    #expect(controller.cluster.topics["t"]?.partitions[0].leaderEpoch == .max)
    #expect(controller.cluster.topics["t"]?.partitions[1].leader == -1)
    let answered = effects.compactMap { effect in if case .response(let request, _) = effect { request } else { nil } }
    #expect(Set(answered).count == 6)
  }
}
