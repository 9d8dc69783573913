import Experiment
import Foundation
import Measure
import Mustache
import Results
import Verdict

/// The page's values, as the template asks for them: one card for each experiment. What holds for several stands in `Report+Common`.
extension Report {
  package enum PageLimits {
    /// Of a page; beyond, folded charts are there once, for all widths.
    package static let bytes = 1_450_000
  }

  /// The whole page. Every text is escaped by the template; only the charts are markup.
  ///
  /// Every chart is on it twice, for wide pages and for phones; where that makes it larger than `bytesMax`, only those that a card
  /// shows at once are, and the folded ones are wide and can be scrolled.
  package func html(bytesMax: Int = PageLimits.bytes) throws -> String {
    let template = try MustacheTemplate(string: Report.template)
    let whole = template.render(page(foldedTwice: true))
    return whole.utf8.count <= bytesMax ? whole : template.render(page(foldedTwice: false))
  }

  private func page(foldedTwice: Bool) -> [String: Any] {
    let overview = Overview(entries.map(\.result))
    return [
      "style": Report.style, "script": Report.hoverScript, "writtenAt": writtenAt,
      "tally": overview.tally, "lines": overview.lines.filter { !$0.isAside }.map(summary),
      "asides": overview.lines.filter(\.isAside).map(summary), "hasAsides": overview.lines.contains(where: \.isAside),
      "asideTitle": Overview.asideTitle,
      "forest": forest.map { [embedded($0, name: "f")] } ?? [], "forestFailure": forestFailure.map { [$0] } ?? [],
      "entries": entries.map { section($0, $0.result.verdict, foldedTwice: foldedTwice) },
      "hasEntries": !entries.isEmpty,
      "unreadable": unreadable, "hasUnreadable": !unreadable.isEmpty,
      "facts": facts, "weakened": weakened, "hasWeakened": !weakened.isEmpty, "checks": checks,
    ]
  }

  /// A line of the table on top.
  private func summary(_ line: Overview.Line) -> [String: Any] {
    let profile = entries.first { $0.result.experiment.id == line.id }?.result.profile ?? .standard
    return [
      "anchor": line.id.lowercased(), "id": line.id, "claim": line.claim, "original": line.original,
      "value": line.ours.value, "interval": line.ours.interval, "limit": line.limit, "grade": badge(line.grade),
      "detail": line.grade.detail, "profile": profile == .standard ? [] : [profile.rawValue],
    ]
  }

  private func section(_ entry: Entry, _ verdict: Verdict, foldedTwice: Bool) -> [String: Any] {
    let result = entry.result
    let experiment = result.experiment
    let path = "\(experiment.stem)/\(result.name)"
    let place =
      experiment.target.map { ", at \($0.address)" } ?? experiment.foreignBroker.map { ", with \($0.label)" } ?? ""
    let (deciding, asked) = (
      rules(verdict, of: experiment, deciding: true), rules(verdict, of: experiment, deciding: false)
    )
    let figures = entry.charts.enumerated().map { figure($0.element, twice: $0.offset == 0 || foldedTwice) }
    let ours = ours(result)
    let told = Set(ours.compactMap { $0["metric"] as? String })
    return [
      "anchor": experiment.id.lowercased(), "id": experiment.id, "title": experiment.title,
      "short": experiment.name.replacing("-", with: " "), "claim": experiment.claim, "quote": experiment.quote,
      "source": experiment.source, "hypothesis": experiment.hypothesis, "grade": badge(verdict.grade),
      "state": verdict.state.rawValue, "stateClass": verdict.state.rawValue.lowercased(),
      "figure": figureLine(verdict, experiment), "tally": tally(verdict).map { [$0] } ?? [],
      "originals": experiment.originals.map(original), "hasOriginals": !experiment.originals.isEmpty,
      "errata": experiment.errata, "hasErrata": !experiment.errata.isEmpty,
      "rules": deciding, "hasRules": !deciding.isEmpty, "asked": asked, "hasAsked": !asked.isEmpty,
      "askedTitle": deciding.isEmpty ? "What was asked, without weight" : "Also asked, without weight",
      "caveats": experiment.caveats,
      "first": figures.prefix(1).map(\.self), "figures": figures.dropFirst().map(\.self),
      "chartFailures": entry.chartFailures,
      "sides": sides(result),
      "measured": ResultTables(result).tables(without: told), "limiters": limiters(result),
      "files": files(path, result),
      "charts": chartFiles(entry), "history": history(entry), "ours": ours, "ceiling": ceiling(result),
      "told": conduct(result),
      "durability": durabilities(result),
      "runs": "\(result.finishedRuns) of \(result.plannedRuns) runs\(result.isComplete ? "" : ", interrupted")",
      "profile": result.profile.rawValue + " profile" + place, "seed": String(result.seed),
      "startedAt": result.startedAt, "hash": String(result.definitionHash.prefix(16)),
    ]
  }

  /// Brokers that were compared, each load's together.
  private func sides(_ result: StoredResult) -> [[String: Any]] {
    guard let table = SideBySide(result) else { return [] }
    return [["columns": table.columns, "lines": table.lines.map { ["cells": $0] }]]
  }

  func badge(_ outcome: Verdict.Outcome) -> [String: Any] {
    let name =
      switch outcome {
      case .supported: "yes"
      case .notSupported: "no"
      case .inconclusive, .reported: "open"
      }
    return ["word": outcome.rawValue.lowercased(), "class": name, "sign": outcome.sign]
  }

  func badge(_ grade: Grade) -> [String: Any] { ["word": grade.word, "class": grade.styleClass, "sign": grade.sign] }

  /// What stays in sight of a folded card: the figure that decides, by its rule's name.
  private func figureLine(_ verdict: Verdict, _ experiment: Experiment) -> String {
    guard let telling = verdict.telling, let told = Overview.told(telling, of: experiment) else {
      return "not measured"
    }
    let per = experiment.verdicts.first { $0.name == telling.rule }?.per ?? []
    let at = telling.combination.isEmpty ? "" : " (\(place(telling.combination, per: per)))"
    let asks =
      telling.threshold.map { threshold in
        telling.kind == .ratio ? ", the claim asks for \(Figures.times(threshold))" : ""
      } ?? ""
    return "\(telling.rule.replacing("-", with: " "))\(at): \(told.text)\(asks)"
  }

  /// `2 of 5 comparisons are against the claim`; the comparisons' own sentences stand beneath.
  private func tally(_ verdict: Verdict) -> String? {
    let sentences = verdict.findings.map(\.sentence)
    guard let told = sentences.filter({ verdict.sentence.hasSuffix($0) }).max(by: { $0.count < $1.count }) else {
      return verdict.sentence
    }
    let rest = verdict.sentence.dropLast(told.count).split(separator: ";").first.map(String.init) ?? ""
    return rest.hasPrefix("Reported") || rest.isEmpty ? nil : rest + "."
  }

  private func original(_ original: Original) -> [String: Any] {
    [
      "label": original.label, "value": original.value.map { Figures.amount($0, unit: original.unit) } ?? "–",
      "note": original.note,
    ]
  }

  /// The comparisons under the rule they belong to, in the definition's order.
  private func rules(_ verdict: Verdict, of experiment: Experiment, deciding: Bool) -> [[String: Any]] {
    var names: [String] = []
    for finding in verdict.findings where finding.decides == deciding && !names.contains(finding.rule) {
      names.append(finding.rule)
    }
    return names.compactMap { name in
      let findings = verdict.findings.filter { $0.rule == name }
      guard let first = findings.first else { return nil }
      return [
        "rule": name.replacing("-", with: " "), "tier": first.tier == .bare ? "bare mechanism" : "through the broker",
        "meaning": first.meaning, "lines": findings.map { line($0, of: experiment) },
      ]
    }
  }

  /// A bare number says nothing of what it is: it gets its factor's name.
  private func place(_ combination: String, per names: [String]) -> String {
    let levels = combination.split(separator: ", ").map(String.init)
    guard !levels.isEmpty, levels.count == names.count else { return combination.isEmpty ? "all" : combination }
    return zip(names, levels).map { Level($1).words(of: $0) }.joined(separator: ", ")
  }

  private func line(_ finding: Verdict.Finding, of experiment: Experiment) -> [String: Any] {
    [
      "combination": place(
        finding.combination, per: experiment.verdicts.first { $0.name == finding.rule }?.per ?? []),
      "effect": Overview.told(finding, of: experiment)?.text ?? "–",
      "floor": finding.floor.map { Figures.percent($0) } ?? "–", "outcome": badge(finding.outcome),
      "sentence": finding.sentence,
      // Of those that hold the numbers say enough; the pointer finds the sentence.
      "why": finding.outcome == .supported ? [String]() : [finding.sentence],
      "pointer": finding.outcome == .supported ? [finding.sentence] : [String](),
    ]
  }

  private func figure(_ figure: Figure, twice: Bool) -> [String: Any] {
    // Its place among the page's charts; thousands of marks carry it.
    embedded(figure, name: String(entries.lazy.flatMap(\.charts).prefix { $0.stem != figure.stem }.count), twice: twice)
  }

  private func embedded(_ figure: Figure, name: String, twice: Bool = true) -> [String: Any] {
    [
      "title": figure.title, "wide": InlineSVG.embed(figure.wide, title: figure.title, prefix: "w\(name)-"),
      "narrow": twice
        ? [InlineSVG.embed(figure.narrow, title: figure.title, prefix: "n\(name)-", runs: false)] : [String](),
      "widths": twice ? "wide" : "scroll",
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

  private func files(_ path: String, _ result: StoredResult) -> [[String: Any]] {
    ResultDirectory.Name.all.filter { FileManager.default.fileExists(atPath: "\(result.path)/\($0)") }
      .map { ["name": $0, "href": "\(path)/\($0)"] }
  }

  private func chartFiles(_ entry: Entry) -> [[String: Any]] {
    entry.charts.flatMap { figure in
      ["csv", "gp", "png"].map { ["name": "\(figure.stem).\($0)", "href": "\(plotsLink)/\(figure.stem).\($0)"] }
    }
  }
}

extension Grade {
  /// The class of its badge in the style sheet.
  var styleClass: String {
    switch self {
    case .holds: "yes"
    case .holdsInDirection: "partly"
    case .fails: "no"
    case .capped: "capped"
    case .undecided, .reported: "open"
    }
  }
}
