import Base
import Cluster
import Model
import Testing
import Wire

@testable import Broker

extension TestCluster {
  /// Sets values of a topic (2) or of a broker (4).
  fileprivate func alter(
    _ type: Int8, _ name: String, _ values: [String: String], expecting code: ErrorCode = .none
  ) throws {
    var request = IncrementalAlterConfigsRequest()
    request.resources = [
      .with {
        ($0.resourceType, $0.resourceName) = (type, name)
        $0.configs = values.sorted { $0.key < $1.key }.map { key, value in
          .with { ($0.name, $0.configOperation, $0.value) = (key, 0, value) }
        }
      }
    ]
    let answer = try connect(to: type == 4 ? BrokerID(name) ?? 1 : try controller()).ask(request, version: 1)
    try #require(answer.responses.map(\.errorCode) == [code], "\(answer.responses.first?.errorMessage ?? "")")
  }
}

@Suite("Quotas of replication in a cluster", .serialized)
struct ReplicationThrottleTests {
  @Test(
    "a replica that is added is copied at the quota's rate, of the leader or of the follower; one in sync is not held up",
    arguments: ["leader", "follower"])
  func added(side: String) throws {
    // Ten seconds' worth of the quota may pass at once.
    let quota = ["replication.quota.window.num": "2", "replica.fetch.max.bytes": "20000"]
    try withCluster(3, quota) { cluster in
      try cluster.createTopic("q", partitions: 1, replicas: 2)
      let leader = try cluster.awaitLeader(of: "q")
      let replicas = try #require(try cluster.broker(leader).broker.image.named("q")).description.partitions[0].replicas
      let added = try #require(([1, 2, 3] as [BrokerID]).first { !replicas.contains($0) })
      let value = String(repeating: "v", count: 10_000)
      for _ in 0..<30 { _ = try cluster.connect(to: leader).produce(try Batches.of([value]), to: "q") }
      for broker in [leader, added] {
        try cluster.alter(4, "\(broker)", ["\(side).replication.throttled.rate": "100000"])
      }
      let throttled = side == "leader" ? "0:\(leader)" : "0:\(added)"
      try cluster.alter(2, "q", ["\(side).replication.throttled.replicas": throttled])
      try cluster.waitUntil("all know the quota") {
        cluster.brokers.values.allSatisfy { broker in
          let config = broker.broker.image.named("q")?.config
          return (side == "leader" ? config?.throttledLeaders : config?.throttledFollowers) != ThrottledReplicas.none
        }
      }
      let begun = Clocks.wallMs()
      var reassign = AlterPartitionReassignmentsRequest()
      reassign.topics = [
        .with {
          $0.name = "q"
          $0.partitions = [.with { ($0.partitionIndex, $0.replicas) = (0, replicas + [added]) }]
        }
      ]
      _ = try cluster.connect(to: try cluster.controller()).ask(reassign, version: 0)
      // The replicas that are in sync take records meanwhile.
      let produced = try cluster.connect(to: leader).produce(try Batches.of(["x"]), to: "q")
      #expect(produced.errorCode == ErrorCode.none)
      #expect(try cluster.inSync("q", at: leader) == replicas.sorted(), "it is not copied yet")
      try cluster.waitUntil("the added replica is in sync") { try cluster.inSync("q", at: leader).count == 3 }
      // 300,000 bytes at 100,000 a second, of which about one second's worth passes at once.
      #expect(Clocks.wallMs() - begun >= 1_000)
      try cluster.alter(4, "\(leader)", ["\(side).replication.throttled.rate": "\(Int64.max)"])
    }
  }

  @Test("what names no replicas is refused")
  func refused() throws {
    try withCluster(1) { cluster in
      try cluster.createTopic("q", partitions: 1, replicas: 1)
      for value in ["1", "0:1,x", "*,0:1", "0:-1"] {
        try cluster.alter(2, "q", ["leader.replication.throttled.replicas": value], expecting: .invalidConfig)
      }
      for value in ["*", "0:1,1:2", ""] { try cluster.alter(2, "q", ["leader.replication.throttled.replicas": value]) }
    }
  }
}
