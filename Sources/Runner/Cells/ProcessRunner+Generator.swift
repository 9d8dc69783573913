import Experiment
import Load

/// What the load generator itself can do, told by its null sink before a campaign: an arm that comes near it measures the
/// generator.
extension ProcessRunner {
  private enum Probe {
    static let seconds = 0.4
    /// Arms with settings of their own that are probed; the rest go without.
    static let armsMax = 4
  }

  /// By arm, records a second against the null sink: of arms that send as fast as they can and are judged by their rate.
  package func generatorCapacity() throws(RunError) -> [String: Double] {
    guard experiment.metrics.contains("records_per_s") else { return [:] }
    var found: [String: Double] = [:]
    let cells = Matrix(experiment).cells
    for arm in experiment.arms
    where arm.program == .load(.produce) && arm.client == .drives && found.count < Probe.armsMax {
      guard let cell = cells.first(where: { $0.arm == arm.name }) else { continue }
      let run = PlannedRun(order: 0, replicate: 1, cell: cell)
      let values = RunValues(run, of: experiment, adding: ["seed": Level(String(seed)), "directory": Level(scratch)])
      let options = values.filled(arm.options)
      guard let arguments = Self.sinkArguments(options) else { continue }
      let scene = Scene(
        run: run, arm: arm, values: values, directory: scratch, group: nil, timeout: Plan.Limits.timeoutSeconds,
        network: nil)
      let figures = try finish(programs.load, arguments, scene, "null-sink").figures
      if let rate = figures["records_per_s"], rate > 0 { found[arm.name] = rate }
    }
    return found
  }

  /// The arm's own settings, to the null sink for a moment; nil for an arm that keeps a pace, or has a sink already.
  static func sinkArguments(_ options: [Setting]) -> [String]? {
    let isPaced = options.contains { $0.name == "throughput" && ($0.value.number ?? -1) > 0 }
    let isSunk = options.contains { $0.name == "null-sink" && $0.value == "true" }
    guard !isPaced, !isSunk else { return nil }
    let ends = ["num-records", "duration", "idempotent", "null-sink", "intervals-csv", "replication-factor"]
    let kept = options.filter { option in
      !ends.contains(option.name) && LoadPlan.setting(named: option.name)?.commands.contains(.produce) == true
    }
    return ["produce", "--null-sink", "--duration", "\(Probe.seconds)", "--json", "--quiet"] + arguments(kept)
  }
}
