import Base
import Simulation
import TestSupport
import Testing

extension SimulationTests {
  /// Runs inside of `SimulationTests`, because planted faults are the whole process's.
  @Suite("The simulation of a cluster of three shipped brokers", .serialized)
  struct OfCluster {
    private static let simulate: @Sendable (UInt64) -> Simulation.Outcome = { ClusterSimulation.run(seed: $0) }

    private static func expectNothing(in outcomes: [Simulation.Outcome]) {
      SimulationTests.expectNothing(in: outcomes, command: "millrace simulate --cluster")
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
      let outcomes = SimulationTests.run(1..<21, by: Self.simulate)
      Self.expectNothing(in: outcomes)
      #expect(outcomes.reduce(0) { $0 + $1.counts.batchesAcknowledged } > 500)
      #expect(outcomes.reduce(0) { $0 + $1.counts.recordsRead } > 5_000)
      #expect(outcomes.reduce(0) { $0 + $1.counts.assignments } > 20)
      #expect(outcomes.reduce(0) { $0 + $1.counts.offsetCommits } > 50)
      #expect(outcomes.reduce(0) { $0 + $1.counts.transactions } > 50)
      let faults = Set(outcomes.flatMap(\.counts.faults.keys))
      #expect(faults.count > 6, "\(faults.sorted())")
    }

    @Test("finds nothing in seeds that nobody has run")
    func freshSeeds() {
      let first = Seed.fresh.value
      Self.expectNothing(in: SimulationTests.run(first..<first + 10, by: Self.simulate))
    }

    /// Seeds that found a fault of the shipped code.
    @Test(
      "seeds 15 and 53: a broker that has lost power, and is back before there is a controller, leaves the ISR",
      arguments: [15, 53] as [UInt64])
    func restartUnseen(seed: UInt64) { Self.expectNothing(in: [ClusterSimulation.run(seed: seed)]) }

    @Test("seed 113: a follower that lacks nothing stays in the ISR, though it does not reach its leader")
    func idlePartition() { Self.expectNothing(in: [ClusterSimulation.run(seed: 113)]) }

    @Test("seed 5159: a coordinator that is cut off, and has been succeeded, does not tell old committed offsets")
    func oldOffsets() { Self.expectNothing(in: [ClusterSimulation.run(seed: 5159)]) }

    @Test("seed 5219: a coordinator that has been succeeded does not fence a producer whose epoch it does not know yet")
    func laterEpoch() { Self.expectNothing(in: [ClusterSimulation.run(seed: 5219)]) }

    @Test(
      "seeds 7213 and 7282: who has restarted serves nobody before it is told who leads, and who follows says so",
      arguments: [7213, 7282])
    func restartedReplica(seed: UInt64) { Self.expectNothing(in: [ClusterSimulation.run(seed: seed)]) }

    @Test("seed 722399454: a topic that is being made holds up no change of the in-sync replicas")
    func unreachableBroker() { Self.expectNothing(in: [ClusterSimulation.run(seed: 722_399_454)]) }

    @Test("seed 4112896345: a slow member that has much left to read is no group that cannot settle")
    func slowMember() { Self.expectNothing(in: [ClusterSimulation.run(seed: 4_112_896_345)]) }

    @Test("seed 482955608: a coordinator that has been succeeded may not know what was added to a transaction")
    func deposedCoordinator() { Self.expectNothing(in: [ClusterSimulation.run(seed: 482_955_608)]) }

    /// The first seed that finds each fault that is planted: the run begins with it, because the ones before hold and take time.
    private static let firstSeeds: [(fault: PlantedFault, seed: UInt64)] = [
      (.raisesTheHighWatermarkTooEarly, 18), (.electsOutsideTheISR, 15), (.writesAsAStaleController, 4),
      (.forgetsEpochsWhenFetching, 22), (.appendsWithAGap, 1), (.acknowledgesBeforeTheISRHasIt, 22),
      (.keepsWhatItHasCoordinated, 18), (.writesMarkersTwice, 4), (.keepsLaggingReplicas, 94),
      (.truncatesToTheHighWatermark, 5), (.letsTheISRGrowTooEarly, 12), (.trustsBrokersThatWereAway, 19),
    ]

    @Test("finds a fault that is planted, within 200 seeds", arguments: firstSeeds.map(\.fault))
    func planted(fault: PlantedFault) {
      PlantedFault.plant(fault)
      defer { PlantedFault.plant(nil) }
      let first = Self.firstSeeds.first { $0.fault == fault }?.seed ?? 1
      let outcomes = SimulationTests.run(first..<201, by: Self.simulate) { !$0.violations.isEmpty }
      #expect(outcomes.contains { !$0.violations.isEmpty }, "no seed from \(first) to 200 finds \(fault)")
    }
  }
}
