import ArgumentParser
import Lab
import Model

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "What a run would do: cells, order, bytes, minutes, disk. Runs nothing.")

  @Argument(help: "Experiments by name, number or id; none: all.") var names: [String] = []
  @OptionGroup var places: Places
  @Option(help: "quick, standard or full.") var profile = Profile.standard
  @Option(help: "Seed of the order.") var seed: UInt64 = 1
  @Flag(help: "Print the order of all runs.") var order = false

  func run() throws {
    try Stop.translating {
      var seconds = 0.0
      var refused = false
      for (_, definition) in try places.find(names, all: true) {
        let experiment = definition.under(profile)
        let campaign = PlannedCampaign(experiment, seed: seed)
        let plan = campaign.plan
        seconds += plan.seconds
        Terminal.say(
          "\(Terminal.paint(experiment.stem, .bold)): \(campaign.matrix.cells.count) cells × \(experiment.replicates) "
            + "replicates = \(plan.runs.count) runs, about \(Duration(plan.seconds)), "
            + "\(Figures.text(plan.bytes / 1e9)) GB moved, \(Figures.text(plan.diskBytes / 1e9)) GB of disk")
        for arm in experiment.arms {
          let cells = campaign.matrix.cells.count { $0.arm == arm.name }
          Terminal.say(
            "  \(Terminal.pad(arm.name, 26)) \(Terminal.pad(arm.role.rawValue, 9)) \(cells) cells, \(arm.program.rawValue)"
          )
        }
        if let adaptive = experiment.adaptive {
          let most = plan.seconds * Double(adaptive.max) / Double(max(experiment.replicates, 1))
          Terminal.say(
            "  goes on until intervals are within ± \(Figures.percent(adaptive.width)): up to \(adaptive.max) replicates, "
              + "about \(Duration(min(most, adaptive.minutes * 60)))")
        }
        for rule in experiment.verdicts { Terminal.say("  judged: \(rule.meaning)") }
        if order { for run in plan.runs { Terminal.say("  \(run.order) \(run.cell) #\(run.replicate)") } }
        if let refusal = plan.refusal(freeBytes: FreeSpace.bytes(at: ".")) {
          refused = true
          Terminal.complain("\(experiment.stem) \(refusal)")
        }
      }
      Terminal.say("in all about \(Duration(seconds))")
      if refused { throw Exit.diskFull }
    }
  }
}

/// Matrix, order and costs for one seed.
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

/// Seconds as a person says them.
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
