import Base
import Measure

/// What must hold between the parts of a definition: every name used is a name defined.
///
/// These errors know no line (the text was well formed); they name the key, and `DefinitionError.located` finds it.
struct DefinitionCheck {
  let experiment: Experiment
  let file: String

  func check() throws(DefinitionError) {
    let words = experiment.brief.split(whereSeparator: \.isWhitespace).count
    if words > Experiment.briefWordsMax {
      throw error("brief", "\(words) words, and a line of a table has room for \(Experiment.briefWordsMax)")
    }
    try checkArms()
    try checkTimes()
    try checkMetrics()
    try checkProfiles()
    for rule in experiment.verdicts { try check(rule) }
    for chart in experiment.charts { try check(chart) }
    if experiment.verdicts.isEmpty { throw error("verdicts", "an experiment needs at least one verdict rule") }
    if experiment.charts.isEmpty { throw error("charts", "an experiment needs at least one chart") }
  }

  private func checkArms() throws(DefinitionError) {
    if experiment.arms.isEmpty { throw error("arms", "an experiment needs arms") }
    var seen: Set<String> = []
    for arm in experiment.arms {
      let key = "arms.\(arm.name)"
      if !seen.insert(arm.name).inserted { throw error(key, "two arms have this name") }
      try check(arm, key)
    }
  }

  private func check(_ arm: Arm, _ key: String) throws(DefinitionError) {
    switch (arm.role, arm.repeats) {
    case (.again, nil): throw error(key, "an arm of role `again` says which arm it `repeats`")
    case (.again, let name?): try known(name, arms, "\(key).repeats", "arm")
    case (_, _?): throw error(key, "`repeats` belongs to role `again`")
    case (_, nil): break
    }
    var placeholders =
      experiment.factors.map(\.name) + experiment.fixed.map(\.name) + ["seed", "directory", "aa_pairs"]
    for value in arm.numbers {
      for name in Placeholder.names(in: value.text) { try known(name, placeholders, key, "factor or fixed value") }
    }
    if let pilot = arm.paceOf {
      try known(pilot, arms, "\(key).pace_of", "arm")
      placeholders.append(experiment.placeholder(forPaceOf: pilot))
    }
    if arm.data != nil { placeholders.append("data_file") }
    for setting in arm.settings {
      for name in Placeholder.names(in: setting.value.text) {
        try known(name, placeholders, "\(key).\(setting.name)", "factor or fixed value")
        if arm.ignores.contains(name) { throw error("\(key).\(setting.name)", "uses `\(name)`, which the arm ignores") }
      }
    }
    for name in arm.ignores { try known(name, factorNames, "\(key).ignores", "factor") }
    for factor in arm.only { try check(levels: factor, "\(key).only") }
  }

  private func checkMetrics() throws(DefinitionError) {
    for name in experiment.metrics {
      if Metric.named(name) != nil { continue }
      throw error("metrics", "`\(name)` is no metric", Spelling.nearest(to: name, among: Metric.catalogue.map(\.name)))
    }
    if experiment.metrics.isEmpty { throw error("metrics", "an experiment measures something") }
  }

  private func checkProfiles() throws(DefinitionError) {
    for (profile, changes) in experiment.profiles {
      let key = "profiles.\(profile.rawValue)"
      for factor in changes.factors {
        try known(factor.name, experiment.factors.map(\.name), "\(key).factors", "factor")
      }
      for setting in changes.fixed { try known(setting.name, experiment.fixed.map(\.name), "\(key).fixed", "value") }
      for name in changes.arms ?? [] { try known(name, arms, "\(key).arms", "arm") }
      if let sweep = changes.sweep, sweep.name != experiment.sweep?.name {
        throw error("\(key).sweep", "`\(sweep.name)` is not what the experiment sweeps")
      }
    }
  }

  private func check(_ rule: VerdictRule) throws(DefinitionError) {
    let key = "verdicts.\(rule.name)"
    try known(rule.metric, experiment.metrics, "\(key).metric", "metric of this experiment")
    // A flat rule holds the broker against a bare control, and a ratio below 1 against the bare mechanism it cannot beat;
    // other rules stay on one tier.
    let crossesTiers = rule.kind == .flat || rule.kind == .ratio && (rule.threshold ?? 1) < 1
    for (selection, name) in [(rule.test, "test"), (rule.baseline, "baseline")] {
      if selection.arms.isEmpty, name == "test" || rule.kind.needsBaseline {
        throw error("\(key).\(name)", "names no arm")
      }
      for arm in selection.arms {
        try known(arm, arms, "\(key).\(name)", "arm")
        if !crossesTiers, experiment.arm(named: arm)?.tier != rule.tier {
          throw error("\(key).\(name)", "arm `\(arm)` is not \(rule.tier.rawValue)")
        }
      }
      for setting in selection.levels {
        try check(levels: Factor(name: setting.name, levels: [setting.value]), "\(key).\(name).levels")
      }
    }
    try checkDurability(rule, key)
    try checkLevels(rule, key)
    for name in rule.per { try known(name, factorNames, "\(key).per", "factor") }
    for factor in rule.only { try check(levels: factor, "\(key).only") }
    switch rule.kind {
    case .ratio where rule.threshold == nil: throw error(key, "a ratio needs a `threshold`")
    case .value where rule.threshold == nil: throw error(key, "a value needs a `threshold`")
    case .equal where rule.tolerance == nil: throw error(key, "`equal` needs a `tolerance`")
    case .flat where rule.tolerance == nil || rule.lastDecile == nil:
      throw error(key, "`flat` needs a `tolerance` and `last_decile`")
    case .flat where experiment.sweep == nil: throw error(key, "`flat` needs a `sweep`")
    case .flat where rule.baseline.arms.isEmpty && Metric.named(rule.metric)?.comparesTwins != true:
      throw error(
        "\(key).baseline", "names no arm, and `\(rule.metric)` is no ratio of two things measured side by side")
    case .exponent where (rule.tolerance == nil) == (rule.threshold == nil):
      throw error(key, "`exponent` needs a `tolerance` around zero, or a `threshold` to be above")
    case .exponent where experiment.sweep == nil: throw error(key, "`exponent` needs a `sweep`")
    case .slope where rule.threshold == nil: throw error(key, "a slope needs a `threshold`")
    case .trend, .cost, .slope: try checkSteps(rule, key)
    case .drift: try checkDrift(rule, key)
    case .ratio, .value, .equal, .flat, .exponent, .never: break
    }
    if rule.kind != .drift, rule.span != nil { throw error("\(key).span", "belongs to `drift`") }
    if rule.kind != .equal, rule.around != 1 { throw error("\(key).around", "belongs to `equal`") }
    if !(rule.around > 0) { throw error("\(key).around", "a ratio is above zero") }
    if ![.trend, .cost, .slope].contains(rule.kind), rule.over != nil {
      throw error("\(key).over", "belongs to `trend`, `cost` and `slope`")
    }
    if rule.kind == .cost, Metric.named(rule.metric)?.kind != .rate {
      throw error("\(key).metric", "a `cost` is the inverse of a rate, and `\(rule.metric)` is none")
    }
  }

  /// Rows of different levels make no median together: of each factor that an arm runs at several levels of, the rule says at
  /// which, or that each is a comparison of its own.
  private func checkLevels(_ rule: VerdictRule, _ key: String) throws(DefinitionError) {
    guard rule.kind != .never else { return }
    for (selection, side) in [(rule.test, "test"), (rule.compared, "baseline")] {
      let named = rule.per + selection.levels.map(\.name) + (rule.over.map { [$0] } ?? [])
      for arm in selection.arms.compactMap({ experiment.arm(named: $0) }) {
        for factor in experiment.factors where !arm.ignores.contains(factor.name) && !named.contains(factor.name) {
          let allowed = rule.only.first { $0.name == factor.name }?.levels ?? factor.levels
          let ran = (arm.only.first { $0.name == factor.name }?.levels ?? factor.levels).filter(allowed.contains)
          guard ran.count > 1 else { continue }
          throw error(
            "\(key).\(side)",
            "arm `\(arm.name)` runs at \(ran.count) levels of `\(factor.name)`, and the rule does not say which it means: name "
              + "one in `levels`, or `\(factor.name)` in `per`")
        }
      }
    }
  }

  private func checkSteps(_ rule: VerdictRule, _ key: String) throws(DefinitionError) {
    guard let over = rule.over else {
      throw error(key, "`\(rule.kind.rawValue)` needs `over`: the factor whose levels are its steps")
    }
    try known(over, factorNames, "\(key).over", "factor")
    if rule.per.contains(over) { throw error("\(key).per", "holds `\(over)`, and the rule is over it") }
    guard allLevels(of: over).allSatisfy({ Level($0).number != nil }) else {
      throw error("\(key).over", "the levels of `\(over)` are no numbers, so they have no order")
    }
  }

  private func checkDrift(_ rule: VerdictRule, _ key: String) throws(DefinitionError) {
    guard experiment.sweepsTime else {
      throw error(key, "`drift` is over the time of a run, which needs a `sweep` of `\(TimeSweep.factor)`")
    }
    guard (rule.tolerance == nil) != (rule.threshold == nil) else {
      throw error(
        key, "`drift` needs a `tolerance`, as a share of the metric's level, or a `threshold` in the metric's unit")
    }
    if let most = rule.tolerance ?? rule.threshold, !(most > 0) {
      throw error(key, "\(Figures.text(most)) is no room for anything: no interval is as narrow as that")
    }
  }

  /// Windows follow each other from the beginning of a run.
  private func checkTimes() throws(DefinitionError) {
    let sweeps = [experiment.sweep] + experiment.profiles.values.map(\.sweep)
    for sweep in sweeps.compactMap(\.self) where sweep.name == TimeSweep.factor {
      let ends = sweep.levels.map { $0.number ?? 0 }
      guard zip([0] + ends, ends).allSatisfy({ $0 < $1 }) else {
        throw error(
          "sweep", "the levels of `\(sweep.name)` are the ends of windows in seconds, each later than the one before")
      }
    }
  }

  /// What an acknowledged byte survives is a part of what is promised for it: two promises are not one faster than the
  /// other. An arm without bytes to keep (`none`) promises nothing and compares with all.
  private func checkDurability(_ rule: VerdictRule, _ key: String) throws(DefinitionError) {
    guard !rule.acrossDurability else { return }
    let compared = rule.test.arms + rule.baseline.arms
    let labels = compared.compactMap { experiment.arm(named: $0)?.durability }.filter { $0 != .nothing }
    guard let first = labels.first, let other = labels.first(where: { $0 != first }) else { return }
    throw error(
      key, "compares arms of durability `\(first)` and `\(other)`; `across_durability: true` says that this is meant")
  }

  private func check(_ chart: ChartDefinition) throws(DefinitionError) {
    let key = "charts.\(chart.name.isEmpty ? experiment.name : chart.name)"
    for name in chart.arms { try known(name, arms, "\(key).arms", "arm") }
    for line in chart.references {
      for name in Placeholder.names(in: line.at.text) {
        try known(
          name, experiment.fixed.map(\.name) + ReferenceLine.probed, "\(key).lines", "fixed value, nor what was probed")
      }
    }
    guard chart.kind != .curve else { return try checkCurve(chart, key) }
    try known(chart.y, experiment.metrics, "\(key).y", "metric of this experiment")
    let axes = factorNames + ["arm", "tier"]
    try known(chart.x, axes, "\(key).x", "factor")
    for name in chart.series { try known(name, axes, "\(key).series", "factor") }
    if let panels = chart.panels { try known(panels, axes, "\(key).panels", "factor") }
    for factor in chart.only { try check(levels: factor, "\(key).only") }
    if chart.kind == .heatmap {
      if chart.arms.count != 2 {
        throw error("\(key).arms", "a heat map shows one arm's median over another's: name two")
      }
      if chart.series.count != 1 || chart.series[0] == chart.x || chart.panels != nil {
        throw error("\(key).series", "a heat map has one factor up its side, another along its foot, and no panels")
      }
    }
  }

  private func checkCurve(_ chart: ChartDefinition, _ key: String) throws(DefinitionError) {
    try known(chart.x, SeriesPoint.curveAxes, "\(key).x", "column of series.csv that a curve can be over")
    let shown = SeriesPoint.curveColumns + (experiment.sweepsTime ? SeriesPoint.courseColumns : [])
    for name in [chart.y] + chart.otherY {
      try known(name, shown, "\(key).y", "column of series.csv that a curve can show")
    }
    if chart.arms.isEmpty { throw error("\(key).arms", "a curve names the arms whose course it shows") }
    if chart.panels != nil || !chart.series.isEmpty || !chart.only.isEmpty {
      throw error(key, "a curve has a line for each arm: leave out `series`, `panels` and `only`")
    }
  }

  private func check(levels factor: Factor, _ key: String) throws(DefinitionError) {
    try known(factor.name, factorNames, key, "factor")
    let all = allLevels(of: factor.name)
    for level in factor.levels { try known(level.text, all, "\(key).\(factor.name)", "level of the factor") }
  }

  /// The factor's levels in the definition and in every profile.
  private func allLevels(of name: String) -> [String] {
    let base = experiment.factor(named: name)?.levels ?? []
    let changed = experiment.profiles.values.flatMap { changes in
      (changes.factors + (changes.sweep.map { [$0] } ?? [])).filter { $0.name == name }.flatMap(\.levels)
    }
    return (base + changed).map(\.text)
  }

  private var arms: [String] { experiment.arms.map(\.name) }

  private var factorNames: [String] {
    experiment.factors.map(\.name) + (experiment.sweep.map { [$0.name] } ?? [])
  }

  private func known(_ name: String, _ names: [String], _ key: String, _ what: String) throws(DefinitionError) {
    if names.contains(name) { return }
    throw error(key, "`\(name)` is no \(what)", Spelling.nearest(to: name, among: names))
  }

  private func error(_ key: String, _ message: String, _ suggestion: String? = nil) -> DefinitionError {
    DefinitionError(file: file, line: 0, column: 0, key: key, message: message, suggestion: suggestion)
  }
}

/// `{name}` inside a value: replaced by the run's level of that factor, or by the fixed value.
package enum Placeholder {
  /// The names used, each as often as it is. What is no name, nor a calculation with one, comes as it is written.
  package static func names(in text: String) -> [String] {
    expressions(in: text).flatMap { Calculation($0).names }
  }

  /// `text` with each `{name}` replaced by its value, each `{name*2}` by twice that, each `{name*other}` by their product and
  /// each `{name/other}` by their whole quotient; nil when one has no value, or no number to be calculated with.
  package static func fill(_ text: String, from values: [String: Level]) -> String? {
    var filled = ""
    var rest = text[...]
    for expression in expressions(in: text) {
      guard let value = Calculation(expression).value(from: values) else { return nil }
      filled += rest[..<text.index(before: expression.startIndex)]
      rest = text[text.index(after: expression.endIndex)...]
      filled += value
    }
    return filled + rest
  }

  /// `{volume_gb*2}` or `{total_bytes/record_bytes}` without its braces.
  private enum Calculation {
    case value(String)
    case multiple(String, Int)
    case product(String, String)
    case quotient(String, String)

    init(_ expression: Substring) {
      func parts(_ sign: Character) -> [String] {
        expression.split(separator: sign, maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      }
      let (factors, terms) = (parts("*"), parts("/"))
      if factors.count == 2, let factor = Int(factors[1]), (1...1_000_000).contains(factor) {
        self = .multiple(factors[0], factor)
      } else if factors.count == 2, factors[1].first?.isLetter == true {
        self = .product(factors[0], factors[1])
      } else if terms.count == 2 {
        self = .quotient(terms[0], terms[1])
      } else {
        self = .value(String(expression))
      }
    }

    var names: [String] {
      switch self {
      case .value(let name), .multiple(let name, _): [name]
      case .product(let name, let other), .quotient(let name, let other): [name, other]
      }
    }

    func value(from values: [String: Level]) -> String? {
      func number(_ name: String) -> Int? { values[name].flatMap { Int($0.text) } }
      switch self {
      case .value(let name): return values[name]?.text
      case .multiple(let name, let factor): return number(name).flatMap { Self.product($0, factor) }
      case .product(let name, let other):
        guard let one = number(name), let two = number(other) else { return nil }
        return Self.product(one, two)
      case .quotient(let above, let below):
        guard let above = number(above), let below = number(below), below > 0 else { return nil }
        return String(above / below)
      }
    }

    /// Nil where it is too large.
    private static func product(_ one: Int, _ two: Int) -> String? {
      let (product, isTooLarge) = one.multipliedReportingOverflow(by: two)
      return isTooLarge ? nil : String(product)
    }
  }

  /// What stands between braces.
  private static func expressions(in text: String) -> [Substring] {
    var found: [Substring] = []
    var rest = text[...]
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      found.append(rest[rest.index(after: open)..<close])
      rest = rest[rest.index(after: close)...]
    }
    return found
  }
}
