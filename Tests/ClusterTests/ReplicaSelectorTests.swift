import Cluster
import Model
import Testing

@Suite("ReplicaSelector")
struct ReplicaSelectorTests {
  private static let racks: [BrokerID: String] = [1: "a", 2: "b", 3: "b", 4: "b"]

  private func nearest(_ clientRack: String, _ followers: [ReplicaSelector.View]) -> BrokerID? {
    ReplicaSelector.nearest(to: clientRack, leader: 1, followers: followers) { Self.racks[$0] }
  }

  @Test("a consumer reads from the leader in its rack, and from anywhere without a rack or a replica there")
  func leader() {
    let followers = [ReplicaSelector.View(id: 2, logEnd: 10, lagMs: 0)]
    for rack in ["a", "", "c"] { #expect(nearest(rack, followers) == nil, "\(rack)") }
    #expect(nearest("b", []) == nil)
    #expect(nearest("b", followers) == 2)
  }

  @Test("of several followers in the rack the one with most is read, then the one that lags least, then the last")
  func best() {
    let short = ReplicaSelector.View(id: 4, logEnd: 8, lagMs: 0)
    let lagging = ReplicaSelector.View(id: 3, logEnd: 10, lagMs: .max)
    let level = ReplicaSelector.View(id: 2, logEnd: 10, lagMs: 5)
    #expect(nearest("b", [short, lagging, level]) == 2)
    #expect(nearest("b", [short, lagging]) == 3)
    #expect(nearest("b", [level, .init(id: 3, logEnd: 10, lagMs: 5)]) == 3)
  }

  @Test("a follower may serve what it has, while it is in sync")
  func readable() {
    var replication = Replication(brokerID: 1, leaderEpoch: 0, logStart: 0, logEnd: 10, checkpointed: 10)
    _ = replication.lead(.init(leaderEpoch: 1, replicas: [1, 2, 3, 4], inSync: [1, 2, 3]), nowMs: 0)
    #expect(replication.readable(at: 0, nowMs: 0).isEmpty, "none has fetched yet")
    _ = replication.fetched(by: 2, from: 6, logStart: 3, nowMs: 5)
    _ = replication.fetched(by: 3, from: 10, logStart: 0, nowMs: 5)
    _ = replication.fetched(by: 4, from: 4, nowMs: 5)
    #expect(replication.readable(at: 2, nowMs: 9).map(\.id) == [3])
    #expect(replication.readable(at: 3, nowMs: 9).map(\.id) == [2, 3])
    #expect(replication.readable(at: 6, nowMs: 9).map(\.id) == [2, 3])
    #expect(replication.readable(at: 7, nowMs: 9) == [.init(id: 3, logEnd: 10, lagMs: 0)])
    #expect(replication.readable(at: 11, nowMs: 9).isEmpty)
  }
}
