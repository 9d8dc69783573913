import ArgumentParser
import Base
import Experiment
import Foundation
import Runner

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Show what a run would do: cells, order, bytes, minutes, disk. Runs nothing.",
    discussion: """
      Exit code 73 when a campaign would take more than 80 % of the free disk, 65 when a definition is wrong.

      EXAMPLES
        millrace plan
        millrace plan zero-copy compression --profile quick --order
        millrace plan throughput-over-volume --until 50GiB
        millrace plan versus --broker kafka=/opt/kafka --broker millrace
        millrace plan soak --hours 8
        millrace plan mine/group-commit.yaml
        millrace plan --json
      """)

  @Argument(help: "Experiments by name, number, id or path; default: those of `run --all`.") var names: [String] = []
  @OptionGroup var places: Places
  @Option(help: "quick, standard or full.") var profile = Profile.standard
  @Option(help: "Seed of the order.") var seed: UInt64 = 1
  @Option(help: "The size at which the sweep of each run ends, such as 50GiB.") var until: String?
  @OptionGroup var brokers: BrokerOptions
  @Option(help: "How long each run of an experiment over time lasts, such as 8 or 0.5.") var hours: Double?
  @Flag(help: "Print the order of all runs.") var order = false

  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    try ByteSize.check(until, of: "--until")
    try RunHours.check(hours)
  }

  private func changes() throws -> RunChanges {
    RunChanges(
      untilMiB: until.flatMap(ByteSize.mebibytes), brokers: try brokers.installed(places), hours: hours)
  }

  func run() throws {
    try Stop.translating {
      var seconds = 0.0
      var refused = false
      var documents: [[String: Any]] = []
      let changes = try changes()
      for (path, definition) in try places.findToRun(names, all: true, profile) {
        let experiment = try definition.planned(path, profile, changes)
        let campaign = PlannedCampaign(experiment, seed: seed)
        let plan = campaign.plan
        seconds += plan.seconds
        Terminal.say(
          "\(Terminal.paint(experiment.stem, .bold)): \(campaign.matrix.cells.count) cells × \(experiment.replicates) "
            + "replicates = \(plan.runs.count) runs, about \(Duration(plan.seconds)), "
            + "\(Figures.text(plan.bytes / 1e9)) GB moved, \(Figures.text(plan.diskBytes / 1e9)) GB of disk")
        for line in experiment.brokerLines { Terminal.say("  \(line)") }
        for arm in experiment.arms {
          let cells = campaign.matrix.cells.count { $0.arm == arm.name }
          Terminal.say(
            "  \(Terminal.pad(arm.name, 26)) \(Terminal.pad(arm.role.rawValue, 9)) \(cells) cells, \(arm.program.name)"
          )
        }
        if let adaptive = experiment.adaptive {
          let most = plan.seconds * Double(adaptive.max) / Double(max(experiment.replicates, 1))
          Terminal.say(
            "  continues until intervals are within ± \(Figures.percent(adaptive.width)): up to \(adaptive.max) replicates, "
              + "about \(Duration(min(most, adaptive.minutes * 60)))")
        }
        for rule in experiment.verdicts { Terminal.say("  judged: \(rule.meaning)") }
        if order { for run in plan.runs { Terminal.say("  \(run.order) \(run.cell) #\(run.replicate)") } }
        let refusal = plan.refusal(freeBytes: FreeSpace.bytes(at: "."))
        if json { documents.append(object(experiment, campaign, refusal)) }
        if let refusal {
          refused = true
          Terminal.complain("\(experiment.stem) \(refusal)")
        }
      }
      Terminal.say("in all about \(Duration(seconds))")
      if json { try Terminal.answer(JSONText.of(documents)) }
      if refused { throw Exit.diskFull }
    }
  }
}

extension PlanCommand {
  private func object(_ experiment: Experiment, _ campaign: PlannedCampaign, _ refusal: String?) -> [String: Any] {
    [
      "experiment": experiment.name, "profile": profile.rawValue, "cells": campaign.matrix.cells.count,
      "replicates": experiment.replicates, "runs": campaign.plan.runs.count, "seconds": campaign.plan.seconds,
      "bytes": campaign.plan.bytes, "disk_bytes": campaign.plan.diskBytes,
      "brokers": experiment.brokers.map(\.level.text), "refusal": refusal.map { $0 as Any } ?? NSNull(),
      "rules": experiment.verdicts.map(\.meaning),
      "arms": experiment.arms.map { arm in
        [
          "name": arm.name, "role": arm.role.rawValue, "program": arm.program.name,
          "cells": campaign.matrix.cells.count { $0.arm == arm.name },
        ] as [String: Any]
      },
    ]
  }
}

/// Holds matrix, order and costs of a campaign for one seed.
struct PlannedCampaign {
  let matrix: Matrix
  let runs: [PlannedRun]
  let plan: Plan

  init(_ experiment: Experiment, seed: UInt64) {
    matrix = Matrix(experiment)
    var generator = SplitMix(seed: seed)
    runs = matrix.order(using: &generator)
    plan = Plan(experiment, runs: runs)
  }
}

/// Formats seconds for people.
struct Duration: CustomStringConvertible {
  let seconds: Double
  init(_ seconds: Double) { self.seconds = seconds }

  var description: String {
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
  }
}

extension Profile: ExpressibleByArgument {}
