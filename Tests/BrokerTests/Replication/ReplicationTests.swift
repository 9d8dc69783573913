import Cluster
import Model
import NIOCore
import Storage
import Synchronization
import Testing
import Wire

@testable import Broker

@Suite("Brokers that replicate")
struct BrokerReplicationTests {
  private func values(_ client: TestClient, from offset: Offset = 0, partition: Int32 = 0) throws -> [String] {
    try Batches.values(in: client.fetch("t", partition, from: offset).records).map(\.1)
  }

  @Test("acks=all is answered when all in sync have the records, which then can be read")
  func replicate() throws {
    try withCluster { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      for index in 0..<20 {
        let placed = try client.produce(Batches.of(["\(index)"]), to: "t")
        #expect(placed.errorCode == .none && placed.baseOffset == Offset(Int64(index)))
        for id in 2...3 as ClosedRange<BrokerID> {
          #expect(try cluster.partition(id).withLog { log, _ in log.logEndOffset } > Offset(Int64(index)))
        }
      }
      #expect(try values(client) == (0..<20).map { "\($0)" })
      try cluster.level(1)
      #expect(try cluster.client(2).fetch("t", from: 0, version: 10).errorCode == .notLeaderOrFollower)
    }
  }

  @Test("a follower that cannot be reached leaves the ISR in time, and joins again when it has everything")
  func shrinkAndGrow() throws {
    try withCluster(["replica.lag.time.max.ms": "400"]) { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      _ = try client.produce(Batches.of(["a"]), to: "t")
      cluster.switchboard.cut(from: 3, to: 1)
      #expect(try client.produce(Batches.of(["b"]), to: "t").errorCode == .none, "answered when 3 has left")
      #expect(cluster.inSync() == [1, 2])
      for index in 0..<10 { #expect(try client.produce(Batches.of(["\(index)"]), to: "t").errorCode == .none) }
      cluster.switchboard.mend()
      try cluster.eventually("3 is back") { cluster.inSync() == [1, 2, 3] }
      try cluster.level(1)
    }
  }

  @Test("a leader alone in its ISR acknowledges by itself, and below min.insync.replicas it refuses")
  func alone() throws {
    try withCluster(["replica.lag.time.max.ms": "300"], topic: ["min.insync.replicas": "2"]) { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      _ = try client.produce(Batches.of(["a"]), to: "t")
      cluster.switchboard.cut(from: 2, to: 1)
      cluster.switchboard.cut(from: 3, to: 1)
      try cluster.eventually("1 is alone") {
        _ = try client.produce(Batches.of(["b"]), to: "t", acks: 1)
        return cluster.partition(1).state.withLock { $0.replication.inSync } == [1]
      }
      #expect(try client.produce(Batches.of(["c"]), to: "t").errorCode == .notEnoughReplicas)
      let mark = cluster.partition(1).highWatermark
      #expect(try client.produce(Batches.of(["d"]), to: "t", acks: 1).errorCode == .none)
      #expect(cluster.partition(1).highWatermark == mark)
      cluster.switchboard.mend()
      try cluster.level(1)
      #expect(try client.produce(Batches.of(["e"]), to: "t").errorCode == .none)
    }
  }

  @Test("a change of the ISR that is refused is asked for again, until it is made")
  func refusedChange() throws {
    try withCluster(brokers: 2) { cluster in
      cluster.refuse(.ineligibleReplica)
      cluster.elect(1, inSync: [1])
      let client = try cluster.client(1)
      _ = try client.produce(Batches.of(["a"]), to: "t")
      try cluster.eventually("2 has it") {
        try cluster.partition(2).withLog { log, _ in log.logEndOffset } == 1
      }
      #expect(cluster.inSync() == [1])
      cluster.refuse(.notController)
      cluster.refuse(nil)
      try cluster.eventually("2 is in sync") {
        _ = try client.produce(Batches.of(["b"]), to: "t", acks: 1)
        return cluster.inSync() == [1, 2]
      }
      try cluster.level(1)
    }
  }

  @Test("records that only a deposed leader has are truncated, and what was acknowledged stays")
  func failover() throws {
    try withCluster(["replica.lag.time.max.ms": "60000"]) { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      for value in ["a", "b"] { _ = try client.produce(Batches.of([value]), to: "t") }
      cluster.switchboard.cut(from: 2, to: 1)
      cluster.switchboard.cut(from: 3, to: 1)
      for _ in 0..<3 { #expect(try client.produce(Batches.of(["lost"]), to: "t", acks: 1).errorCode == .none) }
      // Broker 1 does not hear of its successor, and goes on for a while.
      cluster.elect(2, inSync: [2, 3], telling: [2, 3])
      let other = try cluster.client(2)
      for value in ["c", "d"] { #expect(try other.produce(Batches.of([value]), to: "t").errorCode == .none) }
      #expect(try client.produce(Batches.of(["lost"]), to: "t", acks: 1).errorCode == .none)
      cluster.tell(1)
      try cluster.level(2)
      #expect(try values(other) == ["a", "b", "c", "d"])
      try cluster.eventually("1 is in sync") { cluster.inSync() == [1, 2, 3] }
      cluster.switchboard.mend()
      cluster.elect(1)
      try cluster.level(1)
      #expect(try values(client) == ["a", "b", "c", "d"])
    }
  }

  @Test("a broker that stops or dies goes on from its files", arguments: [true, false])
  func restart(isOrderly: Bool) throws {
    try withCluster(["replica.lag.time.max.ms": "300"]) { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      for index in 0..<5 { _ = try client.produce(Batches.of(["\(index)"]), to: "t") }
      cluster.stop(2, isOrderly: isOrderly)
      for index in 5..<10 { #expect(try client.produce(Batches.of(["\(index)"]), to: "t").errorCode == .none) }
      try cluster.start(2)
      cluster.tell(2)
      try cluster.eventually("2 is in sync") { cluster.inSync() == [1, 2, 3] }
      try cluster.level(1)
      // The leader dies, and another goes on.
      cluster.stop(1, isOrderly: isOrderly)
      cluster.elect(2, inSync: [2, 3])
      let other = try cluster.client(2)
      #expect(try other.produce(Batches.of(["10"]), to: "t").errorCode == .none)
      try cluster.start(1)
      cluster.tell(1)
      try cluster.level(2)
      #expect(try values(other) == (0...10).map { "\($0)" })
    }
  }

  @Test("batches larger than replica.fetch.max.bytes are replicated, and many partitions take their turns")
  func large() throws {
    let keys = [
      "replica.fetch.max.bytes": "1000", "replica.fetch.response.max.bytes": "5000", "replica.lag.time.max.ms": "60000",
    ]
    try withCluster(brokers: 2, partitions: 4, keys) { cluster in
      for index in 0..<4 as Range<Int32> { cluster.elect(1, partition: index) }
      let client = try cluster.client(1)
      for round in 0..<5 {
        for index in 0..<4 as Range<Int32> {
          let batch = try Batches.of([String(repeating: "\(round)", count: round.isMultiple(of: 2) ? 10 : 300_000)])
          #expect(try client.produce(batch, to: "t", index, acks: 1).errorCode == .none)
        }
      }
      for index in 0..<4 as Range<Int32> { try cluster.level(1, partition: index) }
    }
  }

  @Test("a follower of which a topic wants flushes tells what it has when that is durable")
  func flushed() throws {
    try withCluster(brokers: 2, topic: ["flush.messages": "1"]) { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      for index in 0..<5 {
        #expect(try client.produce(Batches.of(["a"]), to: "t").errorCode == .none)
        let flushed = try cluster.partition(2).withLog { log, _ in log.flushedOffset }
        #expect(flushed == Offset(Int64(index) + 1))
      }
    }
  }

  @Test("DeleteRecords waits for the followers, and says when one does not answer in time")
  func deleteRecords() throws {
    try withCluster(["replica.lag.time.max.ms": "60000"]) { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      for _ in 0..<6 { _ = try client.produce(Batches.of(["a"]), to: "t") }
      func delete(_ offset: Offset, timeoutMs: Int32) throws -> DeleteRecordsResponse.Partition {
        var wanted = DeleteRecordsRequest.Partition()
        wanted.offset = offset
        var topic = DeleteRecordsRequest.Topic()
        topic.name = "t"
        topic.partitions = [wanted]
        var request = DeleteRecordsRequest()
        request.topics = [topic]
        request.timeoutMs = timeoutMs
        return try client.ask(request, version: 2).topics[0].partitions[0]
      }
      let done = try delete(2, timeoutMs: 60_000)
      #expect(done.errorCode == .none && done.lowWatermark == 2)
      for id in 1...3 as ClosedRange<BrokerID> {
        #expect(try cluster.partition(id).withLog { log, _ in log.logStartOffset } == 2)
      }
      cluster.switchboard.cut(from: 3, to: 1)
      let late = try delete(4, timeoutMs: 100)
      #expect(late.errorCode == .requestTimedOut && late.lowWatermark == 2)
      cluster.switchboard.mend()
      let again = try delete(4, timeoutMs: 60_000)
      #expect(again.errorCode == .none && again.lowWatermark == 4)
    }
  }

  @Test("a follower far behind begins where the leader's log begins")
  func farBehind() throws {
    let keys = ["replica.lag.time.max.ms": "300", "log.segment.bytes": "1000", "log.retention.bytes": "1500"]
    try withCluster(brokers: 2, keys) { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      _ = try client.produce(Batches.of(["first"]), to: "t")
      cluster.switchboard.cut(from: 2, to: 1)
      let batch = try Batches.of([String(repeating: "x", count: 700)])
      for _ in 0..<8 { #expect(try client.produce(batch, to: "t").errorCode == .none) }
      cluster.broker(1).applyRetention()
      let start = try cluster.partition(1).withLog { log, _ in log.logStartOffset }
      #expect(start > 1)
      cluster.switchboard.mend()
      try cluster.level(1)
      #expect(try cluster.partition(2).withLog { log, _ in log.logStartOffset } == start)
    }
  }

  @Test("a follower asks for the end of the log, a client for the high watermark")
  func listOffsets() throws {
    try withCluster(brokers: 2, ["replica.lag.time.max.ms": "60000"]) { cluster in
      cluster.switchboard.cut(from: 2, to: 1)
      cluster.elect(1)
      let client = try cluster.client(1)
      _ = try client.produce(Batches.of(["a"]), to: "t", acks: 1)
      #expect(try client.offset(of: "t", at: -1).offset == 0)
      var wanted = ListOffsetsRequest.Partition()
      wanted.timestamp = -1
      var asked = ListOffsetsRequest.Topic()
      asked.name = "t"
      asked.partitions = [wanted]
      var request = ListOffsetsRequest()
      request.replicaID = 2
      request.topics = [asked]
      #expect(try client.ask(request, version: 7).topics[0].partitions[0].offset == 1)
    }
  }

  @Test("idle partitions are fetched with few requests, and without their names")
  func idle() throws {
    try withCluster(brokers: 2, partitions: 50, ["replica.fetch.wait.max.ms": "400"]) { cluster in
      for index in 0..<50 as Range<Int32> { cluster.elect(1, partition: index) }
      let client = try cluster.client(1)
      for index in 0..<50 as Range<Int32> { _ = try client.produce(Batches.of(["a"]), to: "t", index, acks: 1) }
      for index in 0..<50 as Range<Int32> { try cluster.level(1, partition: index) }
      #expect(cluster.broker(1).fetchSessions.count == 1)
      let before = cluster.switchboard.fetches
      try cluster.eventually("three more") { cluster.switchboard.fetches >= before + 3 }
      #expect(try client.produce(Batches.of(["b"]), to: "t", 30).errorCode == .none, "and woken by an append")
    }
  }

  @Test("an idempotent producer goes on at the next leader")
  func producers() throws {
    try withCluster(brokers: 2) { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      let batch = try Batches.of(["a"], producerID: 9, epoch: 0, sequence: 0)
      #expect(try client.produce(batch, to: "t").baseOffset == 0)
      cluster.elect(2)
      let other = try cluster.client(2)
      #expect(try other.produce(batch, to: "t").baseOffset == 0, "a retry at the new leader")
      #expect(try other.produce(Batches.of(["b"], producerID: 9, epoch: 0, sequence: 1), to: "t").baseOffset == 1)
      #expect(
        try other.produce(Batches.of(["c"], producerID: 9, epoch: 0, sequence: 7), to: "t").errorCode
          == .outOfOrderSequenceNumber)
      try cluster.level(2)
    }
  }

  @Test("a new leader says where the log ends when it knows that much of it is replicated (KIP-207)")
  func newLeaderEnds() throws {
    try withCluster(brokers: 2, ["replica.lag.time.max.ms": "60000"]) { cluster in
      cluster.elect(1)
      let client = try cluster.client(1)
      _ = try client.produce(Batches.of(["a"]), to: "t")
      try cluster.level(1)
      _ = try client.produce(Batches.of(["b"]), to: "t", acks: 1)
      try cluster.eventually("2 has b") { try cluster.partition(2).withLog { log, _ in log.logEndOffset } == 2 }
      cluster.switchboard.cut(from: 1, to: 2)
      cluster.elect(2)
      let other = try cluster.client(2)
      // It may have heard of the high watermark just before.
      let early = try other.offset(of: "t", at: -1)
      #expect(early.errorCode == .offsetNotAvailable || early.offset == 2)
      cluster.switchboard.mend()
      try cluster.eventually("2 knows") { try other.offset(of: "t", at: -1).offset == 2 }
    }
  }
}
