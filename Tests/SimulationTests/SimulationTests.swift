import Simulation
import Testing

@Suite("The simulation of the shipped broker")
struct SimulationTests {
  @Test("gives the same hash for the same seed")
  func deterministic() {
    #expect(Simulation.run(seed: 1).hash == Simulation.run(seed: 1).hash)
  }
}
