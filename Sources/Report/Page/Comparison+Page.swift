import Experiment
import Glibc
import Mustache
import Results
package import Verdict

/// A comparison as a page of the report's style: what differs in configuration, in environment, and then in numbers.
extension Comparison {
  package func html(_ first: StoredResult, _ second: StoredResult, writtenAt: String) throws -> String {
    let template = try MustacheTemplate(string: Self.template)
    let widest = effects.compactMap(\.ratio).flatMap { [$0.high, 1 / max($0.low, 1e-9)] }.max() ?? 2
    // Ratios beyond ten are drawn at the edge: one giant would flatten all others.
    let range = min(max(widest, 1.1), 10)
    return template.render([
      "style": Report.style + Self.style, "script": Report.hoverScript, "writtenAt": writtenAt,
      "id": first.experiment.id, "title": first.experiment.title, "claim": first.experiment.claim,
      "first": side(first), "second": side(second), "outcome": mark(outcome), "exitCode": String(exitCode),
      "tally": summary, "margin": Figures.percent(margin),
      "configuration": configuration, "hasConfiguration": !configuration.isEmpty, "environment": environment,
      "hasEnvironment": !environment.isEmpty,
      "effects": effects.map { row($0, range: range) }, "hasEffects": !effects.isEmpty,
    ])
  }

  private func side(_ result: StoredResult) -> [String: Any] {
    let verdict = result.verdict
    return [
      "name": result.name, "profile": result.profile.rawValue, "verdict": verdict.outcome.rawValue,
      "state": verdict.state.rawValue, "runs": "\(result.finishedRuns) of \(result.plannedRuns) runs",
      "class": verdict.outcome == .supported ? "yes" : verdict.outcome == .notSupported ? "no" : "open",
    ]
  }

  private func mark(_ change: Change) -> [String: Any] {
    switch change {
    case .same: ["word": "SAME", "class": "same", "sign": "="]
    case .better: ["word": "BETTER", "class": "yes", "sign": "▲"]
    case .worse: ["word": "WORSE", "class": "no", "sign": "▼"]
    case .inconclusive: ["word": "INCONCLUSIVE", "class": "open", "sign": "?"]
    }
  }

  private func row(_ effect: Effect, range: Double) -> [String: Any] {
    [
      "arm": effect.arm, "levels": effect.levels, "metric": effect.metric.replacing("_", with: " "),
      "ratio": effect.ratio.map { Figures.interval($0, suffix: "×") } ?? effect.counts?.sentence ?? effect.missing
        ?? "too few valid runs",
      "p": effect.p.map { $0 < 0.001 ? "< 0.001" : Figures.text($0, digits: 2) } ?? "–",
      "floor": Figures.percent(effect.margin), "change": mark(effect.change), "plot": plot(effect, range: range),
    ]
  }

  private enum Page {
    static let width = 260.0, height = 30.0
  }

  /// The ratio with its interval over the margin's band, on a logarithmic axis whose middle is 1.
  private func plot(_ effect: Effect, range: Double) -> String {
    func x(_ ratio: Double) -> String {
      let bounded = min(max(ratio, 1 / range), range)
      let place = Page.width / 2 * (1 + log(bounded) / log(range) * 0.96)
      return CSV.number((place * 10).rounded() / 10)
    }
    let middle = Page.height / 2
    let from = x(1 / (1 + effect.margin)), to = x(1 + effect.margin)
    let width = CSV.number(max(0, (Double(to) ?? 0) - (Double(from) ?? 0)))
    let band =
      "<rect class=\"band\" x=\"\(from)\" y=\"2\" width=\"\(width)\" height=\"\(CSV.number(Page.height - 4))\"/>"
      + "<line class=\"one\" x1=\"\(x(1))\" x2=\"\(x(1))\" y1=\"0\" y2=\"\(CSV.number(Page.height))\"/>"
    var mark = ""
    if let ratio = effect.ratio {
      let label = "\(effect.arm): \(Figures.interval(ratio, suffix: "×"))".replacing("&", with: "&amp;")
        .replacing("<", with: "&lt;")
      mark =
        "<line x1=\"\(x(ratio.low))\" x2=\"\(x(ratio.high))\" y1=\"\(middle)\" y2=\"\(middle)\"/>"
        + "<g><title>\(label)</title><circle cx=\"\(x(ratio.value))\" cy=\"\(middle)\" r=\"4.5\"/></g>"
    }
    return "<svg class=\"spark effect\" viewBox=\"0 0 \(Int(Page.width)) \(Int(Page.height))\" role=\"img\" "
      + "aria-label=\"effect\">\(band)\(mark)</svg>"
  }

  private static let style = """
    .badge.same { color: var(--soft); background: var(--line); }
    .effect { min-width: 150px; max-width: 260px; color: var(--ink); }
    .effect .band { fill: var(--line); }
    .effect line { stroke-width: 2.2; stroke-opacity: 1; }
    .effect .one { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
    .sides { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
    .sides .card { padding: 12px 16px; overflow-wrap: anywhere; }
    @media (max-width: 700px) { .sides { grid-template-columns: 1fr; } .effect { max-width: none; }
      .findings td[data-label]:nth-child(n+3)::before { content: attr(data-label) ": "; color: var(--soft); } }
    """

  private static let template =
    Report.opening(title: "Millrace: {{id}}, two results compared") + """
      <header>
      <h1>{{title}}</h1>
      <p class="lead">{{id}}: the second result against the first. {{#outcome}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/outcome}} <span class="fine">{{tally}}; exit code {{exitCode}}</span></p>
      <p class="fine">Written {{writtenAt}}. Claim: {{claim}}</p>
      </header>
      <main>
      <section class="sides">
      {{#first}}<div class="card"><b>First</b><br>{{name}}<br><span class="fine">{{profile}} profile, {{runs}}</span><br><span class="badge {{class}}">{{verdict}}</span> <span class="state">{{state}}</span></div>{{/first}}
      {{#second}}<div class="card"><b>Second</b><br>{{name}}<br><span class="fine">{{profile}} profile, {{runs}}</span><br><span class="badge {{class}}">{{verdict}}</span> <span class="state">{{state}}</span></div>{{/second}}
      </section>
      <section class="card-page">
      <h2>What differs besides the numbers</h2>
      <p class="fine">A changed number means little where something else changed too.</p>
      <div class="columns">
      <div><h3>Configuration</h3>{{#hasConfiguration}}<ul>{{#configuration}}<li>{{.}}</li>{{/configuration}}</ul>{{/hasConfiguration}}{{^hasConfiguration}}<p>The same.</p>{{/hasConfiguration}}</div>
      <div><h3>Environment</h3>{{#hasEnvironment}}<ul>{{#environment}}<li>{{.}}</li>{{/environment}}</ul>{{/hasEnvironment}}{{^hasEnvironment}}<p>The same.</p>{{/hasEnvironment}}</div>
      </div>
      </section>
      <section class="card-page">
      <h2>Effects</h2>
      <p class="fine">Above 1× the second result is better, whatever the metric's direction. Dots: ratio of geometric means; lines: its 95 % interval; grey: the margin, {{margin}} or the arm's noise floor (A/A) where that is larger. An effect is worse, better or the same when a one-sided t test of the logarithms says so beyond or within the margin; p is corrected for the number of effects (Holm).</p>
      {{#hasEffects}}<table class="findings">
      <thead><tr><th>Arm</th><th>Effect</th><th class="number">Ratio [95 %]</th><th class="number">p</th><th class="number">Margin</th><th>Change</th></tr></thead>
      <tbody>{{#effects}}<tr><td><b>{{arm}}</b> <span class="fine">{{metric}}</span><br>{{levels}}</td><td>{{{plot}}}</td><td class="number" data-label="Ratio">{{ratio}}</td><td class="number" data-label="p">{{p}}</td><td class="number" data-label="Margin">{{floor}}</td><td>{{#change}}<span class="badge {{class}}">{{sign}} {{word}}</span>{{/change}}</td></tr>{{/effects}}</tbody>
      </table>{{/hasEffects}}{{^hasEffects}}<p>The two have no arm and metric in common.</p>{{/hasEffects}}
      </section>
      </main>

      """ + Report.ending
}
