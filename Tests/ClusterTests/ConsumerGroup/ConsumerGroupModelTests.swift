import Base
import Model
import Testing

@testable import Cluster

/// Members that join, leave, stall, crash and lose responses, in an order that follows from a seed.
@Suite("A consumer group of the new protocol, driven at random")
struct ConsumerGroupModelTests {
  @Test("no partition has two owners, and when all is calm each has one", arguments: 1...60)
  func noTwoOwners(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    var run = Run(seed: seed)
    for step in 0..<250 {
      try run.act(using: &random)
      run.check("seed \(seed), step \(step)")
    }
    try run.calm()
    run.check("seed \(seed), calm")
    #expect(run.test.group.phase == (run.test.owned.isEmpty ? .empty : .stable), "seed \(seed)")
    let subscribed = Set(run.subscriptions.values.flatMap { $0 })
    let wanted = Set(run.test.topics.values.filter { subscribed.contains($0.name) }.flatMap(\.partitions))
    #expect(run.test.owned.values.reduce(into: Set()) { $0.formUnion($1) } == wanted, "seed \(seed)")
  }

  private struct Run {
    var test = GroupUnderTest([("t", 3), ("u", 4)])
    var subscriptions: [String: [String]] = [:]
    private var joined = 0
    /// The members that have not got their last response: their next heartbeat says everything, and is answered with everything.
    private var unsure: Set<String> = []

    init(seed: UInt64) {
      if seed.isMultiple(of: 3) { test.settings.assignors = [.range] }
    }

    mutating func act(using random: inout SplitMix) throws {
      test.nowMs += Int64.random(in: 0...4_000, using: &random)
      switch Int.random(in: 0..<20, using: &random) {
      case 0...1 where test.owned.count < 6: try join(using: &random)
      case 2: if let id = anyone(using: &random) { try leave(id) }
      case 3: if let id = anyone(using: &random) { crash(id) }
      case 4: test.make("t", min(12, test.topics["t"]!.partitionCount + 1))
      case 5: _ = test.step(.tick)
      case 6: if let id = anyone(using: &random) { try beat(id, losesResponse: true) }
      default: if let id = anyone(using: &random) { try beat(id) }
      }
      // A client whose session is over has lost its partitions; it learns of it with its next heartbeat.
      for id in Array(test.owned.keys) where test.group.members[id] == nil { crash(id) }
    }

    private func anyone(using random: inout SplitMix) -> String? {
      test.owned.keys.sorted().randomElement(using: &random)
    }

    private mutating func join(using random: inout SplitMix) throws {
      joined += 1
      let id = "m\(joined)"
      subscriptions[id] = Bool.random(using: &random) ? ["t"] : ["t", "u"]
      _ = try test.join(id, to: subscriptions[id]!)
    }

    private mutating func leave(_ id: String) throws {
      try test.leave(id)
      subscriptions[id] = nil
      unsure.remove(id)
    }

    private mutating func crash(_ id: String) {
      test.owned[id] = nil
      test.epochs[id] = nil
      subscriptions[id] = nil
      unsure.remove(id)
    }

    private mutating func beat(_ id: String, losesResponse: Bool = false) throws {
      let (owned, epoch) = (test.owned[id], test.epochs[id])
      do {
        if unsure.contains(id) { try beatInFull(id) } else { _ = try test.beat(id) }
      } catch let error as ApiError where error.code == .fencedMemberEpoch && unsure.contains(id) {
        // Two responses were lost: the member gives up its partitions, as it is told to.
        return crash(id)
      }
      unsure.remove(id)
      guard losesResponse else { return }
      (test.owned[id], test.epochs[id]) = (owned, epoch)
      unsure.insert(id)
    }

    private mutating func beatInFull(_ id: String) throws {
      var heartbeat = ConsumerGroup.Heartbeat(memberID: id, memberEpoch: test.epochs[id]!)
      heartbeat.owned = test.owned[id]
      heartbeat.subscription = subscriptions[id]
      heartbeat.rebalanceTimeoutMs = 300_000
      let response = try test.step(.heartbeat(heartbeat))!.get()
      test.epochs[id] = response.memberEpoch
      test.owned[id] = Set(response.assignment!)
    }

    /// Everyone that is alive heartbeats until nothing changes; who is silent is removed meanwhile.
    mutating func calm() throws {
      for _ in 0..<40 {
        test.nowMs += 5_000
        _ = test.step(.tick)
        for id in test.owned.keys.sorted() {
          if test.group.members[id] == nil { crash(id) } else { try beat(id) }
        }
      }
    }

    func check(_ place: String) {
      var owners: [GroupPartition: String] = [:]
      for (id, partitions) in test.owned.sorted(by: { $0.key < $1.key }) {
        for partition in partitions {
          if let other = owners.updateValue(id, forKey: partition) {
            Issue.record("\(place): \(partition.number) of \(partition.topic) is consumed by \(other) and by \(id)")
          }
        }
      }
      #expect(test.isReplayedEqual, "\(place): the stored changes make another group")
    }
  }
}
