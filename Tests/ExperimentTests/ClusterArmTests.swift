import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Mechanisms

@Suite("Arms through a cluster")
struct ClusterArmTests {
  private func read(_ lines: String) throws -> Experiment {
    try Sample.experiment {
      $0.replacing(
        "metrics: [mb_per_s, cpu_s_per_gb]",
        with: """
            - name: clustered
              role: test
              program: load produce
              ignores: [size, colour]
              options: {num-records: 10, replication-factor: 3}
          \(lines)
          metrics: [mb_per_s, cpu_s_per_gb]
          """)
    }
  }

  @Test("say how many brokers they have, and are end to end")
  func brokers() throws {
    let arm = try #require(try read("    cluster: 3").arm(named: "clustered"))
    #expect(arm.broker?.cluster == "3" && arm.needsCluster && arm.tier == .endToEnd)
    let one = try #require(try read("    cache: any").arm(named: "clustered"))
    #expect(one.broker?.cluster == nil && !one.needsCluster)
  }

  @Test(
    "cannot ask for what is done to one broker",
    arguments: [
      ("prepare", "{num-records: 10}"), ("stall_ms", "10"), ("round_trip_ms", "10"), ("memory_mib", "64"),
    ])
  func refuses(key: String, value: String) throws {
    let error = #expect(throws: DefinitionError.self) { try read("    cluster: 3\n    \(key): \(value)") }
    #expect("\(error as Any)".contains("\(key): does not go together with `cluster`"), "\(error as Any)")
  }

  @Test("of a trial are end to end, though a mechanism carries them out")
  func trials() throws {
    for trial in ClusterTrial.allCases {
      let arm = Arm(
        name: "trial", role: .test, work: .bare(Arm.Bare(mechanism: trial.description, options: [], data: nil)))
      #expect(arm.tier == .endToEnd && arm.needsCluster && arm.broker == nil)
    }
  }

  @Test("are left out where another's cluster, or another's broker, is in the place of ours")
  func elsewhere() throws {
    let trial = Arm(
      name: "trial", role: .test,
      work: .bare(Arm.Bare(mechanism: ClusterTrial.roles.description, options: [], data: nil)))
    let experiment = try read("    cluster: 3")
    #expect(experiment.obstacle(to: trial, at: Target(address: "127.0.0.1:9092", isLocal: true)) != nil)
  }
}
