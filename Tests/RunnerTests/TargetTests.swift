import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Runner
@testable import Verdict

@Suite("Target")
struct TargetTests {
  private let here = Target(address: "127.0.0.1:9092", isLocal: true, memoryMiB: 8192)
  private let there = Target(address: "kafka.example:9092", isLocal: false)

  private func volume(_ changes: RunChanges) throws -> Experiment {
    try Synthetic.experiment("06-throughput-over-volume").under(.standard).changed(by: changes)
  }

  @Test("addresses of this machine are local, others are not, nor is a list with another's")
  func addresses() {
    for address in ["127.0.0.1:9092", "localhost:9092", "[::1]:9092"] where address != "[::1]:9092" || hasIPv6 {
      #expect(Target.isLocal(address), "\(address)")
    }
    #expect(!Target.isLocal("192.0.2.1:9092") && !Target.isLocal("127.0.0.1:9092,192.0.2.1:9092"))
    #expect(!Target.isLocal(""))
  }

  private var hasIPv6: Bool { SmallFile.read("/proc/net/if_inet6")?.contains("lo") ?? false }

  @Test("at a target the broker's own switches cannot be flipped, and that arm says so")
  func switches() throws {
    let experiment = try volume(RunChanges(target: here))
    func obstacle(_ name: String) throws -> String? {
      let arm = try #require(experiment.arm(named: name))
      return experiment.obstacle(to: arm, at: here)
    }
    for name in ["twin", "twin-again", "broker", "raw-append"] {
      let found = try obstacle(name)
      #expect(found == nil, "\(name)")
    }
    #expect(try obstacle("twin-retention")?.contains("settings") == true)
    #expect(experiment.arms.allSatisfy { $0.memory == nil } && !experiment.minimum.memoryCgroup)
    #expect(experiment.fixed.first { $0.name == "memory_mib" }?.value == "8192")
  }

  @Test("a bare append here is no control of another machine's disk, and a memory nobody told is not marked")
  func remoteTarget() throws {
    let experiment = try volume(RunChanges(target: there))
    let append = try #require(experiment.arm(named: "raw-append"))
    #expect(experiment.obstacle(to: append, at: there)?.contains("another machine") == true)
    #expect(experiment.charts[0].references.allSatisfy { $0.label != "memory" })
    #expect(experiment.caveats.contains { $0.contains("kafka.example:9092") })
    for arm in ["broker", "twin"] {
      let run = PlannedRun(order: 0, replicate: 1, cell: Cell(arm: arm, levels: [], factors: []))
      #expect(Plan(experiment, runs: [run]).diskBytes == 0, "\(arm)")
      #expect(Plan(try volume(RunChanges(target: here)), runs: [run]).diskBytes > 4e9, "\(arm)")
    }
  }

  @Test("an end to the volume makes windows up to it that double as before, and the bytes and records to fill them")
  func until() throws {
    let experiment = try volume(RunChanges(untilMiB: 51_200))
    let sweep = try #require(experiment.sweep)
    #expect(sweep.levels.compactMap(\.number) == [4096, 8192, 16_384, 51_200])
    #expect(experiment.fixed.first { $0.name == "total_bytes" }?.value.number == 53_687_091_200)
    #expect(experiment.fixed.first { $0.name == "num_records" }?.value.number == 53_687_091)
    #expect(throws: RunChangesError.self) { try volume(RunChanges(untilMiB: 7)) }
  }

  @Test("a small end begins its windows earlier, with steps that fit into them")
  func smallEnd() throws {
    let experiment = try volume(RunChanges(untilMiB: 32))
    func fixed(_ name: String) -> Double? { experiment.fixed.first { $0.name == name }?.value.number }
    #expect(experiment.sweep?.levels.compactMap(\.number) == [8, 16, 32])
    #expect(fixed("skip_mib") == 4 && fixed("step_bytes") == 1_048_576)
  }

  @Test("windows that do not double become as many equal ones")
  func equalWindows() throws {
    var experiment = try Synthetic.experiment("06-throughput-over-volume")
    experiment.sweep = Factor(name: "stored_mib", levels: ["512", "1024", "1536"])
    let levels = try experiment.changed(by: RunChanges(untilMiB: 51_200)).sweep?.levels.compactMap(\.number)
    #expect(levels == (1...8).map { 6400 * Double($0) })
  }

  @Test("an experiment without a volume, or whose arms flip switches only, says why it cannot be so changed")
  func refusals() throws {
    let compression = try Synthetic.experiment("11-zero-copy")
    #expect { try compression.changed(by: RunChanges(untilMiB: 1024)) } throws: { "\($0)".contains("no volume") }
    #expect { try compression.changed(by: RunChanges(target: here)) } throws: {
      "\($0)".contains("can be aimed at another's cluster")
    }
  }

  @Test("a stored result is read back under the changes it ran with")
  func stored() throws {
    let scratch = try ScratchDirectory("target")
    let changes = RunChanges(target: here, untilMiB: 64)
    let stem = "06-throughput-over-volume"
    let definition = try String(contentsOfFile: "\(Synthetic.root)/experiments/\(stem).yaml", encoding: .utf8)
    let experiment = try Synthetic.experiment(stem).under(.quick).changed(by: changes)
    let begin = JournalEntry.Begin(
      experiment: experiment.name, definition: Fingerprint.of(definition), profile: "quick", seed: 7, runs: 1,
      startedAt: "2026-01-01T00:00:00Z", changes: changes)
    let path = "\(scratch.path)/result"
    _ = try ResultDirectory(
      creating: path, experiment: experiment, definition: definition, begin: begin,
      machineJSON: try Synthetic.machine.json())
    let read = try StoredResult(reading: path)
    #expect(read.experiment.target == here && read.experiment.sweep?.levels.last == "64")
  }
}
