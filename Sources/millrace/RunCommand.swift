import ArgumentParser
import Foundation
import Glibc
import Lab

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run experiments: rows, series, charts, report and verdicts.",
    discussion: """
      Every result gets a directory of its own, results/NN-name/UTC-commit, and none is overwritten. Ctrl-C ends after
      the run in progress is stopped and leaves a valid partial result; --resume goes on with it.
      """)

  @Argument(help: "Experiments by name, number or id.") var names: [String] = []
  @Flag(help: "All experiments.") var all = false
  @OptionGroup var places: Places
  @Option(help: "quick (minutes, never reportable), standard or full.") var profile = Profile.standard
  @Option(help: "Seed of order, payloads and intervals; none: chosen and printed.") var seed: UInt64?
  @Option(help: "Go on with this result directory.") var resume: String?
  @Option(help: "Directory for data while running, on the disk to be measured; none: results/scratch.") var scratch:
    String?
  @Flag(help: "Only bare arms: no broker is started.") var bareOnly = false
  @Option(help: "HOST:PORT of another's cluster to measure, in the place of a broker of our own.") var target: String?
  @Option(help: "Partitions of the topics made at the target.") var targetPartitions = 1
  @Option(help: "Replicas of the topics made at the target.") var targetReplicas = 1
  @Option(help: "Memory of the target's machines, such as 64GiB, to mark in the chart; known where it is this machine.")
  var targetMemory: String?
  @Option(help: "Store so much in each run, such as 50GiB: the sweep's end.") var until: String?
  @Flag(help: "Exit code 2 unless every verdict is SUPPORTED.") var strict = false

  func validate() throws {
    if let target, !Address.isList(target) { throw ValidationError("--target \(target): HOST:PORT is needed") }
    guard (1...10_000).contains(targetPartitions), (1...100).contains(targetReplicas) else {
      throw ValidationError("--target-partitions: 1 to 10000; --target-replicas: 1 to 100")
    }
    for (name, text) in [("--until", until), ("--target-memory", targetMemory)] {
      if let text, ByteSize.mebibytes(text) == nil {
        throw ValidationError("\(name) \(text): a size such as 512MiB, 50GiB or 1TiB is needed")
      }
    }
    if resume != nil, target != nil || until != nil {
      throw ValidationError("--resume goes on as it began: --target and --until cannot change")
    }
    if resume != nil, all || !names.isEmpty { throw ValidationError("--resume names its experiment itself") }
  }

  func run() throws {
    try Stop.translating {
      Interrupt.install()
      var finished: [StoredResult] = []
      for campaign in try campaigns() where !Interrupt.isRequested { finished.append(try campaign.run()) }
      try ReportCommand.write(places)
      let outcomes = finished.map(\.verdict.outcome)
      if Interrupt.isRequested || finished.contains(where: { !$0.isComplete }) { throw Exit.interrupted }
      if strict, outcomes.contains(where: { $0 != .supported }) { throw Exit.undecided }
    }
  }

  private var changes: RunChanges {
    let own = target.map { address in
      let isLocal = Target.isLocal(address)
      let memory = targetMemory.flatMap(ByteSize.mebibytes).map(Double.init)
      return Target(
        address: address, isLocal: isLocal, memoryMiB: memory ?? (isLocal ? MachineMemory.totalMiB : nil),
        partitions: targetPartitions, replicationFactor: targetReplicas)
    }
    return RunChanges(target: own, untilMiB: until.flatMap(ByteSize.mebibytes))
  }

  private func campaigns() throws -> [CampaignRun] {
    let seed = seed ?? UInt64.random(in: 1...999_999)
    if let resume { return [try CampaignRun(resuming: resume, places: places, scratch: scratch)] }
    return try places.find(names, all: all).map { path, experiment in
      try CampaignRun(
        definition: path, experiment: experiment, profile: profile, seed: seed, places: places, scratch: scratch,
        bareOnly: bareOnly, changes: changes)
    }
  }
}
