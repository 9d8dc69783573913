import ArgumentParser
import Measure
import Mechanisms
import Testing

@testable import Trials

@Suite("Trials of a cluster")
struct TrialListTests {
  @Test("Every trial that definitions may name is a command, and every command may be named")
  func names() {
    let commands = TrialList.all.map { $0.configuration.commandName ?? "" }
    #expect(commands.sorted() == ClusterTrial.allCases.map(\.rawValue).sorted())
    #expect(ClusterTrial.allCases.allSatisfy { $0.description.needsCluster })
  }
}
