import Base
import Experiment
import Foundation
import Glibc
import Mechanisms
import Report
import Results
import Runner
import Verdict

/// Runs one campaign from the command line: its directory, its progress on the terminal, and the results from its rows.
struct CampaignRun {
  let experiment: Experiment
  let definition: String
  let profile: Profile
  let seed: UInt64
  let places: Places
  let scratch: String
  /// The result directory to continue; nil for a new result.
  let resumed: String?
  let runs: [PlannedRun]
  let plan: Plan
  let changes: RunChanges
  let bareOnly: Bool
  /// The parts of a campaign to leave out.
  var without: Set<Part> = []

  /// Names the parts that `--without` can leave out.
  enum Part: String, CaseIterable {
    case ceilingProbe = "ceiling-probe"
    case generatorProbe = "generator-probe"
    /// Repeating a run that the hypervisor or other programs disturbed, after waiting for a quiet machine.
    case repeats
  }

  init(
    definition path: String, experiment: Experiment, profile: Profile, seed: UInt64, places: Places, scratch: String?,
    bareOnly: Bool, changes: RunChanges = RunChanges()
  ) throws {
    guard let text = SmallFile.read(path) else { throw Stop(Exit.badData, "\(path) cannot be read") }
    let changed = try experiment.planned(path, profile, changes)
    self.init(changed, text, profile, seed, places, scratch, resumed: nil, bareOnly: bareOnly, changes)
  }

  init(resuming path: String, places: Places, scratch: String?) throws {
    let result: StoredResult
    do {
      result = try StoredResult(reading: path)
    } catch {
      throw Stop(Exit.badData, "\(error)")
    }
    guard !result.isComplete else { throw Stop(Exit.badData, "\(path) is complete: nothing to resume") }
    for broker in result.experiment.brokers where broker != .own { try broker.stillInstalled() }
    let places = try places.around(result)
    let text = SmallFile.read("\(path)/\(ResultDirectory.Name.definition)") ?? ""
    self.init(
      result.experiment, text, result.profile, result.seed, places, scratch, resumed: path,
      bareOnly: result.isBareOnly, RunChanges(target: result.experiment.target, brokers: result.experiment.brokers))
    let begin = try ResultDirectory.History(Journal.read("\(path)/\(ResultDirectory.Name.journal)")).begin
    without = Set((begin?.without ?? []).compactMap(Part.init(rawValue:)))
  }

  private init(
    _ experiment: Experiment, _ definition: String, _ profile: Profile, _ seed: UInt64, _ places: Places,
    _ scratch: String?, resumed: String?, bareOnly: Bool, _ changes: RunChanges
  ) {
    self.experiment = experiment
    self.definition = definition
    self.profile = profile
    self.seed = seed
    self.places = places
    self.scratch = (scratch ?? "\(places.results)/scratch") + "/\(getpid())"
    self.resumed = resumed
    self.changes = changes
    let all = PlannedCampaign(experiment, seed: seed).runs
    self.bareOnly = bareOnly
    runs = bareOnly ? all.filter { experiment.arm(named: $0.cell.arm)?.tier == .bare } : all
    plan = Plan(experiment, runs: runs)
  }

  /// Runs to the end or to Ctrl-C, and returns the result read from its files.
  func run() throws -> StoredResult {
    Self.removeDeadScratch(scratch)
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    for name in NetworkLink.removeLeftovers(scratch: scratch) {
      Terminal.say("  removed the network namespace \(name) of a campaign that was killed")
    }
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    if let refusal = plan.refusal(freeBytes: FreeSpace.bytes(at: scratch)) {
      throw Stop(Exit.diskFull, "\(experiment.stem) \(refusal)")
    }
    if let target = experiment.target {
      do {
        try ProcessRunner.probe(target, programs: .beside(OwnProgram.path), scratch: scratch)
      } catch {
        throw Stop(Exit.unavailable, "\(target.address): \(error)")
      }
    }
    let machine = machine()
    var runner = try ProcessRunner(
      experiment: experiment, programs: .beside(OwnProgram.path), scratch: scratch, seed: seed,
      device: machine.disk.device, stopRequested: { Interrupt.isRequested })
    runner.ceiling = try ceiling(runner)
    if experiment.id == SelfValidation.Name.experiment { runner.twinPairs = twinPairs() }
    let results = try open(machine, runner.ceiling)
    Terminal.say(
      "\(Terminal.paint(experiment.stem, .bold)), \(profile.rawValue): \(runs.count) runs, about \(Duration(plan.seconds)), "
        + "seed \(seed), into \(results.path)")
    for line in experiment.brokerLines { Terminal.say("  \(line)") }
    for gate in Gates.judge(machine, for: experiment) where gate.outcome != .passed && gate.outcome != .shortcoming {
      Terminal.say("  \(Terminal.paint("warning", .yellow)): \(gate.sentence)")
    }
    if let validation = results.history.validation, validation.outcome != Verdict.Outcome.supported.rawValue {
      let word =
        validation.outcome.map { "self-validation \(validation.result ?? "") is \($0)" } ?? "no self-validation"
      Terminal.say("  \(Terminal.paint("warning", .yellow)): \(word): \(validation.sentence)")
    }
    var world = Campaign.World(
      now: { Uptime.seconds }, utc: { UTC.now() }, stopRequested: { Interrupt.isRequested }, settle: Quiet.wait,
      progress: show)
    world.repeatsDisturbed = !without.contains(.repeats)
    var campaign = Campaign(experiment: experiment, results: results, runner: runner, world: world)
    let outcome = try campaign.run(runs, extending: block)
    Terminal.clearLine()
    return try conclude(results.path, outcome)
  }

  private func machine() -> Machine {
    guard !without.contains(.repeats) else { return Machine.read(data: scratch) }
    return Quiet.machine(
      now: { Uptime.seconds }, stopRequested: { Interrupt.isRequested },
      waiting: {
        Terminal.say(
          "  others use \(Figures.text($0.processor.busyPercentBefore)) % of the CPU: waiting for a quiet second, at most "
            + "\(Duration(Quiet.Limits.startSeconds))")
      },
      read: { Machine.read(data: scratch) })
  }

  /// Measures the ceilings of the machine and the generator before the first run; a resumed campaign keeps its stored
  /// ceilings.
  private func ceiling(_ runner: ProcessRunner) throws -> Ceiling {
    if let resumed {
      let stored = SmallFile.read("\(resumed)/\(ResultDirectory.Name.ceiling)")
      return try stored.map { try Ceiling(json: $0) } ?? Ceiling(skipped: "the campaign began without it")
    }
    var ceiling =
      without.contains(.ceilingProbe)
      ? Ceiling(skipped: "--without \(Part.ceilingProbe.rawValue)") : Ceiling.probe(directory: scratch, seed: seed)
    guard !bareOnly else { return ceiling }
    if !without.contains(.ceilingProbe) {
      do {
        ceiling.figures.merge(try runner.relayCapacity()) { $1 }
      } catch {
        ceiling.obstacles["relay"] = "\(error)"
      }
    }
    guard !without.contains(.generatorProbe) else { return ceiling }
    do {
      ceiling.generatorRecordsPerSecond = try runner.generatorCapacity()
    } catch {
      ceiling.obstacles["generator"] = "\(error)"
    }
    return ceiling
  }

  /// Returns the runs of an additional replicate, as if it had been planned.
  private func block(_ replicate: Int, from order: Int) -> [PlannedRun] {
    var more = experiment
    more.replicates = replicate
    let own = PlannedCampaign(more, seed: seed).runs.filter { run in
      run.replicate == replicate && (!bareOnly || experiment.arm(named: run.cell.arm)?.tier == .bare)
    }
    return own.enumerated().map { index, run in
      var run = run
      run.order = order + index
      return run
    }
  }

  private func open(_ machine: Machine, _ ceiling: Ceiling?) throws -> ResultDirectory {
    if let resumed {
      return try ResultDirectory(resuming: resumed, experiment: experiment, at: UTC.now())
    }
    let commit = machine.build.commit.map { $0 + (machine.build.dirty == false ? "" : "-dirty") } ?? "unknown"
    let path = "\(places.results)/\(experiment.stem)/\(UTC.stamp())-\(commit)"
    var begin = JournalEntry.Begin(
      experiment: experiment.stem, definition: Fingerprint.of(definition), profile: profile.rawValue, seed: seed,
      runs: runs.count, startedAt: UTC.now(), changes: changes == RunChanges() ? nil : changes,
      bareOnly: bareOnly)
    begin.without = without.map(\.rawValue).sorted()
    let directory = try ResultDirectory(
      creating: path, experiment: experiment, definition: definition, begin: begin, machineJSON: try machine.json(),
      ceilingJSON: try ceiling?.json())
    if experiment.id != SelfValidation.Name.experiment {
      try directory.append(.validated(SelfValidation(latestOf: validations(), on: machine)))
    }
    let noise = NoiseHistory(of: earlierResults(of: experiment), profile: profile, on: machine)
    if !noise.isEmpty { try directory.append(.noise(noise)) }
    return directory
  }

  /// Returns the results of the self-validation, oldest first, without damaged ones.
  private func validations() -> [StoredResult] {
    guard let (_, definition) = try? places.files.find([SelfValidation.Name.experiment]).first else { return [] }
    return earlierResults(of: definition)
  }

  /// Returns an experiment's latest results, oldest first, without damaged ones.
  private func earlierResults(of experiment: Experiment) -> [StoredResult] {
    // Quick runs know what was measured for good, too.
    let directories = places.results == ResultDirectory.Place.quick ? [ResultDirectory.Place.kept] : []
    return (directories + [places.results]).flatMap { StoredResult.directories(of: experiment, under: $0) }
      .suffix(NoiseHistory.Limits.campaignsMax).compactMap { try? StoredResult(reading: $0) }
      .sorted { $0.name < $1.name }
  }

  /// Returns every A/A pair in the latest results, those of the repository's own included.
  private func twinPairs() -> [FalsePositives.Pair] {
    let kept = places.results == ResultDirectory.Place.quick ? [ResultDirectory.Place.kept] : []
    return (kept + [places.results]).flatMap { StoredResult.latest(at: $0).results }.flatMap { result in
      result.twinPairs.map { pair in
        let levels = pair.levels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.text)" }
        return FalsePositives.Pair(
          name: ([result.experiment.id, pair.twin, pair.metric] + levels).joined(separator: " "), values: pair.values,
          again: pair.again)
      }
    }
  }

  private func conclude(_ path: String, _ outcome: Campaign.Outcome) throws -> StoredResult {
    var result = try StoredResult(reading: path)
    if outcome == .interrupted {
      Terminal.say(
        "interrupted after \(result.finishedRuns) of \(result.plannedRuns) runs; continue with: millrace run --resume \(path)"
      )
    }
    let verdict = result.verdict
    let colour: Terminal.Colour =
      switch verdict.outcome {
      case .supported: .green
      case .notSupported: .red
      case .inconclusive, .reported: .yellow
      }
    Terminal.say(
      "  \(Terminal.paint(verdict.outcome.rawValue, colour)) (\(verdict.state.rawValue)): \(verdict.sentence)")
    for reason in verdict.stateReasons { Terminal.say("    \(reason)") }
    if let table = SideBySide(result) { Terminal.say(table.text) }
    for share in result.ceilingShares { Terminal.say("  ceiling: \(share.sentence)") }
    // Nothing is told yet that the rows could be held against, but what a part of this campaign told before it went on.
    result.told = nil
    try SmallFile.replace("\(path)/\(ResultDirectory.Name.disclosure)", Disclosure(result).markdown)
    let told = ToldVerdict(verdict, runs: result.finishedRuns)
    try SmallFile.replace("\(path)/\(ResultDirectory.Name.told)", try told.json())
    result.told = told
    return result
  }

  private func show(_ progress: Campaign.Progress) {
    let left = progress.secondsLeft.map { ", \(Duration($0)) left" } ?? ""
    let width =
      progress.width.flatMap { $0.isFinite ? $0 : nil }.map { ", widest interval ± \(Figures.percent($0))" } ?? ""
    let place = "[\(progress.done)/\(progress.total)\(left)\(width)]"
    switch progress.moment {
    case .started(let cell): Terminal.update("\(place) \(cell) …")
    case .finished(let cell, let figure):
      if Terminal.isTerminal {
        Terminal.update("\(place) \(cell)  \(figure)")
      } else {
        Terminal.say("\(place) \(cell)  \(figure)")
      }
    case .failed(let cell, let reason):
      Terminal.clearLine()
      Terminal.say("\(place) \(cell) \(Terminal.paint("invalid", .red)): \(reason)")
    case .warned(let cell, let warning):
      Terminal.clearLine()
      Terminal.say("\(place) \(cell) \(Terminal.paint("warning", .yellow)): \(warning)")
    case .disturbed(let cell, let reason):
      Terminal.clearLine()
      Terminal.say("\(place) \(cell) \(Terminal.paint("again", .yellow)): \(reason)")
    case .skipped(let arm, let reason):
      Terminal.clearLine()
      Terminal.say("  \(Terminal.paint("skipped", .yellow)) \(arm): \(reason)")
    }
  }

  /// Removes the scratch directories of killed campaigns, which are named after processes that no longer exist.
  private static func removeDeadScratch(_ own: String) {
    let parent = own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    for name in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] {
      guard let pid = Int32(name), kill(pid, 0) != 0, errno == ESRCH else { continue }
      try? FileManager.default.removeItem(atPath: "\(parent)/\(name)")
    }
  }
}

extension Experiment {
  /// As `plan` prices it and `run` runs it. Exit code 65 where the definition does not have what is to be changed, or asks of
  /// a program what that does not take.
  ///
  /// - Parameter file: the definition.
  func planned(_ file: String, _ profile: Profile, _ changes: RunChanges) throws -> Experiment {
    let changed: Experiment
    do {
      changed = try under(profile).changed(by: changes)
    } catch {
      throw Stop(Exit.badData, "\(error)")
    }
    do {
      try ProgramCheck(experiment: changed, file: file).check()
    } catch {
      throw error.located(in: SmallFile.read(file) ?? "")
    }
    return changed
  }
}
