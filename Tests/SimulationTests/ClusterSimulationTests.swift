import Base
import Simulation
import Storage
import Synchronization
import TestSupport
import Testing

extension SimulationTests {
  /// Runs inside of `SimulationTests`, because planted faults are the whole process's.
  @Suite("The simulation of a cluster of three shipped brokers", .serialized)
  struct OfCluster {
    /// Runs seeds, two at once, until `isEnough` says so of an outcome.
    private static func run(
      _ seeds: Range<UInt64>, until isEnough: @escaping @Sendable (Simulation.Outcome) -> Bool = { _ in false }
    ) -> [Simulation.Outcome] {
      let state = Mutex<(outcomes: [Simulation.Outcome], isOver: Bool)>(([], false))
      Threads.run(count: seeds.count, threads: 2) { index in
        if state.withLock({ $0.isOver }) { return }
        let outcome = ClusterSimulation.run(seed: seeds.lowerBound + UInt64(index))
        let isLast = isEnough(outcome)
        state.withLock {
          $0.outcomes.append(outcome)
          if isLast { $0.isOver = true }
        }
      }
      return state.withLock { $0.outcomes }
    }

    private static func expectNothing(in outcomes: [Simulation.Outcome]) {
      for outcome in outcomes where !outcome.violations.isEmpty {
        Issue.record(
          """
          millrace simulate --cluster --seed \(outcome.seed)
          \(outcome.violations.joined(separator: "\n"))
          \(outcome.lastEvents.suffix(40).joined(separator: "\n"))
          """)
      }
    }

    @Test("gives the same hash for the same seed, whatever ran before", arguments: [1, 4] as [UInt64])
    func deterministic(seed: UInt64) {
      let first = ClusterSimulation.run(seed: seed)
      _ = ClusterSimulation.run(seed: seed + 100)
      let second = ClusterSimulation.run(seed: seed)
      #expect(first.hash == second.hash)
      #expect(first.events == second.events)
      #expect(first.counts == second.counts)
    }

    @Test("finds nothing in seeds that have run before, and does much in them")
    func fixedSeeds() {
      let outcomes = Self.run(1..<11)
      Self.expectNothing(in: outcomes)
      #expect(outcomes.reduce(0) { $0 + $1.counts.batchesAcknowledged } > 200)
      #expect(outcomes.reduce(0) { $0 + $1.counts.recordsRead } > 1_000)
      let faults = Set(outcomes.flatMap(\.counts.faults.keys))
      #expect(faults.count > 4, "\(faults.sorted())")
    }

    @Test(
      "finds a fault that is planted, within 200 seeds",
      arguments: [.raisesTheHighWatermarkTooEarly, .electsOutsideTheISR] as [PlantedFault])
    func planted(fault: PlantedFault) {
      PlantedFault.plant(fault)
      defer { PlantedFault.plant(nil) }
      let outcomes = Self.run(1..<201) { !$0.violations.isEmpty }
      #expect(outcomes.contains { !$0.violations.isEmpty }, "no seed from 1 to 200 finds \(fault)")
    }
  }
}
