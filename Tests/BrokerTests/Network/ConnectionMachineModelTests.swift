import Base
import Glibc
import TestSupport
import Testing

@testable import Broker

@Suite("A connection's machine against a model")
struct ConnectionMachineModelTests {
  /// Seeds that always run, and `MILLRACE_FRESH_SEEDS=n` (20) that never ran before. `MILLRACE_SEED=n` runs that one alone.
  private static let seeds: [Seed] = {
    if getenv("MILLRACE_SEED") != nil { return [Seed.fresh] }
    let fresh = getenv("MILLRACE_FRESH_SEEDS").flatMap { Int(String(cString: $0)) } ?? 20
    // The channel asked to read from inside a write, and was let before anyone knew what the socket had taken.
    let found = [Seed(574_534_352)]
    return Seed.some(60) + found + (0..<fresh).map { _ in Seed.fresh }
  }()

  @Test("keeps every promise in long sequences of events, of which some come from inside others", arguments: seeds)
  func chance(seed: Seed) {
    var random = seed
    for round in 0..<60 {
      var will = ConnectionWorld.Will(random: Seed(random.next()))
      will.nested = will.below(3) * 15
      will.late = will.below(101)
      will.heldBack = will.below(2) * 20
      will.starved = will.below(2) * 30
      will.refused = will.below(4) == 0 ? 3 : 0
      will.holds = round % 3 * 20
      will.turns = 1...(1 + will.below(6))
      var world = ConnectionWorld(limit: 1 + will.below(5), will)
      for _ in 0..<120 { world.come(world.anyEvent()) }
      world.comeToRest()
      guard world.fault == nil else {
        Issue.record("\(seed): \(world.story)")
        return
      }
    }
  }

  @Test("keeps them when requests are served together, too", arguments: seeds)
  func together(seed: Seed) {
    var random = seed
    for round in 0..<60 {
      var will = ConnectionWorld.Will(random: Seed(random.next()))
      will.nested = will.below(3) * 15
      will.late = will.below(101)
      will.heldBack = will.below(2) * 20
      will.starved = will.below(2) * 30
      will.refused = will.below(4) == 0 ? 3 : 0
      will.holds = round % 3 * 20
      will.together = 20 + will.below(60)
      will.turns = 1...(1 + will.below(6))
      var world = ConnectionWorld(limit: 1 + will.below(5), will)
      for _ in 0..<120 { world.come(world.anyEvent()) }
      world.comeToRest()
      guard world.fault == nil else {
        Issue.record("\(seed): \(world.story)")
        return
      }
    }
  }

  private static let alphabet: [ConnectionWorld.Event] = [
    .readAsked, .arrive(requests: 1, part: false), .arrive(requests: 3, part: true), .arrive(requests: 0, part: true),
    .readCompleted, .finishOldest, .finishNewest, .release, .writability(false), .writability(true), .fed, .turn,
    .drain, .leave,
    .close,
  ]

  @Test(
    "keeps every promise in every sequence of four events, and comes to rest after each of them",
    arguments: [1, 2], [0, 50, 100])
  func everyOrder(limit: Int, late: Int) {
    var will = ConnectionWorld.Will(random: Seed(UInt64(limit * 1000 + late)))
    will.late = late
    will.starved = 50
    will.holds = 30
    will.turns = 1...1
    var fault: String?
    func visit(_ world: ConnectionWorld, _ eventsLeft: Int) {
      var rested = world
      rested.comeToRest()
      if rested.fault != nil { fault = rested.story }
      guard eventsLeft > 0, fault == nil else { return }
      for event in Self.alphabet where fault == nil {
        var next = world
        next.come(event)
        visit(next, eventsLeft - 1)
      }
    }
    visit(ConnectionWorld(limit: limit, will), 4)
    #expect(fault == nil)
  }
}
