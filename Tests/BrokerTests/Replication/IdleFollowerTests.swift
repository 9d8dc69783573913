import Cluster
import Model
import NIOCore
import Storage
import Testing
import Wire

@testable import Broker

/// A client that fetches as broker 2 does, in a session, from a broker that leads a partition of three replicas.
@Suite("A follower with nothing to fetch")
struct IdleFollowerTests {
  private final class Follower {
    let client: TestClient
    let broker: TestBroker
    let partition: Partition
    var sessionID: Int32 = 0
    var sessionEpoch: Int32 = 0

    init(_ client: TestClient, _ broker: TestBroker, _ partition: Partition) {
      self.client = client
      self.broker = broker
      self.partition = partition
    }

    /// Fetches what the session has, or what is given; returns what the response says of the partition.
    func fetch(from offset: Offset? = nil, maxWaitMs: Int32 = 20) throws -> FetchResponse.Partition? {
      let response = try client.ask(request(from: offset, maxWaitMs: maxWaitMs), version: 12)
      try #require(response.errorCode == .none)
      sessionID = response.sessionID
      sessionEpoch += 1
      return response.responses.first?.partitions.first
    }

    func request(from offset: Offset?, maxWaitMs: Int32) -> FetchRequest {
      var request = FetchRequest.from("t", 0, offset ?? 0, maxWaitMs: maxWaitMs)
      request.replicaID = 2
      request.replicaState.replicaID = 2
      request.sessionID = sessionID
      request.sessionEpoch = sessionEpoch
      if offset == nil { request.topics = [] } else { request.topics[0].partitions[0].logStartOffset = 0 }
      return request
    }

    /// Has the partition's leader do as the controller says.
    func advance(_ body: (inout Replication) -> Replication.Steps) {
      for waiter in partition.advance(body).woken { waiter.wake(.satisfied) }
    }

    func lead(inSync: [BrokerID] = [1, 2, 3], partitionEpoch: Int32 = 1) {
      let leadership = Replication.Leadership(
        leaderEpoch: partition.leaderEpoch, partitionEpoch: partitionEpoch, replicas: [1, 2, 3], inSync: inSync)
      advance { $0.lead(leadership, nowMs: 0) }
    }
  }

  private func withFollower(_ body: (Follower, TestClient) throws -> Void) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      let follower = Follower(try broker.connect(), broker, partition)
      follower.lead()
      let first = try #require(try follower.fetch(from: 0))
      #expect(first.errorCode == .none && first.records.byteCount == 0)
      try body(follower, client)
    }
  }

  @Test("is told nothing, stays in its partitions from one fetch to the next, and gets the next record when it comes")
  func nextRecord() throws {
    try withFollower { follower, producer in
      for _ in 0..<5 {
        #expect(try follower.fetch() == nil)
        #expect(follower.partition.parkedCount == 1)
      }
      _ = try producer.produce(Batches.of(["at rest"]), to: "t", acks: 1)
      let found = try #require(try follower.fetch(maxWaitMs: 60_000))
      #expect(found.records.byteCount > 0 && found.errorCode == .none)
      // The follower has it now, and waits for the next.
      _ = try follower.fetch(from: 1)
      for _ in 0..<2 { #expect(try follower.fetch() == nil) }
      let id = try follower.client.send(follower.request(from: nil, maxWaitMs: 60_000), version: 12)
      _ = try producer.produce(Batches.of(["in a wait"]), to: "t", acks: 1)
      let response = try follower.client.receive(FetchRequest.self, version: 12, correlationID: id)
      #expect(response.responses.first?.partitions.first?.records.byteCount ?? 0 > 0)
      #expect(follower.partition.parkedCount == 0)
    }
  }

  @Test("counts as one that has caught up, as long as it fetches")
  func staysInSync() throws {
    try withFollower { follower, _ in
      for _ in 0..<5 { _ = try follower.fetch(maxWaitMs: 100) }
      let broker = follower.broker.broker
      let lagging = follower.partition.tick(lagMsMax: 300, nowMs: broker.uptimeMs())
      #expect(lagging.askISR?.inSync == [1, 2], "broker 3 has never fetched")
    }
  }

  @Test("is told of a high watermark that another follower raises, and of where the log begins")
  func newMarks() throws {
    try withFollower { follower, producer in
      _ = try producer.produce(Batches.of(["x"]), to: "t", acks: 1)
      _ = try follower.fetch()
      _ = try follower.fetch(from: 1)
      #expect(try follower.fetch() == nil)
      follower.advance { $0.fetched(by: 3, from: 1, logStart: 0, nowMs: 1) }
      let raised = try follower.fetch(maxWaitMs: 60_000)
      #expect(raised?.highWatermark == 1)
      #expect(try follower.fetch() == nil)
      var deletion = DeleteRecordsRequest.before(1, of: "t")
      deletion.timeoutMs = 1
      _ = try producer.ask(deletion, version: 2)
      let trimmed = try follower.fetch()
      #expect(trimmed?.logStartOffset == 1)
    }
  }

  @Test("is refused at once when another broker leads")
  func otherLeader() throws {
    try withFollower { follower, _ in
      #expect(try follower.fetch() == nil)
      for waiter in follower.partition.follow(leaderEpoch: 7) { waiter.wake(.released) }
      let refused = try follower.fetch(maxWaitMs: 60_000)
      #expect(refused?.errorCode == .notLeaderOrFollower)
      #expect(follower.partition.parkedCount == 0)
    }
  }

  @Test("leaves its partitions some time after its connection is closed")
  func goesAway() throws {
    try withFollower { follower, _ in
      #expect(try follower.fetch() == nil)
      #expect(follower.partition.parkedCount == 1)
      let broker = follower.broker.broker
      broker.fetchSessions.releaseResting(since: broker.uptimeMs() - 1_000_000)
      #expect(follower.partition.parkedCount == 1, "it may come again")
      broker.fetchSessions.releaseResting(since: broker.uptimeMs())
      let other = try follower.broker.connect()
      while follower.partition.parkedCount > 0 { _ = try other.ask(MetadataRequest(), version: 5) }
      #expect(try follower.fetch() == nil, "and when it does, it waits anew")
      #expect(follower.partition.parkedCount == 1)
    }
  }
}
