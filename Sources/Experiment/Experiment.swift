/// One claim put to the test: what a file of `experiments/` says, checked.
///
/// A definition is data, never code. It names the claim and its source, the factors that vary, the arms that are
/// compared, and the rule that turns rows into a verdict; `Definition.swift` reads it, `Matrix` turns it into cells.
package struct Experiment: Sendable, Equatable {
  /// The claim list's own name, such as `E6`.
  package var id: String
  /// 6 for `experiments/06-throughput-over-volume.yaml`.
  package var number: Int
  /// `throughput-over-volume`: what a person types after `millrace run`.
  package var name: String
  package var title: String
  /// The claim in at most `briefWordsMax` words, for a table of many; empty: the title stands there.
  package var brief: String = ""
  /// The rows of the claim list this answers, such as `S4`.
  package var claims: [String]
  /// The claim in one plain sentence.
  package var claim: String
  package var quote: String
  package var source: String
  package var originals: [Original]
  /// What is wrong with the original numbers; printed beside them.
  package var errata: [String]
  package var hypothesis: String
  package var factors: [Factor]
  /// A factor whose levels one run passes through one after the other (bytes stored so far): such a run gives one
  /// row a level. The matrix does not multiply by it.
  package var sweep: Factor?
  /// Named values that every run shares; arms use them as `{name}`.
  package var fixed: [Setting]
  package var arms: [Arm]
  /// The metric columns of `rows.csv`, in order; each is in `Metric.catalogue`.
  package var metrics: [String]
  /// Process-level replicates of each cell: all of them, or where `adaptive` says so the first of them.
  package var replicates: Int
  /// When to go on beyond `replicates`; nil: never.
  package var adaptive: AdaptiveReplicates?
  package var profiles: [Profile: ProfileChanges]
  package var verdicts: [VerdictRule]
  package var charts: [ChartDefinition]
  package var minimum: MinimumEnvironment
  /// Where the claim may fail today, and what this experiment cannot show; printed under the verdict.
  package var caveats: [String]
  /// False: it runs only when it is named (`in_all: false`), for it needs something that a person gives it, or takes days.
  package var isInAll = true
  /// Another's cluster in the place of a broker of our own; nil for the usual.
  package var target: Target? = nil
  /// Those that take part, where a person named some, or the definition compares them; none: Millrace, as usual.
  package var brokers: [BrokerUnderTest] = []

  package var shortClaim: String { brief.isEmpty ? title : brief }
  package static let briefWordsMax = 9

  /// `06-throughput-over-volume`: the stem of every file this experiment owns.
  package var stem: String { (number < 10 ? "0" : "") + "\(number)-\(name)" }

  package func arm(named name: String) -> Arm? { arms.first { $0.name == name } }

  /// Whether the arm searches a rate: a run of it takes a minute or more, so that it is its own pilot.
  package func isSearch(_ name: String) -> Bool { arm(named: name)?.program == .load(.sustain) }

  /// What options call the pace that a pilot of the arm gives.
  package func placeholder(forPaceOf pilot: String) -> String {
    isSearch(pilot) ? "pace_records_per_s" : "pace_mib_per_s"
  }

  package func factor(named name: String) -> Factor? {
    factors.first { $0.name == name } ?? (sweep?.name == name ? sweep : nil)
  }
}

/// A number somebody published, as they published it.
package struct Original: Sendable, Equatable {
  package var label: String
  /// Nil where the source has only a plot or a phrase; `note` then says which.
  package var value: Double?
  package var unit: String
  package var note: String
  /// The level of the chart's x axis at which the number belongs, when it can be drawn.
  package var at: Level?
}

/// A value in a definition: text that may also be a number.
package struct Level: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
  package var text: String
  package init(_ text: String) { self.text = text }
  package init(stringLiteral value: String) { text = value }
  package var number: Double? { Double(text) }
  package var description: String { text }
}

package struct Factor: Sendable, Equatable {
  package var name: String
  package var levels: [Level]
  package init(name: String, levels: [Level]) {
    self.name = name
    self.levels = levels
  }
}

package struct Setting: Sendable, Equatable {
  package var name: String
  package var value: Level
  package init(name: String, value: Level) {
    self.name = name
    self.value = value
  }
}

/// How thorough, and what the result may be called: a quick result is never reportable.
package enum Profile: String, Sendable, CaseIterable, Hashable {
  case quick, standard, full
}

package struct ProfileChanges: Sendable, Equatable {
  package var replicates: Int?
  package var adaptive: AdaptiveReplicates?
  package var factors: [Factor]
  package var sweep: Factor?
  package var fixed: [Setting]
  /// The arms to run; nil runs all.
  package var arms: [String]?
  /// Whether the profile runs with all experiments' (`in_all`); nil as the experiment says.
  package var isInAll: Bool?
}

package struct ChartDefinition: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    /// A line with its interval through the medians, raw points behind it.
    case lines
    /// Grouped bars with whiskers and raw points.
    case bars
    /// A field of x by `series` (a factor), coloured by the ratio of the first arm's median to the second's.
    case heatmap
    /// Over the course of the runs, from `series.csv`: x is `stored_mib`, y columns of that file; each arm a line.
    case curve
  }

  /// Empty for the experiment's own chart (`plots/NN-name.svg`); else `plots/NN-name-NAME.svg`.
  package var name: String
  package var kind: Kind
  package var title: String
  /// A factor, the sweep, or `arm`.
  package var x: String
  /// A metric.
  package var y: String
  /// Factors (or `arm`) whose combinations are lines or bar colours.
  package var series: [String]
  /// A factor (or `tier`) of which each level gets a panel.
  package var panels: String?
  package var only: [Factor]
  /// The arms drawn; empty draws all but the repeats.
  package var arms: [String]
  package var xTitle: String
  package var yTitle: String
  package var logX: Bool
  package var logY: Bool
  package var references: [ReferenceLine]
  /// Of `curve`: further columns in the same unit, each a line of each arm.
  package var otherY: [String] = []
}

/// A line across a chart: the original claim's value or a threshold.
package struct ReferenceLine: Sendable, Equatable {
  package enum Axis: String, Sendable, CaseIterable {
    case x, y
  }

  /// What was probed before the campaign and has no value in the definition: `{device_write_mib_per_s}` is the data's device
  /// written in order.
  package static let probed = ["device_write_mib_per_s"]

  package var axis: Axis
  /// A number, `{name}` of a fixed value, or a name of `probed`.
  package var at: Level
  package var label: String
}

/// Below this a result cannot be more than informative.
package struct MinimumEnvironment: Sendable, Equatable {
  package var cores: Int
  package var memoryGiB: Double
  package var freeDiskGiB: Double
  /// Needs root and a memory cgroup for its arms with `memory_mib`.
  package var memoryCgroup: Bool
}

extension Experiment {
  /// The definition with a profile's changes applied: what a campaign runs and stores beside its rows.
  ///
  /// Rules, charts and arms keep only the levels and arms that are left; a rule that lost its arms, or a level that it
  /// compares, is not judged.
  package func under(_ profile: Profile) -> Experiment {
    guard let changes = profiles[profile] else { return self }
    var changed = self
    if let replicates = changes.replicates { changed.replicates = replicates }
    if let adaptive = changes.adaptive { changed.adaptive = adaptive }
    for factor in changes.factors {
      guard let index = changed.factors.firstIndex(where: { $0.name == factor.name }) else { continue }
      changed.factors[index] = factor
    }
    if let sweep = changes.sweep { changed.sweep = sweep }
    for setting in changes.fixed {
      guard let index = changed.fixed.firstIndex(where: { $0.name == setting.name }) else { continue }
      changed.fixed[index] = setting
    }
    if let isInAll = changes.isInAll { changed.isInAll = isInAll }
    if let names = changes.arms { changed.arms = changed.arms.filter { names.contains($0.name) } }
    changed.prune()
    return changed
  }

  private mutating func prune() {
    let names = Set(arms.map(\.name))
    for index in arms.indices { arms[index].only = present(arms[index].only) }
    arms.removeAll { arm in
      arm.only.contains { $0.levels.isEmpty } || arm.repeats.map { !names.contains($0) } ?? false
    }
    for index in verdicts.indices {
      verdicts[index].test.arms.removeAll { !names.contains($0) }
      verdicts[index].baseline.arms.removeAll { !names.contains($0) }
      verdicts[index].only = present(verdicts[index].only)
    }
    verdicts.removeAll { rule in
      rule.test.arms.isEmpty || rule.baseline.arms.isEmpty && rule.kind.needsBaseline
        || rule.only.contains { $0.levels.isEmpty }
    }
    // Where every rule lost a level they stay, and say that rows are missing.
    let judged = verdicts.filter { rule in
      (rule.test.levels + rule.baseline.levels).allSatisfy {
        factor(named: $0.name)?.levels.contains($0.value) != false
      }
    }
    if !judged.isEmpty { verdicts = judged }
    for index in charts.indices {
      charts[index].arms.removeAll { !names.contains($0) }
      charts[index].only = present(charts[index].only)
    }
  }

  private func present(_ restriction: [Factor]) -> [Factor] {
    restriction.map { factor in
      let levels = self.factor(named: factor.name)?.levels ?? []
      return Factor(name: factor.name, levels: factor.levels.filter(levels.contains))
    }
  }
}
