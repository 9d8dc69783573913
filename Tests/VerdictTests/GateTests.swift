import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Verdict

@Suite("Gates")
struct GateTests {

  @Test("a fit machine passes every gate")
  func fit() throws {
    let gates = Gates.judge(Fixture.machine(), for: try Sample.experiment())
    #expect(gates.allSatisfy { $0.outcome == .passed }, "\(gates.filter { $0.outcome != .passed })")
  }

  @Test("each gate can fail")
  func eachFails() throws {
    var experiment = try Sample.experiment()
    experiment.minimum = MinimumEnvironment(cores: 2, memoryGiB: 4, freeDiskGiB: 10, memoryCgroup: true)
    let spoiled: [(String, Gate.Outcome, (inout Machine) -> Void)] = [
      ("busy", .failed, { $0.processor.busyPercentBefore = 80 }),
      ("busy", .shortcoming, { $0.processor.busyPercentBefore = 20 }),
      ("optimized", .failed, { $0.build.optimized = false }),
      ("commit", .shortcoming, { $0.build.dirty = true }),
      ("commit", .shortcoming, { $0.build.commit = nil }),
      ("virtual machine", .shortcoming, { $0.processor.virtual = true }),
      ("governor", .shortcoming, { $0.processor.governor = "powersave" }),
      ("swap", .shortcoming, { $0.memory.swapUsedMiB = 1000 }),
      ("huge pages", .shortcoming, { $0.memory.transparentHugePages = "always" }),
      ("file system", .belowMinimum, { $0.disk.fileSystem = "tmpfs" }),
      ("CPU quota", .belowMinimum, { $0.processor.quotaCores = 1 }),
      ("CPU quota", .shortcoming, { $0.processor.quotaCores = 3 }),
      ("memory limit", .belowMinimum, { $0.memory.limitMiB = 1024 }),
      ("memory limit", .shortcoming, { $0.memory.limitMiB = 8192 }),
      ("cores", .belowMinimum, { $0.processor.cores = 1 }),
      ("memory", .belowMinimum, { $0.memory.totalMiB = 1000 }),
      ("free disk", .belowMinimum, { $0.disk.freeGiB = 1 }),
      ("memory cgroup", .belowMinimum, { $0.memory.cgroup = nil }),
    ]
    for (name, outcome, change) in spoiled {
      let gates = Gates.judge(Fixture.machine(change), for: experiment)
      #expect(gates.first { $0.name == name }?.outcome == outcome, "\(name)")
    }
  }

  @Test("CPU that the hypervisor or others took fails the gates of the rows")
  func takenCPU() {
    func rows(_ percent: Double, _ metric: String = "steal_percent") -> [Row] {
      (0..<5).map {
        Row(
          order: $0, replicate: 1, arm: "new", tier: .bare, role: .test, startedAt: "",
          metrics: [metric: percent])
      }
    }
    #expect(Gates.judge(rows(0.2)).map(\.outcome) == [.passed])
    #expect(Gates.judge(rows(3)).map(\.outcome) == [.shortcoming])
    #expect(Gates.judge(rows(20)).map(\.outcome) == [.failed])
    #expect(Gates.judge(rows(20, "other_cpu_percent")).map(\.outcome) == [.shortcoming])
    #expect(Gates.judge(rows(60, "other_cpu_percent")).map(\.outcome) == [.failed])
  }

  @Test("a failed gate makes the verdict inconclusive, a shortcoming keeps it from being reportable")
  func consequence() {
    let failed = Verdict.Circumstances(
      gates: [Gate(name: "load", outcome: .failed, sentence: "busy")], profile: .standard, skipped: [:],
      isComplete: true, seed: 1)
    #expect(failed.failedGates == ["busy"])
    let shortcoming = Verdict.Circumstances(
      gates: [Gate(name: "swap", outcome: .shortcoming, sentence: "swapping")], profile: .standard,
      skipped: ["a": "no root"], isComplete: true, seed: 1)
    #expect(shortcoming.shortcomings == ["swapping"])
    #expect(shortcoming.belowMinimum == ["arm a was skipped: no root"])
  }

}
