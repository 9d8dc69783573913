package import Experiment
import Measure

/// Whether machine, build and rows allow a verdict, and what it may be called. Pure: values in, outcomes out.
package struct Gate: Sendable, Equatable {
  package enum Outcome: Sendable, Equatable {
    case passed
    /// The result is valid and may not be quoted as the machine's.
    case shortcoming
    /// The result shows a direction at best.
    case belowMinimum
    /// The verdict is inconclusive.
    case failed
  }

  package var name: String
  package var outcome: Outcome
  /// With the number and the limit.
  package var sentence: String
}

package enum Gates {
  /// Where each number comes from is said beside it.
  package enum Limits {
    /// Above this share of stolen CPU, differences of a few per cent are the neighbours'.
    static let stealShortcomingPercent = 1.0
    static let stealFailedPercent = 10.0
    /// Share of all cores that others used in the second before we started. (Not the load average, which still
    /// remembers the campaign before this one.)
    static let busyShortcomingPercent = 10.0
    static let busyFailedPercent = 50.0
    /// CPU time of others while measuring: neighbours, and the kernel's own threads that write pages back.
    static let othersShortcomingPercent = 15.0
    static let othersFailedPercent = 40.0
    /// An A/A difference beyond this and no effect of the usual size can be seen.
    static let noiseShortcoming = 0.10
    static let swapUsedMiB = 64.0
    /// An arm that reaches this share of what the generator does against its own null sink measures the generator.
    static let generatorShare = 0.9
  }

  /// Whether others left the machine alone in the second before it was read.
  package static func isQuiet(_ machine: Machine) -> Bool {
    machine.processor.busyPercentBefore <= Limits.busyShortcomingPercent
  }

  /// The machine against the definition's minimum and against what spoils measurements.
  package static func judge(_ machine: Machine, for experiment: Experiment) -> [Gate] {
    let busy = machine.processor.busyPercentBefore
    return [
      gate(
        "busy", busy, shortcoming: Limits.busyShortcomingPercent, failed: Limits.busyFailedPercent,
        "others used \(Figures.text(busy)) % of the CPU in the second before the start"),
      Gate(
        name: "optimized", outcome: machine.build.optimized ? .passed : .failed,
        sentence: machine.build.optimized ? "built with optimization" : "built without optimization (use -c release)"),
      Gate(
        name: "commit", outcome: machine.build.commit == nil || machine.build.dirty != false ? .shortcoming : .passed,
        sentence: commit(machine.build)),
      Gate(
        name: "virtual machine", outcome: machine.processor.virtual ? .shortcoming : .passed,
        sentence: machine.processor.virtual
          ? "a virtual machine: its disk, host caches and neighbours are out of sight" : "not a virtual machine"),
      Gate(
        name: "governor",
        outcome: machine.processor.governor.map { $0 == "performance" ? .passed : .shortcoming } ?? .passed,
        sentence: "frequency governor \(machine.processor.governor ?? "not present")"),
      Gate(
        name: "swap", outcome: machine.memory.swapUsedMiB > Limits.swapUsedMiB ? .shortcoming : .passed,
        sentence: "\(Figures.text(machine.memory.swapUsedMiB)) MiB of swap in use"),
      Gate(
        name: "huge pages", outcome: machine.memory.transparentHugePages == "always" ? .shortcoming : .passed,
        sentence: "transparent huge pages: \(machine.memory.transparentHugePages ?? "not present")"),
      Gate(
        name: "file system", outcome: machine.disk.fileSystem == "tmpfs" ? .belowMinimum : .passed,
        sentence: machine.disk.fileSystem == "tmpfs"
          ? "the data lie on tmpfs: memory is no disk" : "file system \(machine.disk.fileSystem ?? "unknown")"),
      limit(
        "CPU quota", machine.processor.quotaCores, of: Double(machine.processor.cores),
        minimum: Double(experiment.minimum.cores), unit: "cores"),
      limit(
        "memory limit", machine.memory.limitMiB.map { $0 / 1024 }, of: machine.memory.totalMiB / 1024,
        minimum: experiment.minimum.memoryGiB, unit: "GiB"),
    ] + minimum(machine, experiment.minimum)
  }

  /// The rows' own tale: what the hypervisor and others took while measuring, in the median run.
  package static func judge(_ rows: [Row]) -> [Gate] {
    var gates: [Gate] = []
    if let steal = Statistics.median(rows.compactMap { $0.metrics[.stealPercent] }) {
      gates.append(
        gate(
          "steal", steal, shortcoming: Limits.stealShortcomingPercent, failed: Limits.stealFailedPercent,
          "the hypervisor took \(Figures.text(steal)) % of the CPU time in the median run"))
    }
    if let others = Statistics.median(rows.compactMap { $0.metrics[.otherCPUPercent] }) {
      gates.append(
        gate(
          "others", others, shortcoming: Limits.othersShortcomingPercent, failed: Limits.othersFailedPercent,
          "others took \(Figures.text(others)) % of the CPU time in the median run"))
    }
    return gates
  }

  /// Why a run does not tell what it was made to tell: the machine was not ours. Nil when it was.
  package static func disturbance(_ parts: [[String: Double]]) -> String? {
    if let steal = parts.compactMap({ $0[.stealPercent] }).max(), steal > Limits.stealFailedPercent {
      return "the hypervisor took \(Figures.text(steal)) % of the CPU time"
    }
    if let others = parts.compactMap({ $0[.otherCPUPercent] }).max(), others > Limits.othersFailedPercent {
      return "others took \(Figures.text(others)) % of the CPU time"
    }
    return nil
  }

  /// Runs made again are no fault of the result, and no secret.
  static func judge(disturbed: Int, of runs: Int) -> Gate {
    Gate(
      name: "repeats", outcome: disturbed == 0 ? .passed : .shortcoming,
      sentence: disturbed == 0
        ? "no run had to be made again"
        : "\(disturbed) runs beside these \(runs) were thrown away and made again: the hypervisor or others took the CPU"
    )
  }

  private static func minimum(_ machine: Machine, _ minimum: MinimumEnvironment) -> [Gate] {
    let memoryGiB = machine.memory.totalMiB / 1024
    var gates = [
      floor("cores", Double(machine.processor.cores), Double(minimum.cores), ""),
      floor("memory", memoryGiB, minimum.memoryGiB, " GiB"),
      floor("free disk", machine.disk.freeGiB, minimum.freeDiskGiB, " GiB"),
    ]
    if minimum.memoryCgroup {
      gates.append(
        Gate(
          name: "memory cgroup", outcome: machine.memory.cgroup == nil ? .belowMinimum : .passed,
          sentence: machine.memory.cgroup.map { "memory cgroup \($0)" }
            ?? "no memory cgroup: \(machine.memory.cgroupObstacle ?? "unknown")"))
    }
    return gates
  }

  /// A cgroup's limit on ourselves: below what the experiment needs it is too little, else it is worth a word.
  private static func limit(
    _ name: String, _ limit: Double?, of all: Double, minimum: Double, unit: String
  ) -> Gate {
    guard let limit, limit < all else { return Gate(name: name, outcome: .passed, sentence: "no \(name) on ourselves") }
    return Gate(
      name: name, outcome: limit < minimum ? .belowMinimum : .shortcoming,
      sentence: "a \(name) of \(Figures.text(limit)) of \(Figures.text(all)) \(unit) holds for the harness")
  }

  private static func floor(_ name: String, _ value: Double, _ minimum: Double, _ unit: String) -> Gate {
    Gate(
      name: name, outcome: value >= minimum ? .passed : .belowMinimum,
      sentence: "\(name): \(Figures.text(value))\(unit), \(Figures.text(minimum))\(unit) needed")
  }

  private static func gate(
    _ name: String, _ value: Double, shortcoming: Double, failed: Double, _ sentence: String
  ) -> Gate {
    let outcome: Gate.Outcome = value > failed ? .failed : (value > shortcoming ? .shortcoming : .passed)
    return Gate(name: name, outcome: outcome, sentence: sentence)
  }

  private static func commit(_ build: Machine.Build) -> String {
    guard let commit = build.commit else { return "no commit is known" }
    switch build.dirty {
    case true?: return "the tree differs from commit \(commit)"
    case false?: return "commit \(commit)"
    case nil: return "commit \(commit), and git cannot say whether the tree differs"
    }
  }
}

extension Experiment {
  /// Arms that no deciding rule looks at, nor repeat one that is looked at.
  var armsWithoutWeight: Set<String> {
    let judged = Set(verdicts.filter(\.decides).flatMap { $0.test.arms + $0.baseline.arms })
    return Set(arms.filter { !judged.contains($0.name) && !judged.contains($0.repeats ?? "") }.map(\.name))
  }
}

extension Verdict.Circumstances {
  /// From what a campaign stored. An arm that was skipped makes the result informative, unless no rule that decides looks at
  /// it: then it is a shortcoming, and what the others show stands.
  package init(
    gates: [Gate], profile: Profile, skipped: [String: String], isComplete: Bool, seed: UInt64,
    experiment: Experiment? = nil, noise: NoiseHistory? = nil
  ) {
    func sentences(_ outcome: Gate.Outcome) -> [String] {
      gates.filter { $0.outcome == outcome }.map(\.sentence)
    }
    func left(_ isWanted: (String) -> Bool) -> [String] {
      skipped.sorted { $0.key < $1.key }.filter { isWanted($0.key) }
        .map { "arm \($0.key) was skipped: \($0.value)" }
    }
    let spared = experiment?.armsWithoutWeight ?? []
    self.init(
      profile: profile, failedGates: sentences(.failed),
      belowMinimum: sentences(.belowMinimum) + left { !spared.contains($0) },
      shortcomings: sentences(.shortcoming) + left { spared.contains($0) }, isComplete: isComplete, seed: seed,
      noise: noise)
  }
}
