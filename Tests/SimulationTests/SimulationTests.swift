import Base
import Simulation
import Storage
import Synchronization
import TestSupport
import Testing

/// One test after the other: planted faults are the whole process's.
@Suite("The simulation of the shipped broker", .serialized)
struct SimulationTests {
  /// Runs seeds, two at once, until `isEnough` says so of an outcome.
  static func run(
    _ seeds: Range<UInt64>,
    by simulate: @escaping @Sendable (UInt64) -> Simulation.Outcome = { Simulation.run(seed: $0) },
    until isEnough: @escaping @Sendable (Simulation.Outcome) -> Bool = { _ in false }
  ) -> [Simulation.Outcome] {
    let state = Mutex<(outcomes: [Simulation.Outcome], isOver: Bool)>(([], false))
    Threads.run(count: seeds.count, threads: 2) { index in
      if state.withLock({ $0.isOver }) { return }
      let outcome = simulate(seeds.lowerBound + UInt64(index))
      let isLast = isEnough(outcome)
      state.withLock {
        $0.outcomes.append(outcome)
        if isLast { $0.isOver = true }
      }
    }
    return state.withLock { $0.outcomes }
  }

  /// - Parameter command: what replays a seed.
  static func expectNothing(in outcomes: [Simulation.Outcome], command: String = "millrace simulate") {
    for outcome in outcomes where !outcome.violations.isEmpty {
      Issue.record(
        """
        \(command) --seed \(outcome.seed)
        \(outcome.violations.joined(separator: "\n"))
        \(outcome.lastEvents.suffix(40).joined(separator: "\n"))
        """)
    }
  }

  @Test("gives the same hash for the same seed, whatever ran before", arguments: [1, 4, 7, 30] as [UInt64])
  func deterministic(seed: UInt64) {
    let first = Simulation.run(seed: seed)
    _ = Simulation.run(seed: seed + 100)
    let second = Simulation.run(seed: seed)
    #expect(first.hash == second.hash)
    #expect(first.events == second.events)
    #expect(first.counts == second.counts)
  }

  @Test("finds nothing in seeds that have run before, and does much in them")
  func fixedSeeds() {
    let outcomes = Self.run(1..<21)
    Self.expectNothing(in: outcomes)
    #expect(outcomes.reduce(0) { $0 + $1.counts.batchesAcknowledged } > 1_000)
    #expect(outcomes.reduce(0) { $0 + $1.counts.recordsRead } > 10_000)
    #expect(outcomes.reduce(0) { $0 + $1.counts.adminChanges } > 100)
    #expect(outcomes.reduce(0) { $0 + $1.counts.assignments } > 50)
    #expect(outcomes.reduce(0) { $0 + $1.counts.offsetCommits } > 200)
    #expect(outcomes.reduce(0) { $0 + $1.counts.transactions } > 500)
    #expect(outcomes.reduce(0) { $0 + $1.counts.strangers } > 500)
    let faults = Set(outcomes.flatMap(\.counts.faults.keys))
    #expect(faults.count > 8, "\(faults.sorted())")
  }

  /// A seed that found a fault of the shipped code, and what it was.
  @Test("seed 3: a power failure does not take a log directory that the start made, with all that is in it")
  func newDirectory() { Self.expectNothing(in: [Simulation.run(seed: 3)]) }

  @Test("finds nothing in seeds that nobody has run")
  func freshSeeds() {
    let first = Seed.fresh.value
    Self.expectNothing(in: Self.run(first..<first + 20))
  }

  @Test("seed 434: a fetch that waits for more than its segment has is answered when the log goes on in the next one")
  func segmentEnd() { Self.expectNothing(in: [Simulation.run(seed: 434)]) }

  @Test("seed 788: a connection that the node has not accepted when it stops is broken")
  func unacceptedConnection() { Self.expectNothing(in: [Simulation.run(seed: 788)]) }

  @Test("seed 961: a group begins again where a power failure has taken what it had read")
  func lostRecordsOfGroup() { Self.expectNothing(in: [Simulation.run(seed: 961)]) }

  @Test("seed 940836541: a transactional produce that waits for its coordinator at a stop may be sent again")
  func transactionalProduceAtStop() { Self.expectNothing(in: [Simulation.run(seed: 940_836_541)]) }

  @Test("seed 3090942903: a clock that is set right ends a transaction that began before it had jumped back")
  func clockSetRight() { Self.expectNothing(in: [Simulation.run(seed: 3_090_942_903)]) }

  /// A checker that cannot fail finds nothing: each of these faults of the shipped code is found. For those that few seeds find, the
  /// run begins shortly before the first that does, because the ones before hold and take time.
  @Test(
    "finds a fault that is planted, within 200 seeds",
    arguments: PlantedFault.allCases.filter { !$0.needsReplicas && !$0.isForFuzzers })
  func planted(fault: PlantedFault) {
    PlantedFault.plant(fault)
    defer { PlantedFault.plant(nil) }
    let first = Self.firstSeed(finding: fault)
    let outcomes = Self.run(first..<201, until: { !$0.violations.isEmpty })
    #expect(outcomes.contains { !$0.violations.isEmpty }, "no seed from \(first) to 200 finds \(fault)")
  }

  private static func firstSeed(finding fault: PlantedFault) -> UInt64 {
    switch fault {
    case .forgetsDirectorySync: 56
    case .cleansAboveTheStableOffset: 104
    default: 1
    }
  }

  @Test(
    "a cleaner that passes the last stable offset is found, by a transaction that aborts", arguments: [false, true])
  func cleanerAndTransactions(isPlanted: Bool) throws {
    PlantedFault.plant(isPlanted ? .cleansAboveTheStableOffset : nil)
    defer { PlantedFault.plant(nil) }
    let log = try CleanedLog()
    defer { log.remove() }
    try log.append("committed", producer: -1)
    try log.append("open", producer: 7)
    try log.clean()
    try log.abort(7)
    #expect(
      try log.values() == (isPlanted ? ["open"] : ["committed", "open"]), "what the transaction replaced was committed")
  }
}
