import ArgumentParser
import Broker
import Experiment
import Load
import Measure
import Runner

/// What a definition gives to programs, held against what the programs take: options against their own parsers, keys of the
/// broker and of topics against the broker's tables.
///
/// A definition that is about to run is checked; a stored result's is not, for programs change and results stay.
struct ProgramCheck {
  /// Under the profile that runs: its levels are the values.
  let experiment: Experiment
  let file: String

  func check() throws(DefinitionError) {
    let cells = Matrix(experiment).cells
    for arm in experiment.arms {
      var seen: Set<[String]> = []
      for cell in cells where cell.arm == arm.name {
        let values = values(at: cell)
        for part in parts(of: arm) {
          let options = values.filled(part.settings)
          // What is filled with no records is not filled, and no program is started for it.
          if part.isFill, options.contains(where: { $0.name == "num-records" && $0.value.number == 0 }) { continue }
          let words = [part.program.name] + ProcessRunner.arguments(options)
          if seen.insert(words).inserted { try check(part, options, words) }
        }
        try checkKeys(of: arm, values)
        try checkSecurity(of: arm, values)
      }
      try checkShare(of: arm)
    }
  }

  /// A rate counts where the generator did not set it, which a row must be able to say.
  private func checkShare(of arm: Arm) throws(DefinitionError) {
    let share = Metric.clientCPUShare.name
    guard arm.tier == .endToEnd, arm.client == .drives, !experiment.metrics.contains(share) else { return }
    let rule = experiment.verdicts.first { rule in
      Metric.named(rule.metric)?.kind == .rate && (rule.test.arms + rule.baseline.arms).contains(arm.name)
    }
    guard let rule else { return }
    throw error(
      "metrics",
      "the rule `\(rule.name)` is about the rate of arm `\(arm.name)`, which the load generator may have set: add `\(share)`, or "
        + "say `client: part` where the generator is a part of what is measured")
  }

  private struct Part {
    let program: Arm.Program
    let settings: [Setting]
    /// Of the definition, such as `arms.new.options`.
    let key: String
    var isFill = false
  }

  private func parts(of arm: Arm) -> [Part] {
    let key = "arms.\(arm.name)"
    guard let phases = arm.broker?.phases.list else {
      return [Part(program: arm.program, settings: arm.options, key: "\(key).options")]
    }
    return phases.compactMap { phase in
      switch phase {
      case .prepare(let settings): Part(program: .load(.produce), settings: settings, key: "\(key).prepare")
      case .fill(let settings): Part(program: .load(.produce), settings: settings, key: "\(key).fill", isFill: true)
      case .warm(let settings): Part(program: .load(.consume), settings: settings, key: "\(key).warm")
      case .beside(let flow, let settings):
        Part(program: .load(.flow(flow)), settings: settings, key: "\(key).beside.options")
      case .measure(let load, let settings): Part(program: .load(load), settings: settings, key: "\(key).options")
      case .stall, .restart: nil
      }
    }
  }

  /// As a run has them, with stand-ins for what only a run knows.
  private func values(at cell: Cell) -> RunValues {
    RunValues(
      PlannedRun(order: 0, replicate: 1, cell: cell), of: experiment,
      adding: [
        "seed": "1", "directory": "/tmp", "data_file": "/tmp/data", "aa_pairs": "/tmp/pairs", "pace_mib_per_s": "1",
        // Large enough to be divided.
        "pace_records_per_s": "1000000",
      ])
  }

  private func check(_ part: Part, _ options: [Setting], _ words: [String]) throws(DefinitionError) {
    let rest = Array(words.dropFirst())
    let found: String? =
      switch part.program {
      // `mechanism copy-path`: the second word is the command.
      case .mechanism: mechanism(part.program.name.split(separator: " ").last.map(String.init) ?? "", rest)
      case .load(let load): self.load(load.verb, rest)
      }
    guard let complaint = found else { return }
    let culprit = options.first { Self.names($0.name, in: complaint) }
    throw error(part.key + (culprit.map { ".\($0.name)" } ?? ""), "\(part.program.name): \(complaint)")
  }

  /// Why the mechanism would not take them; nil when it would.
  private func mechanism(_ name: String, _ arguments: [String]) -> String? {
    let known = Self.options(of: name)
    let flags = arguments.filter { $0.hasPrefix("--") }
    // The parser would miss the option that was meant before it names the one that was written.
    if let unknown = flags.first(where: { !known.contains($0) }) {
      return "unknown option '\(unknown)'\(NearMiss.hint(unknown, known))"
    }
    do {
      _ = try MechanismCommand.parseAsRoot([name] + arguments + ["--json"])
      return nil
    } catch {
      return MechanismCommand.message(for: error)
    }
  }

  /// With their dashes, as the mechanism's own help lists them.
  private static func options(of mechanism: String) -> [String] {
    let command = MechanismCommand.configuration.subcommands.first { $0._commandName == mechanism }
    let help = command?.helpMessage(includeHidden: true) ?? ""
    return help.split { !($0.isLetter || $0.isNumber || $0 == "-") }.map(String.init).filter { $0.hasPrefix("--") }
  }

  private func load(_ verb: String, _ arguments: [String]) -> String? {
    let all = ["--bootstrap-server", "127.0.0.1:9092", "--topic", "topic", "--json", "--quiet"] + arguments
    do throws(PlanError) {
      if verb == ConnectPlan.command {
        _ = try ConnectPlan(arguments: all.filter { !["--topic", "topic"].contains($0) })
        return nil
      }
      let plan =
        switch verb {
        case SustainPlan.command: try SustainPlan(arguments: all).base
        case TwinPlan.command: try TwinPlan(arguments: all).base
        default: try LoadPlan(arguments: [verb] + all)
        }
      // Another's broker may have keys of its own.
      guard experiment.target == nil, experiment.foreignBroker == nil,
        let unknown = plan.topicConfigs.first(where: { TopicConfigKeys.named[$0.key] == nil })
      else { return nil }
      return "topic-config names `\(unknown.key)`, which is no key of a topic"
        + NearMiss.hint(unknown.key, TopicConfigKeys.all.map(\.key.name))
    } catch {
      return error.description
    }
  }

  private func checkKeys(of arm: Arm, _ values: RunValues) throws(DefinitionError) {
    for setting in values.filled(arm.broker?.settings ?? []) {
      let key = "arms.\(arm.name).broker.\(setting.name)"
      guard let row = ConfigKeys.named[setting.name] else {
        throw error(key, "`\(setting.name)` is no key of the broker", ConfigKeys.nearest(to: setting.name))
      }
      do throws(InvalidConfig) { _ = try row.check(setting.value.text) } catch { throw self.error(key, "\(error)") }
    }
  }

  private func checkSecurity(of arm: Arm, _ values: RunValues) throws(DefinitionError) {
    do throws(Arm.Security.Fault) {
      _ = try arm.broker?.security?.asked { Placeholder.fill($0, from: values.values) ?? $0 }
    } catch { throw self.error("arms.\(arm.name).security.\(error.key)", error.reason) }
  }

  /// Whether a parser's words are about the option: `--name`, or `'name'`.
  private static func names(_ option: String, in complaint: String) -> Bool {
    complaint.split { !($0.isLetter || $0.isNumber || $0 == "-") }
      .contains { $0 == "--\(option)" || $0 == Substring(option) }
  }

  private func error(_ key: String, _ message: String, _ suggestion: String? = nil) -> DefinitionError {
    DefinitionError(file: file, line: 0, column: 0, key: key, message: message, suggestion: suggestion)
  }
}
