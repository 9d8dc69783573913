import Cluster
import Model
import TestSupport
import Testing

/// A leader, its followers and a controller, with messages that are late and followers that stop. Every rule that the rest relies
/// on is checked after every event.
private struct ReplicationModel {
  let brokers: [BrokerID] = [1, 2, 3, 4]
  let lagMsMax: Int64 = 100
  var random: Seed
  var now: Int64 = 0
  var replication: Replication
  /// What each replica really has; of the leader, its log's end.
  var ends: [BrokerID: Offset] = [:]
  /// The state in the tree: what the next leader would be elected from.
  var inSync: [BrokerID]
  var partitionEpoch: Int32 = 1
  /// A change of the ISR on its way to the controller, and an answer on its way back.
  var asked: Replication.ISRChange?
  var answer: (change: Replication.ISRChange, refusal: Replication.ISRRefusal?)?
  /// When a follower last had everything, by the model's own book: all times at which its fetch reached the leader's end as of then.
  var levelMs: [BrokerID: Int64] = [:]
  var ledEnds: [(ms: Int64, end: Offset)] = []
  var highest: Offset = 0
  var trace: [String] = []
  /// What follows a failure says nothing.
  var hasFailed = false

  init(_ seed: Seed) {
    random = seed
    inSync = brokers
    replication = Replication(
      brokerID: 1, leaderEpoch: 1, logStart: 0, logEnd: 0, checkpointed: 0,
      inSyncMin: Int.random(in: 1...3, using: &random), lagMsMax: lagMsMax)
    for id in brokers { ends[id] = 0 }
    take(replication.lead(.init(leaderEpoch: 1, partitionEpoch: 1, replicas: brokers, inSync: brokers), nowMs: 0))
    for id in brokers { levelMs[id] = 0 }
  }

  mutating func step() {
    now += Int64.random(in: 0...20, using: &random)
    let follower = BrokerID.random(in: 2...4, using: &random)
    switch Int.random(in: 0...9, using: &random) {
    case 0...2:
      ends[1]! = ends[1]! + Int.random(in: 1...5, using: &random)
      trace.append("\(now) append to \(ends[1]!)")
      if replication.appended(to: ends[1]!) { take(.init(highWatermark: replication.highWatermark)) }
    case 3...6: fetch(follower)
    case 7:
      trace.append("\(now) tick")
      take(replication.tick(nowMs: now))
    case 8: controller()
    default: deliver()
    }
    check()
  }

  /// The follower takes in some of what the leader has, and fetches from where it then is.
  private mutating func fetch(_ id: BrokerID) {
    let missing = ends[1]! - ends[id]!
    // Follower 4 is slow: it is out of sync for most of the time.
    let taken = id == 4 ? min(missing, Int.random(in: 0...2, using: &random)) : missing
    let before = ends[id]! + taken
    ends[id] = before
    if before == ends[1]! { levelMs[id] = now }
    trace.append("\(now) fetch by \(id) from \(before)")
    take(replication.fetched(by: id, from: before, nowMs: now))
  }

  /// The controller makes the change that is on its way, or refuses it; sometimes it changes the ISR by itself first.
  private mutating func controller() {
    guard let change = asked else { return }
    asked = nil
    if change.partitionEpoch != partitionEpoch {
      answer = (change, .outdated)
    } else if Int.random(in: 0...4, using: &random) == 0 {
      answer = (change, .notMade)
    } else {
      partitionEpoch += 1
      inSync = change.inSync
      answer = (.init(leaderEpoch: 1, partitionEpoch: partitionEpoch, inSync: inSync), nil)
    }
    trace.append("\(now) controller answers \(change) with \(answer!)")
  }

  private mutating func deliver() {
    guard let (change, refusal) = answer else { return }
    answer = nil
    trace.append("\(now) answer arrives")
    guard let refusal else { return take(replication.confirmed(change)) }
    take(replication.refused(change, refusal))
  }

  private mutating func take(_ steps: Replication.Steps) {
    if let mark = steps.highWatermark {
      trace.append("  raised to \(mark)")
      expect(mark > highest, "the mark rises")
      expect(mark == replication.highWatermark, "the step tells the mark")
      highest = mark
    }
    guard let change = steps.askISR else { return }
    trace.append("  asks for \(change.inSync)")
    expect(asked == nil && answer == nil, "one change at a time")
    expect(change.partitionEpoch == replication.partitionEpoch, "a change starts from the known state")
    for id in replication.inSync where !change.inSync.contains(id) {
      expect(id != 1 && now - levelMs[id]! > lagMsMax && ends[id]! < ends[1]!, "\(id) is thrown out and was level")
    }
    for id in change.inSync where !replication.inSync.contains(id) {
      expect(ends[id]! >= replication.highWatermark, "\(id) joins below the mark")
    }
    asked = change
  }

  private mutating func check() {
    let mark = replication.highWatermark
    expect(mark == highest, "no mark moves without a step")
    expect(mark <= ends[1]!, "the mark is within the log")
    // Whoever the controller may elect has every record that was acknowledged.
    for id in inSync { expect(ends[id]! >= mark, "replica \(id) is in sync and lacks records below \(mark)") }
  }

  private mutating func expect(_ condition: Bool, _ what: String) {
    if hasFailed { return }
    hasFailed = !condition
    #expect(condition, "\(random), \(what):\n\(trace.suffix(30).joined(separator: "\n"))")
  }

  /// Everybody fetches until nothing is missing: the mark must reach the end, with all in sync.
  mutating func settle() {
    for _ in 0..<10 {
      now += 1
      for id in brokers.dropFirst() {
        ends[id] = ends[1]!
        levelMs[id] = now
        take(replication.fetched(by: id, from: ends[1]!, nowMs: now))
        while asked != nil || answer != nil {
          controller()
          deliver()
        }
      }
    }
    expect(Set(inSync) == Set(brokers), "all are level and not all are in sync: \(inSync)")
    expect(replication.highWatermark == ends[1]!, "all are level and the mark is \(replication.highWatermark)")
  }
}

@Suite("Replication, against a model")
struct ReplicationModelTests {
  @Test(
    "no order of events loses an acknowledged record, and every mark is reached in the end", arguments: Seed.some(100))
  func anyOrder(seed: Seed) {
    var model = ReplicationModel(seed)
    for _ in 0..<400 where !model.hasFailed { model.step() }
    model.settle()
  }

  @Test("nor does a seed that no run had before")
  func fresh() {
    var model = ReplicationModel(.fresh)
    for _ in 0..<2000 where !model.hasFailed { model.step() }
    model.settle()
  }
}
