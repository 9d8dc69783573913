import Experiment
import Mustache
package import Results
import Verdict

/// Machines side by side as a page of the report's style.
extension MachineGrid {
  package func html(writtenAt: String) throws -> String {
    let template = try MustacheTemplate(string: Self.template)
    func row(_ row: Row) -> [String: Any] {
      [
        "id": row.id, "claim": row.claim, "original": row.original,
        "cells": zip(machines, row.cells).map { machine, cell -> [String: Any] in cellValues(machine, cell) },
      ]
    }
    func fact(_ fact: Fact) -> [String: Any] {
      ["name": fact.name, "cells": zip(machines, fact.values).map { ["machine": $0, "value": $1] }]
    }
    return template.render([
      "style": Report.style + Self.style, "script": Report.hoverScript, "writtenAt": writtenAt, "machines": machines,
      "count": machines.count, "rows": rows.filter { !$0.isAside }.map(row), "asides": rows.filter(\.isAside).map(row),
      "hasAsides": rows.contains(where: \.isAside), "asideTitle": Overview.asideTitle, "columns": machines.count + 3,
      "differing": differing.map(fact), "hasDiffering": !differing.isEmpty,
      "same": same.map { ["name": $0.name, "value": $0.values[0]] }, "hasSame": !same.isEmpty,
    ])
  }

  private func cellValues(_ machine: String, _ cell: Cell?) -> [String: Any] {
    guard let cell else { return ["machine": machine, "has": false] }
    let notes =
      (cell.profile == .standard ? [] : ["\(cell.profile.rawValue) profile"])
      + (cell.isOther ? ["other levels or rules"] : [])
    return [
      "machine": machine, "has": true, "value": cell.line.ours.value, "interval": cell.line.ours.interval,
      "word": cell.line.grade.word, "sign": cell.line.grade.sign, "class": cell.line.grade.styleClass,
      "detail": cell.line.grade.detail, "limit": cell.line.limit, "notes": notes,
    ]
  }

  private static let style = """
    main.wide-page { max-width: 1400px; padding-top: 28px; }
    main.wide-page > header { max-width: none; margin: 0; }
    .grid td { min-width: 7em; } .grid .fine { font-size: 0.8rem; }
    .grid td:nth-child(2) { min-width: 12em; }
    @media (max-width: 700px) {
      .grid, .grid tbody, .grid tr, .grid td { display: block; border: 0; } .grid thead { display: none; }
      .grid tr { border-bottom: 1px solid var(--line); padding: 8px 0; } .grid td { padding: 2px 0; min-width: 0; }
      .grid td[data-label]::before { content: attr(data-label) ": "; color: var(--soft); font-size: 0.82rem; }
      .grid td:nth-child(2) { font-weight: 600; }
    }
    """

  private static let cells = """
    {{#cells}}<td data-label="{{machine}}">{{#has}}<b>{{value}}</b> <span class="fine">{{interval}}</span><br><span class="badge {{class}}">{{sign}} {{word}}</span> <span class="fine">{{detail}}{{#limit}}<br>limited by: {{limit}}{{/limit}}{{#notes}}<br>{{.}}{{/notes}}</span>{{/has}}{{^has}}<span class="fine">not measured</span>{{/has}}</td>{{/cells}}
    """

  private static let template =
    Report.opening(title: "Millrace: machines side by side") + """
      <main class="wide-page" id="top">
      <header><h1>Kafka's claims on {{count}} machines</h1><p class="fine">Written {{writtenAt}}.</p></header>
      <section class="plain">
      <table class="grid">
      <thead><tr><th></th><th>Claim</th><th>Original</th>{{#machines}}<th>{{.}}</th>{{/machines}}</tr></thead>
      <tbody>
      {{#rows}}<tr><td>{{id}}</td><td>{{claim}}</td><td data-label="original">{{original}}</td>\(cells)</tr>
      {{/rows}}{{#hasAsides}}<tr class="aside"><td colspan="{{columns}}" class="fine">{{asideTitle}}</td></tr>
      {{#asides}}<tr><td>{{id}}</td><td>{{claim}}</td><td data-label="original">{{original}}</td>\(cells)</tr>
      {{/asides}}{{/hasAsides}}
      </tbody>
      </table>
      </section>
      <section class="plain">
      <h2>What differs between the machines</h2>
      {{#hasDiffering}}<table class="grid">
      <thead><tr><th></th>{{#machines}}<th>{{.}}</th>{{/machines}}</tr></thead>
      <tbody>{{#differing}}<tr><td>{{name}}</td>{{#cells}}<td data-label="{{machine}}">{{value}}</td>{{/cells}}</tr>
      {{/differing}}</tbody></table>{{/hasDiffering}}{{^hasDiffering}}<p>Nothing that is recorded.</p>{{/hasDiffering}}
      {{#hasSame}}<details><summary>What is the same on all</summary><dl class="facts">{{#same}}<dt>{{name}}</dt><dd>{{value}}</dd>{{/same}}</dl></details>{{/hasSame}}
      </section>
      </main>

      """ + Report.ending
}
