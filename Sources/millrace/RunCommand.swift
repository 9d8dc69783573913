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
  @Option(help: "Leave out a part by name: ceiling-probe, generator-probe, repeats; the result says so.")
  var without: [String] = []
  @Flag(help: "Exit code 2 unless every verdict is SUPPORTED.") var strict = false

  func validate() throws {
    for name in without where CampaignRun.Part(rawValue: name) == nil {
      let parts = CampaignRun.Part.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--without \(name): the parts that can be left out are \(parts)")
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

  private func campaigns() throws -> [CampaignRun] {
    let seed = seed ?? UInt64.random(in: 1...999_999)
    let without = Set(without.compactMap(CampaignRun.Part.init(rawValue:)))
    if let resume {
      var campaign = try CampaignRun(resuming: resume, places: places, scratch: scratch)
      campaign.without = without
      return [campaign]
    }
    let found = try places.find(names, all: all)
    // The harness is validated first: where it fails, no verdict after it counts.
    let first = found.filter { $0.experiment.id == SelfValidation.Name.experiment }
    let rest = found.filter { $0.experiment.id != SelfValidation.Name.experiment }
    return try (first + rest).map { path, experiment in
      var campaign = try CampaignRun(
        definition: path, experiment: experiment, profile: profile, seed: seed, places: places, scratch: scratch,
        bareOnly: bareOnly)
      campaign.without = without
      return campaign
    }
  }
}
