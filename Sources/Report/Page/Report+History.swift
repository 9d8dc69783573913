import Experiment
import Results
import Verdict

/// How an experiment's effects went over its results: a small chart for each rule, and a table.
extension Report {
  private enum Limits {
    static let charts = 6
    /// Points of one small chart; the latest ones.
    static let points = 24
  }

  /// Nothing while there is one result only.
  func history(_ entry: Entry) -> [String: Any] {
    guard !entry.history.isEmpty else { return ["has": false] }
    // Oldest first, the shown one last.
    let results = Array((entry.history.reversed() + [entry.result]).suffix(Limits.points))
    let verdicts = results.map(\.verdict)
    // Those that are not alike are listed, and drawn in no line with these.
    let alike = zip(results, verdicts).filter { $0.0.isAlike(entry.result) }
    let rules = entry.result.verdict.findings.filter(\.decides).prefix(Limits.charts)
    return [
      "has": true, "charts": rules.compactMap { chart($0, alike.map(\.0), alike.map(\.1)) },
      "rows": zip(results, verdicts).reversed().map { result, verdict in
        row(result, verdict, beside: entry.result)
      },
    ]
  }

  private func row(_ result: StoredResult, _ verdict: Verdict, beside shown: StoredResult) -> [String: Any] {
    [
      "name": result.name, "href": "\(result.experiment.stem)/\(result.name)/\(ResultDirectory.Name.rows)",
      "profile": result.profile.rawValue, "outcome": badge(verdict.grade), "state": verdict.state.rawValue,
      "shown": result.path == shown.path ? "shown above" : "",
      "other": result.profile == shown.profile && !result.isAlike(shown) ? ["with other levels or rules"] : [String](),
    ]
  }

  private func chart(_ rule: Verdict.Finding, _ results: [StoredResult], _ verdicts: [Verdict]) -> [String: Any]? {
    let effects = verdicts.map { verdict in
      verdict.findings.first { $0.rule == rule.rule && $0.combination == rule.combination }?.effect
    }
    guard effects.compactMap(\.self).count > 1 else { return nil }
    let isFlat = rule.kind == .flat
    func text(_ value: Double) -> String {
      isFlat
        ? Figures.percent(value, signed: true)
        : Figures.text(value) + rule.kind.suffix
    }
    let first = effects.compactMap(\.self).first?.value ?? 0, last = effects.last.flatMap(\.self)?.value ?? first
    let trend = isFlat || first == 0 ? "" : ", \(Figures.percent(last / first - 1, signed: true)) since the first"
    return [
      "title": rule.rule + (rule.combination.isEmpty ? "" : ", \(rule.combination)"),
      "now": effects.last.flatMap(\.self).map { text($0.value) + trend } ?? "not measured in the latest",
      "svg": Spark(
        effects: effects,
        labels: zip(results, effects).map { result, effect in
          "\(result.name): \(effect.map { "\(text($0.value)) [\(text($0.low)), \(text($0.high))]" } ?? "–")"
        }
      ).svg,
    ]
  }
}

/// A line of values with their intervals, without axes, in the colours of the text around it.
struct Spark {
  let effects: [Estimate?]
  /// One a value, for the pointer.
  let labels: [String]

  private enum Page {
    static let width = 240.0, height = 64.0, border = 8.0
  }

  var svg: String {
    let present = effects.compactMap(\.self)
    let least = present.map(\.low).min() ?? 0, most = present.map(\.high).max() ?? 1
    let range = most > least ? most - least : 1
    func x(_ place: Int) -> Double {
      let step = (Page.width - 2 * Page.border) / Double(max(1, effects.count - 1))
      return Page.border + step * Double(place)
    }
    func y(_ value: Double) -> Double {
      Page.height - Page.border - (value - least) / range * (Page.height - 2 * Page.border)
    }
    func at(_ value: Double) -> String { CSV.number((value * 10).rounded() / 10) }
    var path = "", marks = ""
    for (place, effect) in effects.enumerated() {
      guard let effect else { continue }
      path += "\(path.isEmpty ? "M" : "L")\(at(x(place))),\(at(y(effect.value)))"
      let label = labels[place].replacing("&", with: "&amp;").replacing("<", with: "&lt;")
      marks +=
        "<g><title>\(label)</title><line x1=\"\(at(x(place)))\" x2=\"\(at(x(place)))\" y1=\"\(at(y(effect.low)))\" "
        + "y2=\"\(at(y(effect.high)))\"/><circle cx=\"\(at(x(place)))\" cy=\"\(at(y(effect.value)))\" r=\"3.5\"/></g>"
    }
    return
      "<svg class=\"spark\" viewBox=\"0 0 \(Int(Page.width)) \(Int(Page.height))\" role=\"img\" "
      + "aria-label=\"effect over results\"><path d=\"\(path)\"/>\(marks)</svg>"
  }
}
