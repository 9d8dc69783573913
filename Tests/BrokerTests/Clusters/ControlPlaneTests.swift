import Cluster
import Coordination
import Model
import Storage
import Testing
import Wire

@testable import Broker

@Suite("The control plane of a cluster", .serialized)
struct ControlPlaneTests {
  @Test("every broker lists all brokers and the one controller")
  func brokers() throws {
    try withCluster(3) { cluster in
      let controller = try cluster.controller()
      for id in 1...3 as ClosedRange<BrokerID> {
        let answer = try cluster.connect(to: id).ask(MetadataRequest(), version: 9)
        #expect(answer.brokers.map(\.nodeID) == [1, 2, 3])
        let ports = try (1...3).map { Int32(try cluster.broker($0).port) }
        #expect(answer.brokers.map(\.port) == ports)
        #expect(answer.controllerID == controller)
      }
    }
  }

  @Test("leaderships are spread, and a partition takes records at its leader alone")
  func leaders() throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("spread", partitions: 3, replicas: 1)
      let leaders = try (0..<3).map { try cluster.leader(of: "spread", $0, at: 1) }
      #expect(leaders.sorted() == [1, 2, 3])
      for (partition, leader) in leaders.enumerated() {
        for id in 1...3 as ClosedRange<BrokerID> {
          let client = try cluster.connect(to: id)
          let produced = try client.produce(try Batches.of(["a"]), to: "spread", Int32(partition))
          #expect(
            produced.errorCode == (id == leader ? .none : .notLeaderOrFollower), "partition \(partition) at \(id)")
          let fetched = try client.fetch("spread", Int32(partition), from: 0)
          #expect(fetched.errorCode == (id == leader ? .none : .notLeaderOrFollower), "partition \(partition) at \(id)")
        }
      }
    }
  }

  @Test("only the controller creates topics for clients")
  func notController() throws {
    try withCluster(2) { cluster in
      let controller = try cluster.controller()
      let other: BrokerID = controller == 1 ? 2 : 1
      var request = CreateTopicsRequest()
      request.topics = [.with { ($0.name, $0.numPartitions, $0.replicationFactor) = ("t", 1, 1) }]
      let answer = try cluster.connect(to: other).ask(request, version: 5)
      #expect(answer.topics.first?.errorCode == .notController)
    }
  }

  @Test("a topic that a client names at any broker is created by the controller")
  func autoCreate() throws {
    try withCluster(2) { cluster in
      let other: BrokerID = try cluster.controller() == 1 ? 2 : 1
      let client = try cluster.connect(to: other)
      var request = MetadataRequest()
      request.topics = [.with { $0.name = "auto" }]
      request.allowAutoTopicCreation = true
      try cluster.waitUntil("the topic is there") {
        try client.ask(request, version: 9).topics.first?.errorCode == ErrorCode.none
      }
    }
  }

  @Test("a coordinator's topic is made when there are as many brokers as it is to have replicas, and not before")
  func internalTopic() throws {
    try withCluster(2) { cluster in
      var request = FindCoordinatorRequest()
      request.key = "g"
      let early = try cluster.connect(to: 1).ask(request, version: 2)
      #expect(early.errorCode == .coordinatorNotAvailable)
      #expect(try cluster.broker(1).broker.image.named(TopicName.groupOffsets) == nil)
      try cluster.start(3)
      _ = try cluster.coordinator(of: "g")
      let made = try #require(try cluster.broker(1).broker.image.named(TopicName.groupOffsets))
      #expect(made.description.partitions.allSatisfy { $0.replicas.count == 3 })
    }
  }

  @Test("a configuration that is altered at any broker takes effect at every one")
  func configs() throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("c", partitions: 3, replicas: 1)
      let other = try ([1, 2, 3] as [BrokerID]).first { $0 != (try cluster.controller()) } ?? 1
      var request = IncrementalAlterConfigsRequest()
      request.resources = [
        .with {
          ($0.resourceType, $0.resourceName) = (2, "c")
          $0.configs = [.with { ($0.name, $0.configOperation, $0.value) = ("retention.ms", 0, "12345") }]
        }
      ]
      let answer = try cluster.connect(to: other).ask(request, version: 1)
      #expect(answer.responses.map(\.errorCode) == [.none])
      try cluster.waitUntil("every broker has the value") {
        cluster.brokers.values.allSatisfy { $0.broker.image.named("c")?.config.retentionMs == 12345 }
      }
    }
  }

  @Test("a broker that does not reach the tree when it gets a topic learns the topic's configuration later")
  func configOfTopicWhileCut() throws {
    try withCluster(3) { cluster in
      let controller = try cluster.controller()
      let away = try #require(([1, 2, 3] as [BrokerID]).first { $0 != controller })
      cluster.cutFromTree(away, true)
      try cluster.createTopic("c", partitions: 3, replicas: 3, ["segment.bytes": "1048576", "retention.ms": "12345"])
      let partition = try #require(try cluster.broker(away).broker.image.named("c")?.partition(0))
      #expect(try partition.withLog { log, _ throws(PartitionError) in log.config.segmentBytes } == 1_073_741_824)
      cluster.cutFromTree(away, false)
      try cluster.waitUntil("the log has the topic's values") {
        try partition.withLog { log, _ throws(PartitionError) in log.config.segmentBytes } == 1_048_576
          && cluster.broker(away).broker.image.named("c")?.config.retentionMs == 12345
      }
    }
  }

  @Test("every broker knows the configuration of a topic of which it has no replica")
  func configElsewhere() throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("c", partitions: 1, replicas: 1, ["retention.ms": "12345"])
      try cluster.waitUntil("every broker has the value") {
        cluster.brokers.values.allSatisfy { $0.broker.image.named("c")?.config.retentionMs == 12345 }
      }
    }
  }

  @Test("when the controller stops or crashes another one is elected, which creates topics", arguments: [true, false])
  func failover(isOrderly: Bool) throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("before", partitions: 3, replicas: 1)
      let first = try cluster.controller()
      if isOrderly { cluster.stop(first) } else { cluster.crash(first) }
      try cluster.waitUntil("another controller") {
        cluster.brokers.values.allSatisfy { ![first, -1].contains($0.broker.image.controllerID) }
      }
      try cluster.createTopic("after", partitions: 2, replicas: 1)
      try cluster.start(first)
      try cluster.waitUntil("the broker is back") {
        cluster.brokers.values.allSatisfy { $0.broker.image.brokers.count == 3 && $0.broker.image.count == 2 }
      }
      try cluster.waitUntil("every partition has its leader") {
        try (0..<3).map { try cluster.leader(of: "before", $0, at: first) }.sorted() == [1, 2, 3]
      }
    }
  }

  @Test("a broker whose session has ended joins anew, and a controller among them gives its place up")
  func sessionEnd() throws {
    try withCluster(3) { cluster in
      for _ in 0..<3 {
        let controller = try cluster.controller()
        let epoch = try cluster.broker(controller).broker.controller.brokerEpoch
        cluster.expireSession(of: controller)
        try cluster.waitUntil("the broker is registered again") {
          try cluster.broker(controller).broker.controller.brokerEpoch > epoch
        }
        _ = try cluster.controller()
        try cluster.waitUntil("all know all") {
          cluster.brokers.values.allSatisfy { $0.broker.image.brokers.count == 3 }
        }
      }
      try cluster.createTopic("t", partitions: 3, replicas: 1)
    }
  }

  @Test("a deleted topic disappears everywhere, and its files with it")
  func deletion() throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("gone", partitions: 6, replicas: 1)
      var request = DeleteTopicsRequest()
      request.topicNames = ["gone"]
      let answer = try cluster.connect(to: try cluster.controller()).ask(request, version: 5)
      #expect(answer.responses.map(\.errorCode) == [.none])
      try cluster.waitUntil("no broker shows the topic") {
        cluster.brokers.values.allSatisfy { $0.broker.image.named("gone") == nil }
      }
      try cluster.createTopic("gone", partitions: 1, replicas: 1)
    }
  }

  @Test("a second broker with the id of a living one is refused")
  func sameID() throws {
    try withCluster(2, ["zookeeper.session.timeout.ms": "100"]) { cluster in
      try withDirectory { other in
        let tree = cluster.tree
        #expect(throws: (any Error).self) {
          _ = try TestBroker.start(
            in: other, ["broker.id": "2", "zookeeper.connect": "memory", "zookeeper.session.timeout.ms": "100"]
          ) { _, _, _ in tree.connect() }
        }
      }
    }
  }

  @Test("a topic that takes several requests to the tree is created and deleted as any other")
  func largeTopic() throws {
    try withCluster(2) { cluster in
      try cluster.createTopic("large", partitions: 4_000, replicas: 1)
      var request = DeleteTopicsRequest()
      request.topicNames = ["large"]
      let answer = try cluster.connect(to: try cluster.controller()).ask(request, version: 5)
      #expect(answer.responses.map(\.errorCode) == [.none])
      let session = cluster.tree.connect()
      defer { session.close() }
      try cluster.waitUntil("its nodes are gone") { try session.children(of: "/brokers/topics").isEmpty }
    }
  }

  @Test("a new controller completes what another has written in part")
  func completion() throws {
    try withCluster(1) { cluster in
      try cluster.createTopic("part", partitions: 3, replicas: 1)
      cluster.stop(1)
      let session = cluster.tree.connect()
      defer { session.close() }
      for path in ["1/state", "2/state", "2"] { try session.delete("/brokers/topics/part/partitions/\(path)") }
      try cluster.start(1)
      try cluster.waitUntil("every partition has its leader") {
        try (0..<3).allSatisfy { try cluster.leader(of: "part", $0, at: 1) == 1 }
      }
      #expect(try session.exists("/brokers/topics/part/partitions/2/state") != nil)
      let produced = try cluster.connect(to: 1).produce(try Batches.of(["a"]), to: "part", 2)
      #expect(produced.errorCode == ErrorCode.none)
    }
  }
}
