import Base
import Cluster
import Model
import Testing
import Wire

@testable import Broker

/// Brokers 1 and 2 are in rack a, broker 3 in rack b.
private func withRacks(_ body: (TestCluster) throws -> Void) throws {
  try withCluster(
    3, ["replica.selector.class": ReplicaSelectorClass.rackAware.rawValue],
    own: { ["broker.rack": $0 == 3 ? "b" : "a"] }, body)
}

extension TestCluster {
  /// Fetches from one broker as a consumer in a rack.
  fileprivate func fetch(
    _ topic: String, from offset: Offset, at id: BrokerID, rack: String = "", version: Int16 = 12, epoch: Int32 = -1,
    waitMs: Int32 = 0
  ) throws -> FetchResponse.Partition {
    var request = FetchRequest()
    (request.maxWaitMs, request.minBytes, request.rackID) = (waitMs, 1, rack)
    request.topics = [
      .with {
        $0.topic = topic
        $0.partitions = [
          .with { ($0.fetchOffset, $0.partitionMaxBytes, $0.currentLeaderEpoch) = (offset, 1_000_000, epoch) }
        ]
      }
    ]
    let answer = try connect(to: id).ask(request, version: version)
    return try #require(answer.responses.first?.partitions.first)
  }

  /// Creates a topic that broker 1 leads and 3 follows.
  fileprivate func createLed(_ name: String) throws -> LeaderEpoch {
    var topic = CreateTopicsRequest.Topic()
    topic.name = name
    (topic.numPartitions, topic.replicationFactor) = (-1, -1)
    topic.assignments = [.with { ($0.partitionIndex, $0.brokerIDs) = (0, [1, 3]) }]
    var request = CreateTopicsRequest()
    request.topics = [topic]
    _ = try connect(to: try controller()).ask(request, version: 5)
    try waitUntil("\(name) is led by broker 1") {
      try brokers.keys.allSatisfy { try leader(of: name, at: $0) == 1 }
    }
    return try #require(try broker(1).broker.image.named(name)).description.partitions[0].leaderEpoch
  }
}

@Suite("Consumers that read from followers", .serialized)
struct FollowerReadTests {
  @Test("a consumer in the rack of a follower is referred to it, and reads there up to the high watermark")
  func nearest() throws {
    try withRacks { cluster in
      _ = try cluster.createLed("f")
      for value in 0..<5 { _ = try cluster.connect(to: 1).produce(try Batches.of(["\(value)"]), to: "f") }
      try cluster.waitUntil("the follower has fetched, and knows what all have") {
        try cluster.fetch("f", from: 0, at: 1, rack: "b").preferredReadReplica == 3
          && cluster.fetch("f", from: 0, at: 3, rack: "b").highWatermark == 5
      }
      let referred = try cluster.fetch("f", from: 0, at: 1, rack: "b")
      #expect(referred.errorCode == .none)
      #expect(referred.records.byteCount == 0)
      #expect(referred.highWatermark == 5)
      for rack in ["a", "", "c"] {
        let read = try cluster.fetch("f", from: 0, at: 1, rack: rack)
        #expect(read.preferredReadReplica == -1, "rack \(rack)")
        #expect(read.records.byteCount > 0, "rack \(rack)")
      }
      let read = try cluster.fetch("f", from: 2, at: 3, rack: "b")
      #expect(read.errorCode == .none)
      #expect(read.records.byteCount > 0)
      #expect(read.preferredReadReplica == -1)
    }
  }

  @Test("a follower refuses what it cannot serve as the leader would, and old clients")
  func refusals() throws {
    try withRacks { cluster in
      let epoch = try cluster.createLed("f")
      _ = try cluster.connect(to: 1).produce(try Batches.of(["a"]), to: "f")
      try cluster.waitUntil("the follower knows the record") {
        try cluster.fetch("f", from: 0, at: 3).highWatermark == 1
      }
      #expect(try cluster.fetch("f", from: 1, at: 3).errorCode == .none)
      #expect(try cluster.fetch("f", from: 2, at: 3).errorCode == .offsetOutOfRange)
      #expect(try cluster.fetch("f", from: 0, at: 3, version: 10).errorCode == .notLeaderOrFollower)
      #expect(try cluster.fetch("f", from: 0, at: 2).errorCode == .notLeaderOrFollower, "broker 2 has no replica")
      #expect(try cluster.fetch("f", from: 0, at: 3, epoch: epoch).errorCode == .none)
      #expect(try cluster.fetch("f", from: 0, at: 3, epoch: epoch + 1).errorCode == .unknownLeaderEpoch)
      if epoch > 0 { #expect(try cluster.fetch("f", from: 0, at: 3, epoch: epoch - 1).errorCode == .fencedLeaderEpoch) }
      #expect(try cluster.connect(to: 3).produce(try Batches.of(["a"]), to: "f").errorCode == .notLeaderOrFollower)
    }
  }

  @Test("a consumer that waits at a follower gets a record when the follower learns that all have it")
  func wait() throws {
    try withRacks { cluster in
      _ = try cluster.createLed("f")
      for value in 0..<5 {
        let begun = Clocks.wallMs()
        let waiting = try cluster.connect(to: 3)
        var request = FetchRequest()
        (request.maxWaitMs, request.minBytes, request.rackID) = (20_000, 1, "b")
        request.topics = [
          .with {
            $0.topic = "f"
            $0.partitions = [.with { ($0.fetchOffset, $0.partitionMaxBytes) = (Offset(Int64(value)), 1_000_000) }]
          }
        ]
        let correlation = try waiting.send(request, version: 12)
        _ = try cluster.connect(to: 1).produce(try Batches.of(["\(value)"]), to: "f")
        let answer = try waiting.receive(FetchRequest.self, version: 12, correlationID: correlation)
        let read = try #require(answer.responses.first?.partitions.first)
        #expect(read.errorCode == .none)
        #expect(read.records.byteCount > 0)
        #expect(Clocks.wallMs() - begun < 10_000)
      }
    }
  }
}
