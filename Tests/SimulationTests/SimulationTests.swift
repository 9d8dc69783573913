import Base
import Simulation
import TestSupport
import Testing

/// One run after the other: planted faults are the whole process's.
@Suite("The simulation of the shipped broker", .serialized)
struct SimulationTests {
  @Test("gives the same hash for the same seed, whatever ran before", arguments: [1, 7] as [UInt64])
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
    var batches = 0, records = 0, changes = 0
    var faults: Set<String> = []
    for seed in UInt64(1)...20 {
      let outcome = Simulation.run(seed: seed)
      #expect(outcome.violations.isEmpty, "millrace simulate --seed \(seed)")
      batches += outcome.counts.batchesAcknowledged
      records += outcome.counts.recordsRead
      changes += outcome.counts.adminChanges
      faults.formUnion(outcome.counts.faults.keys)
    }
    #expect(batches > 1_000)
    #expect(records > 10_000)
    #expect(changes > 100)
    #expect(faults.count > 8, "\(faults.sorted())")
  }

  @Test("finds nothing in seeds that nobody has run")
  func freshSeeds() {
    let first = Seed.fresh.value
    for seed in first..<first + 20 {
      let outcome = Simulation.run(seed: seed)
      #expect(
        outcome.violations.isEmpty,
        "millrace simulate --seed \(seed): \(outcome.lastEvents.suffix(40).joined(separator: "\n"))")
    }
  }

  /// A checker that cannot fail finds nothing: each of these faults of the shipped code is found.
  @Test("finds a fault that is planted, within 200 seeds", arguments: PlantedFault.allCases)
  func planted(fault: PlantedFault) {
    PlantedFault.plant(fault)
    defer { PlantedFault.plant(nil) }
    let found = (UInt64(1)...200).first { !Simulation.run(seed: $0).violations.isEmpty }
    #expect(found != nil, "no seed up to 200 finds \(fault)")
  }
}
