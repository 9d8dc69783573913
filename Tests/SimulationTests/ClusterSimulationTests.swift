import Base
import Simulation
import Testing

extension SimulationTests {
  /// Runs inside of `SimulationTests`, because planted faults are the whole process's.
  @Suite("The simulation of a cluster of three shipped brokers", .serialized)
  struct OfCluster {
    private static let simulate: @Sendable (UInt64) -> Simulation.Outcome = { ClusterSimulation.run(seed: $0) }

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
      let outcomes = SimulationTests.run(1..<11, by: Self.simulate)
      SimulationTests.expectNothing(in: outcomes, command: "millrace simulate --cluster")
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
      let outcomes = SimulationTests.run(1..<201, by: Self.simulate) { !$0.violations.isEmpty }
      #expect(outcomes.contains { !$0.violations.isEmpty }, "no seed from 1 to 200 finds \(fault)")
    }
  }
}
