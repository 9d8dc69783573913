import Cluster
import Model
import Testing

/// Broker 1 leads replicas 1, 2 and 3, which are all in sync, with ten records that everybody has.
private func level(inSyncMin: Int = 1, replicas: [BrokerID] = [1, 2, 3]) -> Replication {
  var replication = Replication(
    brokerID: 1, leaderEpoch: 0, logStart: 0, logEnd: 10, checkpointed: 10, inSyncMin: inSyncMin, lagMsMax: 1000)
  _ = replication.lead(
    Replication.Leadership(leaderEpoch: 5, partitionEpoch: 7, replicas: replicas, inSync: replicas), nowMs: 0)
  for id in replicas where id != 1 { _ = replication.fetched(by: id, from: 10, nowMs: 0) }
  return replication
}

private func change(_ partitionEpoch: Int32, _ inSync: [BrokerID]) -> Replication.ISRChange {
  Replication.ISRChange(leaderEpoch: 5, partitionEpoch: partitionEpoch, inSync: inSync)
}

@Suite("Replication")
struct ReplicationTests {
  @Test("with one replica each append raises the high watermark to the log's end")
  func alone() {
    var replication = Replication(brokerID: 1, leaderEpoch: 0, logStart: 0, logEnd: 3, checkpointed: 0)
    #expect(replication.appended(to: 4) == false, "nobody leads yet")
    let steps = replication.lead(.init(leaderEpoch: 0, replicas: [1], inSync: [1]), nowMs: 0)
    #expect(steps == .init(highWatermark: 4))
    #expect(replication.appended(to: 9) == true)
    #expect(replication.appended(to: 9) == false)
    #expect(replication.highWatermark == 9)
  }

  @Test(
    "a checkpointed high watermark counts within the log",
    arguments: [(0, 4), (4, 4), (6, 6), (9, 9), (10, 9), (Int64.max, 9), (Int64.min, 4), (-1, 4)] as [(Int64, Int64)])
  func checkpoint(checkpointed: Int64, expected: Int64) {
    let replication = Replication(
      brokerID: 1, leaderEpoch: 0, logStart: 4, logEnd: 9, checkpointed: Offset(checkpointed))
    #expect(replication.highWatermark == Offset(expected))
  }

  @Test("what a follower's broker fetched before it registered again counts for nothing (KIP-903)")
  func registrations() {
    var replication = level()
    #expect(replication.fetched(by: 2, in: 200, from: 10, nowMs: 1) == .none)
    #expect(replication.fetched(by: 3, in: 300, from: 10, nowMs: 1) == .none)
    _ = replication.confirmed(change(8, [1, 3]))
    _ = replication.appended(to: 20)
    #expect(replication.fetched(by: 3, in: 300, from: 20, nowMs: 2) == .none, "broker 2 is caught up, and waited for")
    // Broker 2 comes back with an empty log; a fetch of its earlier life arrives after that.
    #expect(replication.fetched(by: 2, in: 201, from: 0, nowMs: 3) == .init(highWatermark: 20))
    #expect(replication.isEarlierLife(200, of: 2))
    #expect(!replication.isEarlierLife(201, of: 2) && !replication.isEarlierLife(-1, of: 2))
    #expect(replication.fetched(by: 2, in: 200, from: 20, nowMs: 4) == .none)
    let joined = Replication.ISRChange(
      leaderEpoch: 5, partitionEpoch: 8, inSync: [1, 3, 2], brokerEpochs: [2: 201, 3: 300])
    #expect(replication.fetched(by: 2, in: 201, from: 20, nowMs: 5) == .init(askISR: joined))
  }

  @Test("the high watermark is the lowest log end of those in sync")
  func lowest() {
    var replication = level()
    #expect(replication.highWatermark == 10)
    #expect(replication.appended(to: 20) == false)
    #expect(replication.fetched(by: 2, from: 20, nowMs: 1) == .none)
    #expect(replication.fetched(by: 3, from: 17, nowMs: 2) == .init(highWatermark: 17))
    #expect(replication.fetched(by: 3, from: 20, nowMs: 3) == .init(highWatermark: 20))
  }

  @Test("a new leader's high watermark waits for the first fetch of every follower in sync")
  func newLeader() {
    var replication = Replication(brokerID: 1, leaderEpoch: 4, logStart: 0, logEnd: 10, checkpointed: 6)
    #expect(replication.lead(.init(leaderEpoch: 5, replicas: [2, 1, 3], inSync: [1, 2, 3]), nowMs: 0) == .none)
    #expect(replication.highWatermark == 6)
    #expect(replication.fetched(by: 3, from: 10, nowMs: 1) == .none)
    #expect(replication.fetched(by: 2, from: 8, nowMs: 1) == .init(highWatermark: 8))
  }

  @Test(
    "a fetch of a broker without a replica, of an offset the log does not have, and to a follower counts for nothing")
  func strangers() {
    var replication = level()
    _ = replication.appended(to: 20)
    #expect(replication.fetched(by: 9, from: 20, nowMs: 1) == .none)
    #expect(replication.fetched(by: 2, from: 21, nowMs: 1) == .none)
    #expect(replication.fetched(by: 2, from: -1, nowMs: 1) == .none)
    #expect(replication.fetched(by: 1, from: 20, nowMs: 1) == .none)
    replication.follow(leaderEpoch: 6)
    #expect(replication.fetched(by: 2, from: 20, nowMs: 1) == .none)
    #expect(replication.highWatermark == 10)
  }

  // MARK: Shrinking

  @Test(
    "a follower that is behind for longer than replica.lag.time.max.ms leaves the ISR, and then no longer holds the mark"
  )
  func shrink() {
    var replication = level()
    _ = replication.appended(to: 20)
    #expect(replication.fetched(by: 2, from: 20, nowMs: 900) == .none)
    #expect(replication.tick(nowMs: 1000) == .none, "replica 3 was level a second ago")
    #expect(replication.tick(nowMs: 1001) == .init(askISR: change(7, [1, 2])))
    #expect(replication.tick(nowMs: 5000) == .none, "one change at a time")
    #expect(replication.inSync == [1, 2, 3], "asked is not confirmed")
    #expect(replication.highWatermark == 10)
    #expect(replication.confirmed(change(8, [1, 2])) == .init(highWatermark: 20))
    #expect(replication.inSync == [1, 2] && replication.partitionEpoch == 8)
  }

  @Test("a follower that keeps pace stays in the ISR, though the log has always grown when it fetches")
  func pace() {
    var replication = level()
    for step in 1...50 {
      _ = replication.appended(to: Offset(Int64(10 + step * 10)))
      // Each fetch asks from where the log ended at the fetch before.
      for id: BrokerID in [2, 3] {
        _ = replication.fetched(by: id, from: Offset(Int64(step * 10)), nowMs: Int64(step) * 600)
      }
      #expect(replication.tick(nowMs: Int64(step) * 600 + 1).askISR == nil, "step \(step)")
    }
  }

  @Test("followers that have everything stay in the ISR of a partition that nobody writes to")
  func idle() {
    var replication = level()
    #expect(replication.tick(nowMs: 1_000_000) == .none)
  }

  @Test("a follower in sync that never fetches leaves after the whole time allowed")
  func silent() {
    var replication = Replication(
      brokerID: 1, leaderEpoch: 0, logStart: 0, logEnd: 10, checkpointed: 10, lagMsMax: 1000)
    _ = replication.lead(.init(leaderEpoch: 5, partitionEpoch: 7, replicas: [1, 2], inSync: [1, 2]), nowMs: 50_000)
    #expect(replication.tick(nowMs: 51_000) == .none)
    #expect(replication.tick(nowMs: 51_001) == .init(askISR: change(7, [1])))
  }

  // MARK: Expanding

  @Test("a leader whose followers are silent asks before it says that it leads, also where they lack nothing")
  func doubt() {
    var replication = level()
    #expect(replication.isFollowed(withinMs: 500, nowMs: 500))
    _ = replication.fetched(by: 2, from: 10, nowMs: 400)
    #expect(!replication.isFollowed(withinMs: 500, nowMs: 501), "broker 3 is silent")
    #expect(replication.tick(nowMs: 501) == .none, "but lacks nothing")
    #expect(replication.doubt(withinMs: 500, nowMs: 501) == .init(askISR: change(7, [1, 2])))
    #expect(replication.doubt(withinMs: 500, nowMs: 502) == .none, "it was asked")
    #expect(!replication.isFollowed(withinMs: 500, nowMs: 502))
    _ = replication.confirmed(change(8, [1, 2]))
    #expect(replication.isFollowed(withinMs: 500, nowMs: 503))
    _ = replication.lead(.init(leaderEpoch: 6, partitionEpoch: 9, replicas: [1, 2, 3], inSync: [1, 2]), nowMs: 9_000)
    #expect(replication.isFollowed(withinMs: 500, nowMs: 9_500), "a new leader waits for the first fetch")
    #expect(!replication.isFollowed(withinMs: 500, nowMs: 9_501))
    replication.follow(leaderEpoch: 7)
    #expect(!replication.isFollowed(withinMs: 500, nowMs: 9_501))
  }

  @Test("a follower joins the ISR when it has reached the high watermark, and holds the mark from the question on")
  func expand() {
    var replication = level()
    _ = replication.lead(.init(leaderEpoch: 5, partitionEpoch: 8, replicas: [1, 2, 3], inSync: [1, 2]), nowMs: 2000)
    _ = replication.appended(to: 20)
    #expect(replication.fetched(by: 2, from: 20, nowMs: 2000) == .init(highWatermark: 20), "replica 3 is long behind")
    #expect(replication.fetched(by: 3, from: 19, nowMs: 2001) == .none)
    #expect(replication.fetched(by: 3, from: 20, nowMs: 2002) == .init(askISR: change(8, [1, 2, 3])))
    _ = replication.appended(to: 30)
    #expect(replication.fetched(by: 2, from: 30, nowMs: 9000) == .none, "the controller may have replica 3 in sync")
    #expect(replication.confirmed(change(9, [1, 2, 3])) == .none)
    #expect(replication.fetched(by: 3, from: 30, nowMs: 9001) == .init(highWatermark: 30))
  }

  @Test("a follower joins only when it has reached where this leader began")
  func epochStart() {
    var replication = Replication(brokerID: 1, leaderEpoch: 4, logStart: 0, logEnd: 10, checkpointed: 2)
    _ = replication.lead(.init(leaderEpoch: 5, partitionEpoch: 7, replicas: [1, 2, 3], inSync: [1, 3]), nowMs: 0)
    #expect(replication.fetched(by: 2, from: 9, nowMs: 1) == .none, "past the mark, but not at the leader's start")
    #expect(replication.fetched(by: 2, from: 10, nowMs: 1) == .init(askISR: change(7, [1, 3, 2])))
  }

  @Test("the mark waits for a follower that is level and about to join, but not for one whose broker is gone")
  func aboutToJoin() {
    var replication = level(replicas: [1, 2])
    _ = replication.lead(.init(leaderEpoch: 5, partitionEpoch: 8, replicas: [1, 2], inSync: [1]), nowMs: 10)
    #expect(replication.appended(to: 20) == false, "replica 2 was level ten milliseconds ago")
    #expect(replication.broker(2, isAlive: false) == .init(highWatermark: 20))
    #expect(replication.fetched(by: 2, from: 20, nowMs: 20) == .none, "a broker that is gone does not join")
    #expect(replication.broker(2, isAlive: true) == .none)
    #expect(replication.fetched(by: 2, from: 20, nowMs: 20) == .init(askISR: change(8, [1, 2])))
  }

  @Test("appends raise the mark themselves while every follower is behind")
  func leftAlone() {
    var replication = level()
    _ = replication.appended(to: 20)
    _ = replication.tick(nowMs: 1001)
    #expect(replication.confirmed(change(8, [1])) == .init(highWatermark: 20))
    #expect(replication.appended(to: 21) == true)
    #expect(replication.highWatermark == 21)
  }

  // MARK: The controller's answers

  @Test(
    "a change that was not made is asked for again; after an outdated one nothing is asked until the controller has told"
  )
  func refusals() {
    var replication = level()
    _ = replication.appended(to: 20)
    _ = replication.fetched(by: 2, from: 20, nowMs: 1)
    #expect(replication.tick(nowMs: 1002).askISR == change(7, [1, 2]))
    #expect(replication.refused(change(6, [1, 2]), .notMade) == .none, "the answer to an older question")
    #expect(replication.tick(nowMs: 1003) == .none)
    #expect(replication.refused(change(7, [1, 2]), .notMade) == .none)
    #expect(replication.tick(nowMs: 1004).askISR == change(7, [1, 2]))
    #expect(replication.refused(change(7, [1, 2]), .outdated) == .none)
    #expect(replication.tick(nowMs: 9000) == .none)
    let told = Replication.Leadership(leaderEpoch: 5, partitionEpoch: 9, replicas: [1, 2, 3], inSync: [1, 2])
    #expect(replication.lead(told, nowMs: 9001) == .init(highWatermark: 20))
  }

  @Test("a refused newcomer no longer holds the mark")
  func refusedNewcomer() {
    var replication = level(replicas: [1, 2])
    _ = replication.lead(.init(leaderEpoch: 5, partitionEpoch: 8, replicas: [1, 2], inSync: [1]), nowMs: 0)
    let asked = replication.fetched(by: 2, from: 10, nowMs: 5000).askISR
    _ = replication.appended(to: 20)
    _ = replication.tick(nowMs: 9000)
    #expect(replication.highWatermark == 10)
    #expect(replication.refused(asked ?? change(0, []), .notMade) == .init(highWatermark: 20))
  }

  @Test("what an older controller, or one of an older epoch, says changes nothing")
  func outdated() {
    var replication = level()
    _ = replication.appended(to: 20)
    #expect(replication.confirmed(.init(leaderEpoch: 4, partitionEpoch: 9, inSync: [1])) == .none)
    #expect(replication.confirmed(change(6, [1])) == .none)
    #expect(replication.lead(.init(leaderEpoch: 4, partitionEpoch: 9, replicas: [1], inSync: [1]), nowMs: 0) == .none)
    #expect(replication.lead(.init(leaderEpoch: 5, partitionEpoch: 6, replicas: [1], inSync: [1]), nowMs: 0) == .none)
    replication.follow(leaderEpoch: 4)
    #expect(replication.isLeader && replication.highWatermark == 10 && replication.inSync == [1, 2, 3])
  }

  @Test("replicas that are taken away no longer count, new ones begin without any record")
  func reassigned() {
    var replication = level()
    _ = replication.appended(to: 20)
    _ = replication.fetched(by: 2, from: 20, nowMs: 1)
    let told = Replication.Leadership(leaderEpoch: 5, partitionEpoch: 8, replicas: [1, 2, 4], inSync: [1, 2])
    #expect(replication.lead(told, nowMs: 2) == .init(highWatermark: 20))
    #expect(replication.fetched(by: 3, from: 20, nowMs: 3) == .none)
    #expect(replication.fetched(by: 4, from: 20, nowMs: 3) == .init(askISR: change(8, [1, 2, 4])))
  }

  // MARK: min.insync.replicas

  @Test("while fewer than min.insync.replicas are in sync the high watermark stands still")
  func tooFew() {
    var replication = level(inSyncMin: 2)
    #expect(replication.hasEnoughInSync)
    _ = replication.tick(nowMs: 0)
    _ = replication.lead(.init(leaderEpoch: 5, partitionEpoch: 8, replicas: [1, 2, 3], inSync: [1]), nowMs: 2000)
    #expect(!replication.hasEnoughInSync)
    #expect(replication.appended(to: 20) == false)
    #expect(replication.tick(nowMs: 9000) == .none)
    #expect(replication.highWatermark == 10)
    #expect(replication.fetched(by: 2, from: 20, nowMs: 9001) == .init(askISR: change(8, [1, 2])))
    #expect(replication.confirmed(change(9, [1, 2])) == .init(highWatermark: 20))
  }

  @Test("a min.insync.replicas above the number of replicas means all of them")
  func moreThanThereAre() {
    var replication = Replication(
      brokerID: 1, leaderEpoch: 0, logStart: 0, logEnd: 0, checkpointed: 0, inSyncMin: .max)
    _ = replication.lead(.init(leaderEpoch: 0, replicas: [1], inSync: [1]), nowMs: 0)
    #expect(replication.hasEnoughInSync)
    #expect(replication.appended(to: 5) == true)
  }

  // MARK: Followers

  @Test("a follower learns the mark from its leader, never past its own log's end")
  func learning() {
    var replication = Replication(brokerID: 2, leaderEpoch: 4, logStart: 0, logEnd: 10, checkpointed: 6)
    replication.follow(leaderEpoch: 5)
    #expect(replication.learned(highWatermark: 5) == false)
    #expect(replication.learned(highWatermark: 12) == true)
    #expect(replication.highWatermark == 10)
    #expect(replication.appended(to: 15) == false)
    #expect(replication.learned(highWatermark: 12) == true)
    #expect(replication.highWatermark == 12)
    replication.truncated(to: 11)
    #expect(replication.highWatermark == 11)
    replication.restarted(at: 40)
    #expect(replication.highWatermark == 40)
    _ = replication.appended(to: 50)
    replication.startMoved(to: 45)
    #expect(replication.highWatermark == 45)
  }

  @Test("a new leader's mark is behind until the followers have what it began with")
  func behind() {
    var replication = Replication(brokerID: 1, leaderEpoch: 4, logStart: 0, logEnd: 10, checkpointed: 6)
    _ = replication.lead(.init(leaderEpoch: 5, replicas: [1, 2], inSync: [1, 2]), nowMs: 0)
    #expect(replication.isMarkBehind)
    _ = replication.fetched(by: 2, from: 10, nowMs: 0)
    #expect(!replication.isMarkBehind)
    _ = replication.appended(to: 20)
    #expect(!replication.isMarkBehind)
  }

  @Test("a state that the leader knows already is no answer to the change that starts from it")
  func repeatedState() {
    var replication = level(replicas: [1, 2])
    _ = replication.lead(.init(leaderEpoch: 5, partitionEpoch: 8, replicas: [1, 2], inSync: [1]), nowMs: 0)
    #expect(replication.fetched(by: 2, from: 10, nowMs: 5000).askISR == change(8, [1, 2]))
    let same = Replication.Leadership(leaderEpoch: 5, partitionEpoch: 8, replicas: [1, 2], inSync: [1])
    _ = replication.lead(same, nowMs: 5001)
    _ = replication.appended(to: 20)
    _ = replication.tick(nowMs: 99_000)
    #expect(replication.highWatermark == 10, "the controller may have replica 2 in sync")
    #expect(replication.requestedISR == change(8, [1, 2]))
  }

  @Test("the low watermark is that of the living replica that begins first")
  func lowWatermark() {
    var replication = level()
    #expect(replication.lowWatermark(logStart: 5) == .unknown, "nobody has said where its log starts")
    _ = replication.fetched(by: 2, from: 10, logStart: 3, nowMs: 0)
    _ = replication.fetched(by: 3, from: 10, logStart: 7, nowMs: 0)
    #expect(replication.lowWatermark(logStart: 5) == 3)
    _ = replication.broker(2, isAlive: false)
    #expect(replication.lowWatermark(logStart: 5) == 5)
  }

  @Test("each follower is told a high watermark once")
  func told() {
    var replication = level(replicas: [1, 2])
    let first = (replication.reportsNewMark(to: 2), replication.reportsNewMark(to: 2))
    #expect(first == (true, false))
    _ = replication.appended(to: 11)
    _ = replication.fetched(by: 2, from: 11, nowMs: 1)
    let second = (replication.reportsNewMark(to: 2), replication.reportsNewMark(to: 9))
    #expect(second == (true, false))
  }
}
