import Cluster
import Coordination
import Model
import Testing
import Wire

@testable import Broker

@Suite("Requests in the z-nodes of /admin", .serialized)
struct AdminNodesTests {
  @Test("a reassignment is carried out, also by the next controller, and its node goes when all of it is done")
  func reassignment() throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("m", partitions: 3, replicas: 1)
      let session = cluster.tree.connect()
      defer { session.close() }
      for value in 0..<3 {
        let leader = try cluster.awaitLeader(of: "m", value)
        _ = try cluster.connect(to: leader).produce(try Batches.of(["\(value)"]), to: "m", Int32(value))
      }
      var targets: [(name: TopicPartition, replicas: [BrokerID])] = []
      for partition in 0..<3 {
        let leader = try cluster.awaitLeader(of: "m", partition)
        targets.append((TopicPartition("m", Int32(partition)), [leader % 3 + 1]))
      }
      // Of a partition that there is not: it is left out.
      let node = ReassignPartitionsZNode(targets + [(TopicPartition("m", 7), [1])])
      try session.create(ReassignPartitionsZNode.path, node.data)
      try cluster.waitUntil("the node is gone") { try session.exists(ReassignPartitionsZNode.path) == nil }
      try cluster.waitUntil("the partitions have moved") {
        try targets.allSatisfy { name, replicas in
          try cluster.inSync("m", Int(name.partition), at: 1) == replicas
        }
      }
      for (name, replicas) in targets {
        try cluster.waitUntil("\(name) has its record") {
          try cluster.connect(to: replicas[0]).offset(of: "m", name.partition, at: -1).offset == 1
        }
      }
      // While one of two brokers is away the node stays, and the next controller goes on with it.
      let controller = try cluster.controller()
      let others = ([1, 2, 3] as [BrokerID]).filter { $0 != controller }
      let both = ReassignPartitionsZNode([(TopicPartition("m", 0), others)])
      cluster.crash(controller)
      try session.create(ReassignPartitionsZNode.path, both.data)
      try cluster.waitUntil("the node is gone") { try session.exists(ReassignPartitionsZNode.path) == nil }
      try cluster.start(controller)
    }
  }

  @Test("preferred replicas are elected for a node, which is removed")
  func election() throws {
    try withCluster(2) { cluster in
      try cluster.createTopic("p", partitions: 2, replicas: 2)
      let before = try (0..<2).map { try cluster.awaitLeader(of: "p", $0) }
      let gone = try #require(([1, 2] as [BrokerID]).first { $0 != (try? cluster.controller()) })
      cluster.crash(gone)
      let other: BrokerID = 3 - gone
      try cluster.waitUntil("the other leads") {
        try (0..<2).allSatisfy { try cluster.leader(of: "p", $0, at: other) == other }
      }
      try cluster.start(gone)
      try cluster.waitUntil("all are in sync") {
        try (0..<2).allSatisfy { try cluster.inSync("p", $0, at: other) == [1, 2] }
      }
      let session = cluster.tree.connect()
      defer { session.close() }
      let node = PreferredReplicaElectionZNode([TopicPartition("p", 0), TopicPartition("p", 1), TopicPartition("q", 0)])
      try session.create(PreferredReplicaElectionZNode.path, node.data)
      try cluster.waitUntil("the node is gone") { try session.exists(PreferredReplicaElectionZNode.path) == nil }
      #expect(try (0..<2).map { try cluster.awaitLeader(of: "p", $0) } == before)
    }
  }

  @Test("a topic is deleted for a node in /admin/delete_topics; nodes that ask for what cannot be are removed")
  func deletion() throws {
    try withCluster(2) { cluster in
      try cluster.createTopic("gone", partitions: 4, replicas: 2)
      let session = cluster.tree.connect()
      defer { session.close() }
      try session.create(DeleteTopicZNode.path("gone"), [])
      try session.create(DeleteTopicZNode.path("never"), [])
      for (path, text) in [
        (ReassignPartitionsZNode.path, "{\"partitions\":[{\"topic\":1}]}"),
        (PreferredReplicaElectionZNode.path, "\u{0}no JSON"),
      ] {
        try session.create(path, Array(text.utf8))
        try cluster.waitUntil("\(path) is gone") { try session.exists(path) == nil }
      }
      try cluster.waitUntil("the topic and its nodes are gone") {
        try session.children(of: "/brokers/topics").isEmpty && session.children(of: DeleteTopicZNode.parent).isEmpty
      }
      try cluster.waitUntil("no broker shows it") {
        cluster.brokers.values.allSatisfy { $0.broker.image.named("gone") == nil }
      }
      try cluster.createTopic("gone", partitions: 1, replicas: 2)
    }
    try withCluster(1, ["delete.topic.enable": "false"]) { cluster in
      try cluster.createTopic("stays", partitions: 1, replicas: 1)
      let session = cluster.tree.connect()
      defer { session.close() }
      try session.create(DeleteTopicZNode.path("stays"), [])
      try cluster.waitUntil("the node is gone") { try session.children(of: DeleteTopicZNode.parent).isEmpty }
      #expect(try session.exists(TopicZNode.path("stays")) != nil)
    }
  }
}
