import Foundation
import Glibc
import Lab

/// One campaign from the command line: its directory, its progress on the terminal, and what is made of its rows.
struct CampaignRun {
  let experiment: Experiment
  let definition: String
  let profile: Profile
  let seed: UInt64
  let places: Places
  let scratch: String
  /// Nil for a new result.
  let resumed: String?
  let runs: [PlannedRun]
  let plan: Plan
  let changes: RunChanges

  init(
    definition path: String, experiment: Experiment, profile: Profile, seed: UInt64, places: Places, scratch: String?,
    bareOnly: Bool, changes: RunChanges = RunChanges()
  ) throws {
    guard let text = SmallFile.read(path) else { throw Stop(Exit.badData, "\(path) cannot be read") }
    let changed: Experiment
    do {
      changed = try experiment.under(profile).changed(by: changes)
    } catch {
      throw Stop(Exit.badData, "\(error)")
    }
    self.init(changed, text, profile, seed, places, scratch, resumed: nil, bareOnly: bareOnly, changes)
  }

  init(resuming path: String, places: Places, scratch: String?) throws {
    let result: StoredResult
    do {
      result = try StoredResult(reading: path)
    } catch {
      throw Stop(Exit.badData, "\(error)")
    }
    guard !result.isComplete else { throw Stop(Exit.badData, "\(path) is complete: nothing is left to run") }
    let text = SmallFile.read("\(path)/\(ResultDirectory.Name.definition)") ?? ""
    let runs = PlannedCampaign(result.experiment, seed: result.seed).runs
    // A campaign begun with --bare-only planned fewer runs than its matrix has.
    self.init(
      result.experiment, text, result.profile, result.seed, places, scratch, resumed: path,
      bareOnly: result.plannedRuns < runs.count, RunChanges(target: result.experiment.target))
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
    runs = bareOnly ? all.filter { experiment.arm(named: $0.cell.arm)?.tier == .bare } : all
    plan = Plan(experiment, runs: runs)
  }

  /// Runs to the end or to Ctrl-C, and returns the result as its files tell it.
  func run() throws -> StoredResult {
    Self.removeDeadScratch(scratch)
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    if let refusal = plan.refusal(freeBytes: FreeSpace.bytes(at: scratch)) {
      throw Stop(Exit.diskFull, "\(experiment.stem) \(refusal)")
    }
    if let target = experiment.target {
      do {
        try ProcessRunner.probe(target, programs: .beside(ProcessRunner.Programs.own), scratch: scratch)
      } catch {
        throw Stop(Exit.unavailable, "\(target.address): \(error)")
      }
    }
    let machine = Machine.read(data: scratch)
    let results = try open(machine)
    Terminal.say(
      "\(Terminal.paint(experiment.stem, .bold)), \(profile.rawValue): \(runs.count) runs, about \(Duration(plan.seconds)), "
        + "seed \(seed), into \(results.path)")
    for gate in Gates.judge(machine, for: experiment) where gate.outcome != .passed && gate.outcome != .shortcoming {
      Terminal.say("  \(Terminal.paint("warning", .yellow)): \(gate.sentence)")
    }
    let runner = try ProcessRunner(
      experiment: experiment, programs: .beside(ProcessRunner.Programs.own), scratch: scratch, seed: seed,
      device: machine.disk.device, stopRequested: { Interrupt.isRequested })
    var campaign = Campaign(
      experiment: experiment, results: results, runner: runner,
      world: Campaign.World(
        now: { Uptime.seconds }, utc: { UTC.now() }, stopRequested: { Interrupt.isRequested }, settle: Quiet.wait,
        progress: show))
    let outcome = try campaign.run(runs)
    Terminal.clearLine()
    return try conclude(results.path, outcome)
  }

  private func open(_ machine: Machine) throws -> ResultDirectory {
    if let resumed {
      return try ResultDirectory(resuming: resumed, experiment: experiment, at: UTC.now())
    }
    let commit = machine.build.commit.map { $0 + (machine.build.dirty == false ? "" : "-dirty") } ?? "unknown"
    let path = "\(places.results)/\(experiment.stem)/\(UTC.stamp())-\(commit)"
    let begin = JournalEntry.Begin(
      experiment: experiment.stem, definition: SHA256.hex(definition), profile: profile.rawValue, seed: seed,
      runs: runs.count, startedAt: UTC.now(), changes: changes == RunChanges() ? nil : changes)
    return try ResultDirectory(
      creating: path, experiment: experiment, definition: definition, begin: begin, machineJSON: try machine.json())
  }

  private func conclude(_ path: String, _ outcome: Campaign.Outcome) throws -> StoredResult {
    let result = try StoredResult(reading: path)
    if outcome == .interrupted {
      Terminal.say(
        "interrupted after \(result.finishedRuns) of \(result.plannedRuns) runs; go on with: millrace run --resume \(path)"
      )
    }
    let verdict = result.verdict
    let colour: Terminal.Colour =
      switch verdict.outcome {
      case .supported: .green
      case .notSupported: .red
      case .inconclusive: .yellow
      }
    Terminal.say(
      "  \(Terminal.paint(verdict.outcome.rawValue, colour)) (\(verdict.state.rawValue)): \(verdict.sentence)")
    for reason in verdict.stateReasons { Terminal.say("    \(reason)") }
    return result
  }

  private func show(_ progress: Campaign.Progress) {
    let left = progress.secondsLeft.map { ", \(Duration($0)) left" } ?? ""
    let place = "[\(progress.done)/\(progress.total)\(left)]"
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
    case .disturbed(let cell, let reason):
      Terminal.clearLine()
      Terminal.say("\(place) \(cell) \(Terminal.paint("again", .yellow)): \(reason)")
    case .skipped(let arm, let reason):
      Terminal.clearLine()
      Terminal.say("  \(Terminal.paint("skipped", .yellow)) \(arm): \(reason)")
    }
  }

  /// Scratch of campaigns that were killed: directories named after processes that are gone.
  private static func removeDeadScratch(_ own: String) {
    let parent = own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    for name in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] {
      guard let pid = Int32(name), kill(pid, 0) != 0, errno == ESRCH else { continue }
      try? FileManager.default.removeItem(atPath: "\(parent)/\(name)")
    }
  }
}
