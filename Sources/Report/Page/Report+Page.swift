import Experiment
import Foundation
import Measure
import Mustache
import Results
import Verdict

/// The page's values, as the template asks for them.
extension Report {
  /// The whole page. Every text is escaped by the template; only the charts are markup.
  package func html() throws -> String {
    let template = try MustacheTemplate(string: Report.template)
    return template.render(page)
  }

  private var page: [String: Any] {
    let verdicts = entries.map(\.result.verdict)
    let counts = Verdict.Outcome.allCases.compactMap { outcome -> String? in
      let count = verdicts.count { $0.outcome == outcome }
      return count == 0 ? nil : "\(count) \(outcome.rawValue.lowercased())"
    }
    return [
      "style": Report.style, "script": Report.hoverScript, "writtenAt": writtenAt, "count": entries.count,
      "tally": counts.isEmpty ? "no results yet" : counts.joined(separator: ", "),
      "entries": zip(entries, verdicts).map { section($0, $1) }, "hasEntries": !entries.isEmpty,
      "unreadable": unreadable, "hasUnreadable": !unreadable.isEmpty,
    ]
  }

  private func section(_ entry: Entry, _ verdict: Verdict) -> [String: Any] {
    let result = entry.result
    let experiment = result.experiment
    let path = "\(experiment.stem)/\(result.name)"
    let place = experiment.target.map { ", at \($0.address)" } ?? ""
    return [
      "anchor": experiment.id.lowercased(), "id": experiment.id, "title": experiment.title,
      "claims": experiment.claims.joined(separator: ", "), "claim": experiment.claim, "quote": experiment.quote,
      "source": experiment.source, "hypothesis": experiment.hypothesis,
      "verdict": badge(verdict.outcome), "state": verdict.state.rawValue,
      "stateClass": verdict.state.rawValue.lowercased(), "sentence": verdict.sentence,
      "stateReasons": verdict.stateReasons, "hasStateReasons": !verdict.stateReasons.isEmpty,
      "bare": verdict.outcome(of: .bare).map { [badge($0)] } ?? [],
      "endToEnd": verdict.outcome(of: .endToEnd).map { [badge($0)] } ?? [],
      "originals": experiment.originals.map(original), "hasOriginals": !experiment.originals.isEmpty,
      "errata": experiment.errata, "hasErrata": !experiment.errata.isEmpty,
      "rules": rules(verdict, of: experiment), "caveats": experiment.caveats,
      "figures": entry.charts.map(figure), "chartFailures": entry.chartFailures,
      "measured": ResultTables(result).tables, "limiters": limiters(result), "environment": environment(result),
      "gates": result.gates.map { ["mark": mark($0.outcome), "sentence": $0.sentence] },
      "skipped": result.skipped.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" },
      "hasSkipped": !result.skipped.isEmpty, "files": files(path, result), "charts": chartFiles(entry),
      "history": history(entry), "ours": ours(result), "ceiling": ceiling(result), "disclosure": disclosure(entry),
      "durability": durabilities(result), "stem": experiment.stem,
      "runs": "\(result.finishedRuns) of \(result.plannedRuns) runs\(result.isComplete ? "" : ", interrupted")",
      "profile": result.profile.rawValue + " profile" + place, "seed": String(result.seed),
      "startedAt": result.startedAt,
      "hash": String(result.definitionHash.prefix(16)),
    ]
  }

  func badge(_ outcome: Verdict.Outcome) -> [String: Any] {
    let name =
      switch outcome {
      case .supported: "yes"
      case .notSupported: "no"
      case .inconclusive, .reported: "open"
      }
    return ["word": outcome.rawValue, "class": name, "sign": outcome.sign]
  }

  private func original(_ original: Original) -> [String: Any] {
    [
      "label": original.label, "value": original.value.map { Figures.text($0) } ?? "–", "unit": original.unit,
      "note": original.note,
    ]
  }

  /// The comparisons under the rule they belong to, in the definition's order.
  private func rules(_ verdict: Verdict, of experiment: Experiment) -> [[String: Any]] {
    var names: [String] = []
    for finding in verdict.findings where !names.contains(finding.rule) { names.append(finding.rule) }
    return names.compactMap { name in
      let findings = verdict.findings.filter { $0.rule == name }
      guard let first = findings.first else { return nil }
      return [
        "rule": name.replacing("-", with: " "), "tier": first.tier == .bare ? "bare mechanism" : "through the broker",
        "meaning": first.meaning, "weight": first.decides ? [String]() : ["reported, without weight"],
        "lines": findings.map { line($0, per: experiment.verdicts.first { $0.name == name }?.per ?? []) },
      ]
    }
  }

  /// A bare number says nothing of what it is: it gets its factor's name.
  private func place(_ combination: String, per names: [String]) -> String {
    let levels = combination.split(separator: ", ").map(String.init)
    guard !levels.isEmpty, levels.count == names.count else { return combination.isEmpty ? "all" : combination }
    return zip(names, levels).map { name, level in
      Double(level) == nil ? level : "\(words(name)) \(level)"
    }.joined(separator: ", ")
  }

  private func words(_ factor: String) -> String {
    let units = ["mib": "MiB", "gib": "GiB", "kib": "KiB", "mb": "MB", "gb": "GB"]
    return factor.split(separator: "_").map { units[String($0)] ?? String($0) }.joined(separator: " ")
  }

  private func line(_ finding: Verdict.Finding, per names: [String]) -> [String: Any] {
    var effect = "–"
    if let found = finding.effect {
      effect =
        finding.kind == .flat
        ? "\(Figures.percent(found.value, signed: true)) [\(Figures.percent(found.low, signed: true)), "
          + "\(Figures.percent(found.high, signed: true))] a doubling"
        : Figures.interval(found, suffix: finding.kind.suffix)
    }
    return [
      "combination": place(finding.combination, per: names), "effect": effect,
      "floor": finding.floor.map { Figures.percent($0) } ?? "–", "outcome": badge(finding.outcome),
      "sentence": finding.sentence,
      // Of those that hold the numbers say enough; the pointer finds the sentence.
      "why": finding.outcome == .supported ? [String]() : [finding.sentence],
    ]
  }

  private func figure(_ figure: Figure) -> [String: Any] {
    // Its place among the page's charts; thousands of marks carry it.
    let number = entries.lazy.flatMap(\.charts).prefix { $0.stem != figure.stem }.count
    return [
      "title": figure.title, "wide": InlineSVG.embed(figure.wide, title: figure.title, prefix: "w\(number)-"),
      "narrow": InlineSVG.embed(figure.narrow, title: figure.title, prefix: "n\(number)-"),
    ]
  }

  /// The commonest limiter of each arm, as one of its runs has it; arms with the same line share it.
  private func limiters(_ result: StoredResult) -> [[String: Any]] {
    var lines: [(arms: [String], limiter: String)] = []
    for arm in result.experiment.arms where arm.role != .again {
      let all = result.rows.filter { $0.arm == arm.name && $0.isValid }.compactMap(\.limitation)
      let kinds = Dictionary(grouping: all, by: \.bottleneck.rawValue)
      guard let top = kinds.max(by: { ($0.value.count, $1.key) < ($1.value.count, $0.key) })?.value else { continue }
      let share = all.count == top.count ? "" : " (\(top.count) of \(all.count) runs)"
      // The figures differ from run to run.
      let limiter = top.map(\.sentence).sorted()[top.count / 2] + share
      if let place = lines.firstIndex(where: { $0.limiter == limiter }) {
        lines[place].arms.append(arm.label)
      } else {
        lines.append(([arm.label], limiter))
      }
    }
    return lines.map { ["arm": $0.arms.joined(separator: "; "), "limiter": $0.limiter] }
  }

  private func environment(_ result: StoredResult) -> [[String: Any]] {
    let machine = result.machine
    let build = machine.build
    let facts: [(String, String?)] = [
      ("processor", "\(machine.processor.model ?? "unknown"), \(machine.processor.cores) cores"),
      ("virtual machine", machine.processor.virtual ? "yes" : "no"), ("governor", machine.processor.governor),
      ("memory", "\(Figures.text(machine.memory.totalMiB / 1024)) GiB"),
      ("huge pages", machine.memory.transparentHugePages), ("memory cgroup", machine.memory.cgroup),
      ("kernel", machine.kernel),
      (
        "disk",
        [machine.disk.device, machine.disk.fileSystem, machine.disk.mountOptions].compactMap(\.self)
          .joined(separator: ", ")
      ),
      ("TCP congestion control", machine.congestionControl.map { "\($0) (the kernel's default; arms set their own)" }),
      (
        "build",
        "commit \(build.commit ?? "unknown")\(build.dirty == true ? ", with changes" : ""), "
          + "\(build.optimized ? "optimized" : "not optimized"), Swift \(build.swift)"
      ),
    ]
    return facts.compactMap { name, value in value.map { ["name": name, "value": $0] } }
  }

  private func mark(_ outcome: Gate.Outcome) -> String {
    switch outcome {
    case .passed: "✓"
    case .shortcoming: "△"
    case .belowMinimum: "▽"
    case .failed: "✗"
    }
  }

  private func files(_ path: String, _ result: StoredResult) -> [[String: Any]] {
    let optional = [ResultDirectory.Name.ceiling, ResultDirectory.Name.disclosure, ResultDirectory.Name.told]
      .filter { FileManager.default.fileExists(atPath: "\(result.path)/\($0)") }
    return
      ([
        ResultDirectory.Name.rows, ResultDirectory.Name.series, ResultDirectory.Name.schema,
        ResultDirectory.Name.definition, ResultDirectory.Name.machine, ResultDirectory.Name.journal,
      ] + optional).map { ["name": $0, "href": "\(path)/\($0)"] }
  }

  private func chartFiles(_ entry: Entry) -> [[String: Any]] {
    entry.charts.flatMap { figure in
      ["csv", "gp", "png"].map { ["name": "\(figure.stem).\($0)", "href": "\(plotsLink)/\(figure.stem).\($0)"] }
    }
  }
}
