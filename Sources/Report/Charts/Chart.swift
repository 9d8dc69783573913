package import Experiment
package import Verdict

/// The values of one chart, computed from rows: medians with their intervals, every raw value, and what the claim says.
///
/// Pure. `Chart+Script` turns it into a gnuplot script and the CSV that script reads; `Chart+Files` writes them.
package struct Chart: Sendable, Equatable {
  /// A line, or a colour of bars.
  package struct Series: Sendable, Equatable {
    /// Unique in the chart: the levels (or arm) joined by `/`.
    package var key: String
    package var label: String
    /// A control or ceiling is drawn dashed.
    package var isControl: Bool
  }

  package struct Panel: Sendable, Equatable {
    /// The level; empty when the chart has one panel.
    package var key: String
    package var label: String
  }

  package struct Point: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
      /// Of the valid replicates, with its interval.
      case median
      /// One valid replicate.
      case raw
      /// One invalid replicate: drawn hollow.
      case invalid
      /// What the original claim would have here.
      case claim
    }

    package var panel: String
    package var series: String
    package var kind: Kind
    /// Where it is drawn.
    package var x: Double
    /// The level it belongs to.
    package var level: String
    package var y: Double
    package var low: Double
    package var high: Double
    package var count: Int
  }

  /// A place on the x axis that has a name of its own.
  package struct Tick: Sendable, Equatable {
    package var x: Double
    package var label: String
  }

  package struct Line: Sendable, Equatable {
    package var axis: ReferenceLine.Axis
    package var at: Double
    package var label: String
  }

  package var definition: ChartDefinition
  /// `06-throughput-over-volume`, or with the chart's name behind it: the stem of its files.
  package var stem: String
  package var panels: [Panel]
  package var series: [Series]
  package var points: [Point]
  /// Empty where the axis counts by itself.
  package var ticks: [Tick]
  package var lines: [Line]
  /// What the `claim` points are; empty without any.
  package var claimLabel: String
  /// Fewest and most replicates behind a median.
  package var replicates: ClosedRange<Int>
  /// Who measured what when: printed small.
  package var caption: String

  package enum Limits {
    /// Beyond the palette colours would repeat.
    package static let seriesMax = 8
  }

  /// Nil when nothing that was measured has a place in the chart. `rows` may include invalid ones.
  ///
  /// - Parameters:
  ///   - series: of the same runs; only a curve is drawn from it.
  ///   - ceiling: what was probed before the campaign, for reference lines.
  package init?(
    _ definition: ChartDefinition, of experiment: Experiment, rows: [Row], series: [SeriesPoint] = [],
    ceiling: Ceiling? = nil, seed: UInt64, caption: String
  ) {
    if definition.kind == .curve {
      self.init(
        curve: definition, of: experiment, rows: rows, series: series, ceiling: ceiling, seed: seed, caption: caption)
    } else {
      self.init(levels: definition, of: experiment, rows: rows, seed: seed, caption: caption)
    }
  }

  private init?(
    levels definition: ChartDefinition, of experiment: Experiment, rows: [Row], seed: UInt64, caption: String
  ) {
    let plotter = Plotter(definition: definition, experiment: experiment, seed: seed)
    let placed = plotter.place(rows)
    guard !placed.isEmpty else { return nil }
    self.definition = definition
    stem = experiment.stem + (definition.name.isEmpty ? "" : "-" + definition.name)
    panels = plotter.panels(placed)
    series = Array(plotter.series(placed).prefix(Limits.seriesMax))
    ticks = plotter.ticks(placed)
    let keys = series.map(\.key)
    let drawn = placed.filter { keys.contains($0.series) }
    var points =
      definition.kind == .heatmap
      ? plotter.ratios(drawn, series: keys) : plotter.points(drawn, series: keys, panels: panels.map(\.key))
    if points.isEmpty { return nil }
    let counts = points.filter { $0.kind == .median }.map(\.count)
    replicates = (counts.min() ?? 0)...(counts.max() ?? 0)
    let claims: (label: String, points: [Point]) =
      definition.kind == .heatmap ? ("", []) : plotter.claims(points, rows: rows.filter(\.isValid))
    claimLabel = claims.label
    points += claims.points
    self.points = points
    lines = plotter.lines(probed: [:])
    self.caption = caption
  }
}

/// Finds each row's place. Owned by `Chart.init`.
private struct Plotter {
  let definition: ChartDefinition
  let experiment: Experiment
  let seed: UInt64

  struct Placed {
    var row: Row
    var panel: String
    var series: String
    var level: String
    var value: Double
  }

  /// The rows this chart draws, in the order of the definition's arms and levels.
  func place(_ rows: [Row]) -> [Placed] {
    let drawn =
      definition.arms.isEmpty
      ? experiment.arms.filter { $0.role != .again }.map(\.name) : definition.arms
    return drawn.flatMap { arm in rows.filter { $0.arm == arm } }.flatMap { row -> [Placed] in
      guard let value = row.metrics[definition.y] else { return [] }
      let kept = definition.only.allSatisfy { factor in
        row.levels[factor.name].map { factor.levels.contains($0) } ?? true
      }
      guard kept else { return [] }
      let series = definition.series.map { self.level($0, of: row) ?? "" }.joined(separator: "/")
      let panel = definition.panels.flatMap { self.level($0, of: row) } ?? ""
      return places(of: row).map { Placed(row: row, panel: panel, series: series, level: $0, value: value) }
    }
  }

  /// The levels of x at which a row stands. An arm that does not depend on x is the same at each of them: among lines a level one.
  private func places(of row: Row) -> [String] {
    if let level = level(definition.x, of: row) { return [level] }
    let ignores = experiment.arm(named: row.arm)?.ignores.contains(definition.x) ?? false
    guard definition.kind == .lines, ignores else { return [] }
    return experiment.factor(named: definition.x)?.levels.map(\.text) ?? []
  }

  private func level(_ name: String, of row: Row) -> String? {
    switch name {
    case "arm": row.arm
    case "tier": row.tier.rawValue
    default: row.levels[name]?.text
    }
  }

  /// Levels in the definition's order where it has one, else as they come.
  private func ordered(_ name: String, _ present: [String]) -> [String] {
    var unique: [String] = []
    for level in present where !unique.contains(level) { unique.append(level) }
    guard let levels = experiment.factor(named: name)?.levels.map(\.text) else { return unique }
    return levels.filter(unique.contains) + unique.filter { !levels.contains($0) }
  }

  private func label(_ name: String, _ level: String) -> String {
    name == "arm" ? experiment.arm(named: level)?.label ?? level : level
  }

  func panels(_ placed: [Placed]) -> [Chart.Panel] {
    guard let name = definition.panels else { return [Chart.Panel(key: "", label: "")] }
    return ordered(name, placed.map(\.panel)).map { Chart.Panel(key: $0, label: label(name, $0)) }
  }

  func series(_ placed: [Placed]) -> [Chart.Series] {
    let keys = ordered(definition.series.count == 1 ? definition.series[0] : "", placed.map(\.series))
    return keys.map { key in
      let parts = zip(definition.series, key.split(separator: "/", omittingEmptySubsequences: false).map(String.init))
      let roles = Set(placed.filter { $0.series == key }.map(\.row.role))
      return Chart.Series(
        key: key, label: parts.map { seriesLabel($0, $1) }.filter { !$0.isEmpty }.joined(separator: ", "),
        isControl: roles == [.control])
    }
  }

  /// A number alone says nothing beside a line; up the side of a heat map there is a title for it.
  private func seriesLabel(_ name: String, _ level: String) -> String {
    guard name != "arm", definition.kind != .heatmap else { return label(name, level) }
    return Level(level).words(of: name)
  }

  // MARK: The x axis

  private func levels(_ placed: [Placed]) -> [String] { ordered(definition.x, placed.map(\.level)) }

  /// Bars stand in groups around whole numbers; lines run over the levels' own numbers, if they all are numbers.
  private var isNumeric: Bool {
    guard definition.kind == .lines, let factor = experiment.factor(named: definition.x) else { return false }
    return factor.levels.allSatisfy { $0.number != nil }
  }

  private enum Ticks {
    /// More levels than this are left to the axis.
    static let numericMax = 8
  }

  func ticks(_ placed: [Placed]) -> [Chart.Tick] {
    let levels = levels(placed)
    if isNumeric {
      guard levels.count <= Ticks.numericMax else { return [] }
      return levels.compactMap { text in Double(text).map { Chart.Tick(x: $0, label: text) } }
    }
    return levels.enumerated().map { Chart.Tick(x: Double($0.offset), label: label(definition.x, $0.element)) }
  }

  /// Where a series stands at a level. Where x and colour are the same thing there is one bar a place.
  private func position(_ level: String, series: String, levels: [String], keys: [String]) -> Double {
    if isNumeric { return Double(level) ?? 0 }
    let group = Double(levels.firstIndex(of: level) ?? 0)
    guard definition.kind == .bars, definition.series != [definition.x], keys.count > 1 else { return group }
    let place = Double(keys.firstIndex(of: series) ?? 0) - Double(keys.count - 1) / 2
    return group + place * Chart.groupWidth / Double(keys.count)
  }

  // MARK: The points

  /// Contiguous by kind, panel and series, as gnuplot's lines need them.
  func points(_ placed: [Placed], series keys: [String], panels: [String]) -> [Chart.Point] {
    let levels = levels(placed)
    var medians: [Chart.Point] = [], raws: [Chart.Point] = [], invalids: [Chart.Point] = []
    for panel in panels {
      for key in keys {
        for level in levels {
          let here = placed.filter { $0.panel == panel && $0.series == key && $0.level == level }
          let x = position(level, series: key, levels: levels, keys: keys)
          func point(_ kind: Chart.Point.Kind, _ x: Double, _ estimate: Estimate) -> Chart.Point {
            Chart.Point(
              panel: panel, series: key, kind: kind, x: x, level: level, y: estimate.value, low: estimate.low,
              high: estimate.high, count: estimate.count)
          }
          if let median = Statistics.medianInterval(here.filter(\.row.isValid).map(\.value), seed: seed) {
            medians.append(point(.median, x, median))
          }
          for (index, one) in here.enumerated() {
            let alone = Estimate(value: one.value, low: one.value, high: one.value, count: 1)
            let shifted = x + (definition.kind == .bars ? jitter(index, of: here.count, keys: keys.count) : 0)
            if one.row.isValid {
              raws.append(point(.raw, shifted, alone))
            } else {
              invalids.append(point(.invalid, shifted, alone))
            }
          }
        }
      }
    }
    return medians + raws + invalids
  }

  /// Of a heat map: where a level of x meets one of the series, the first arm's median over the second's.
  func ratios(_ placed: [Placed], series keys: [String]) -> [Chart.Point] {
    let levels = levels(placed)
    func values(_ arm: String, _ key: String, _ level: String) -> [Double] {
      placed.filter { $0.row.isValid && $0.row.arm == arm && $0.series == key && $0.level == level }.map(\.value)
    }
    return keys.flatMap { key in
      levels.enumerated().compactMap { place, level -> Chart.Point? in
        let test = values(definition.arms.first ?? "", key, level)
        let baseline = values(definition.arms.last ?? "", key, level)
        guard let ratio = Statistics.ratioOfMedians(test, over: baseline, seed: seed), ratio.low > 0 else { return nil }
        return Chart.Point(
          panel: "", series: key, kind: .median, x: Double(place), level: level, y: ratio.value, low: ratio.low,
          high: ratio.high, count: min(test.count, baseline.count))
      }
    }
  }

  /// Raw values side by side across half of their bar, so that equal ones do not hide each other.
  private func jitter(_ index: Int, of count: Int, keys: Int) -> Double {
    let bars = definition.series == [definition.x] ? 1 : keys
    let width = Chart.groupWidth / Double(bars) * 0.5
    return count > 1 ? (Double(index) / Double(count - 1) - 0.5) * width : 0
  }

  func lines(probed: [String: Double]) -> [Chart.Line] { Chart.lines(of: definition, experiment, probed: probed) }

  // MARK: The original claim

  /// Claims that can be drawn without a number of their own: "flat" (the level of the first tenth, carried on), and an
  /// original ratio, at a level of x or of an arm (our baseline times that ratio).
  func claims(_ points: [Chart.Point], rows: [Row]) -> (label: String, points: [Chart.Point]) {
    let ideal = idealClaims(points, rows: rows)
    if !ideal.isEmpty { return ("ideal: one's rate for each that can work", ideal) }
    let shape = shapeClaims(points)
    if !shape.isEmpty { return ("the original's ratio, from our baseline", shape) }
    for rule in experiment.verdicts where rule.metric == definition.y {
      switch rule.kind {
      case .flat where definition.x == experiment.sweep?.name && definition.series == ["arm"]:
        let line = flatClaim(points, arm: rule.test.arms.first ?? "")
        if !line.isEmpty { return ("the claim: as fast as at the start", line) }
      case .ratio where rule.better == .higher && definition.series == ["arm"]:
        let marks = ratioClaims(points, baseline: rule.baseline.arms, test: rule.test.arms)
        if !marks.isEmpty { return ("the original's ratio, from our baseline", marks) }
      default: continue
      }
    }
    return ("", [])
  }

  /// Where a rule holds that each worker does as much as one alone: its rate times the workers, who are what the two metrics' quotient says.
  private func idealClaims(_ points: [Chart.Point], rows: [Row]) -> [Chart.Point] {
    let each = definition.y + "_per_worker"
    let arms = Set(place(rows).map(\.row.arm))
    let rule = experiment.verdicts.first {
      $0.kind == .equal && $0.metric == each && !arms.isDisjoint(with: $0.test.arms)
    }
    guard let rule, definition.kind == .lines else { return [] }
    let alone = rows.filter { row in
      rule.baseline.arms.contains(row.arm) && rule.baseline.levels.allSatisfy { row.levels[$0.name] == $0.value }
    }
    guard let rate = Statistics.median(alone.compactMap { $0.metrics[each] }) else { return [] }
    let placed = place(rows)
    return points.filter { $0.kind == .median }.compactMap { point in
      let here = placed.filter { $0.panel == point.panel && $0.series == point.series && $0.level == point.level }
      let workers = here.compactMap { one in one.row.metrics[each].map { one.value / $0 } }
      guard let count = Statistics.median(workers), count.isFinite else { return nil }
      var claim = point
      let value = rate * rule.around * count
      (claim.kind, claim.y, claim.low, claim.high, claim.count) = (.claim, value, value, value, 0)
      return claim
    }
  }

  /// Where each arm has a bar: what the ratio that a rule expects makes of its baseline's bar.
  private func shapeClaims(_ points: [Chart.Point]) -> [Chart.Point] {
    guard definition.x == "arm", definition.series == ["arm"] else { return [] }
    func median(_ arm: String?) -> Chart.Point? { points.first { $0.kind == .median && $0.series == arm } }
    return experiment.verdicts.compactMap { rule in
      guard rule.kind == .equal, rule.around != 1, rule.metric == definition.y, rule.per.isEmpty,
        let baseline = median(rule.baseline.arms.first), var claim = median(rule.test.arms.first)
      else { return nil }
      let value = baseline.y * rule.around
      (claim.kind, claim.y, claim.low, claim.high, claim.count) = (.claim, value, value, value, 0)
      return claim
    }
  }

  private func flatClaim(_ points: [Chart.Point], arm: String) -> [Chart.Point] {
    let curve = points.filter { $0.kind == .median && $0.series == arm }.sorted { $0.x < $1.x }
    guard curve.count >= 3, let level = Statistics.median(curve.prefix((curve.count + 9) / 10).map(\.y)) else {
      return []
    }
    return curve.map { point in
      var claim = point
      (claim.kind, claim.y, claim.low, claim.high, claim.count) = (.claim, level, level, level, 0)
      return claim
    }
  }

  private func ratioClaims(_ points: [Chart.Point], baseline: [String], test: [String]) -> [Chart.Point] {
    experiment.originals.compactMap { original in
      guard let at = original.at, let ratio = original.value, original.unit == "times", baseline.count == 1 else {
        return nil
      }
      let here = points.filter { $0.kind == .median && $0.level == at.text }
      guard let slow = here.first(where: { $0.series == baseline[0] }) else { return nil }
      guard var claim = here.first(where: { test.contains($0.series) }) else { return nil }
      let value = slow.y * ratio
      (claim.kind, claim.y, claim.low, claim.high, claim.count) = (.claim, value, value, value, 0)
      return claim
    }
  }
}

extension Chart {
  /// The reference lines whose places are known.
  static func lines(
    of definition: ChartDefinition, _ experiment: Experiment, probed: [String: Double]
  ) -> [Line] {
    definition.references.compactMap { reference in
      let text = reference.at.text
      let name = String(text.dropFirst().dropLast())
      let isName = text.hasPrefix("{") && text.hasSuffix("}")
      let value =
        reference.at.number
        ?? (isName ? probed[name] ?? experiment.fixed.first { $0.name == name }?.value.number : nil)
      return value.map { Line(axis: reference.axis, at: $0, label: reference.label) }
    }
  }

  /// Share of the distance between two groups of bars that the bars fill.
  static let groupWidth = 0.8
}
