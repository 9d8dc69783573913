import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Runner

@Suite("What a run is asked and told")
struct ProcessRunnerTests {
  @Test("a fault that a rule judges is left to it, and no other is")
  func judged() throws {
    let figures = try #require(ReportedFigures(output: "{\"reordered\": 2, \"lost\": 1}"))
    var check = Reconciliation()
    check.integrity(figures, except: ["reordered"])
    #expect(check.faults == ["1 records lost"])
  }

  @Test("an arm that asks for replicas needs a cluster, by name, unless it runs at one")
  func replicas() throws {
    let scratch = try ScratchDirectory("replicas")
    var arm = Fixture.arm("rf3", .test, program: .load(.produce))
    arm.options = [Setting(name: "replication-factor", value: "3")]
    func obstacle(_ target: Target?) throws -> String? {
      var experiment = Fixture.pair([])
      experiment.arms = [arm]
      experiment.target = target
      let programs = ProcessRunner.Programs(millrace: "/bin/true", broker: "/bin/true", load: "/bin/true")
      return try ProcessRunner(
        experiment: experiment, programs: programs, scratch: scratch.path, seed: 1, device: nil,
        stopRequested: { false }
      ).obstacle(to: arm)
    }
    #expect(try obstacle(nil)?.hasPrefix("needs a cluster: 3 replicas") == true)
    #expect(try obstacle(Target(address: "127.0.0.1:9092", isLocal: true)) == nil)
    arm.options[0].value = "1"
    #expect(try obstacle(nil) == nil)
  }

  @Test("how many can work at once is the least of partitions, connections and cores")
  func workers() throws {
    func workers(_ json: String, cores: Int) throws -> Double? {
      ProcessRunner.workers(try #require(ReportedFigures(output: json)), cores: cores)
    }
    #expect(try workers("{\"partitions\": 1, \"connections\": 16, \"fan_out\": 1}", cores: 8) == 1)
    #expect(try workers("{\"partitions\": 64, \"connections\": 4}", cores: 8) == 4)
    #expect(try workers("{\"partitions\": 64, \"connections\": 16}", cores: 2) == 2)
    #expect(try workers("{\"partitions\": 1, \"connections\": 1, \"fan_out\": 3}", cores: 8) == 3)
    #expect(try workers("{\"bytes\": 1}", cores: 8) == nil)
  }

  @Test("the generator's self-test runs with the arm's own settings, but those that end or pace it")
  func sinkArguments() {
    func arguments(_ settings: [(String, String)]) -> [String]? {
      ProcessRunner.sinkArguments(settings.map { Setting(name: $0.0, value: Level($0.1)) })
    }
    let plain = arguments([("record-size", "100"), ("num-records", "5"), ("acks", "all"), ("fetch-max-bytes", "9")])
    #expect(plain?.contains("--record-size") == true && plain?.contains("--acks") == true)
    #expect(plain?.contains("--num-records") == false, "it ends by time")
    #expect(plain?.contains("--fetch-max-bytes") == false, "that is a consumer's")
    #expect(arguments([("throughput", "1000")]) == nil, "a paced arm says nothing of a generator's end")
    #expect(arguments([("null-sink", "true")]) == nil)
  }
}
