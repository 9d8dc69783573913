package import Experiment
package import Verdict

extension StoredResult {
  /// The result under the words and charts of today's definition: the claim and its figures in a few words, the source's figures and errata, and the charts
  /// whose arms, factors and metrics the stored rows have. What decides (arms, levels, rules) stays as it was fixed before the run.
  ///
  /// A title can be mended, and an axis made logarithmic, without a campaign being run again.
  package func presented(by definitions: [Experiment]) -> StoredResult {
    guard let today = definitions.first(where: { $0.id == experiment.id })?.under(profile) else { return self }
    var shown = self
    shown.experiment.brief = today.brief
    shown.experiment.originals = today.originals
    shown.experiment.errata = today.errata
    for index in shown.experiment.verdicts.indices {
      let rule = today.verdicts.first { $0.name == shown.experiment.verdicts[index].name }
      if let rule { shown.experiment.verdicts[index].figure = rule.figure }
    }
    let drawable = today.charts.filter(experiment.canDraw)
    if !drawable.isEmpty { shown.experiment.charts = drawable }
    return shown
  }
}

extension Experiment {
  /// Whether rows of this definition have what a chart draws.
  fileprivate func canDraw(_ chart: ChartDefinition) -> Bool {
    func isKnown(_ name: String) -> Bool { name == "arm" || name == "tier" || factor(named: name) != nil }
    let x = chart.kind == .curve && SeriesPoint.curveAxes.contains(chart.x) ? [] : [chart.x]
    let names = x + chart.series + (chart.panels.map { [$0] } ?? []) + chart.only.map(\.name)
    // A curve is drawn from series.csv, which every result has.
    return (chart.kind == .curve || metrics.contains(chart.y)) && names.allSatisfy(isKnown)
      && (chart.arms.isEmpty || chart.arms.contains { arm(named: $0) != nil })
  }
}
