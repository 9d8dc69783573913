/// Which rows a rule looks at: those of `arms` whose factors stand at `levels`.
package struct Selection: Sendable, Equatable {
  package var arms: [String]
  package var levels: [Setting]
  package init(arms: [String], levels: [Setting] = []) {
    self.arms = arms
    self.levels = levels
  }
}

/// How rows become SUPPORTED, NOT SUPPORTED or INCONCLUSIVE. Fixed before the run: its hash is in the journal.
package struct VerdictRule: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    /// R = median(test) / median(baseline), or its inverse where lower is better; R ≥ threshold, and beyond the noise
    /// (not asked of a threshold below 1: "at most so much worse" claims no effect).
    case ratio
    /// The test's median itself: at least `threshold`, or at most where lower is better.
    case value
    /// R lies within `around` ± tolerance of it. Around 1, which is the default, it is the control that must show nothing;
    /// around an original's ratio, the shape of the original.
    case equal
    /// test / baseline, or the test's metric where that is a ratio itself, against the sweep: Theil-Sen slope within ± tolerance a doubling, and the median of the last
    /// tenth of the sweep at least `lastDecile` of the whole's median.
    case flat
    /// The test's own curve over the sweep as N^-b, b by Theil-Sen in logarithms: with `tolerance`, b lies within ± it;
    /// with `threshold`, b is at least that.
    case exponent
    /// The test rises over the levels of the factor `over` (falls, where lower is better), by Mann and Kendall's test within
    /// each replicate, and no step between two neighbouring levels goes the other way.
    case trend
    /// Things of the sizes that are the levels of the factor `over` cost a time each and a time for each byte, both above zero; the
    /// metric is how many of them a second.
    case cost
    /// The metric grows with the factor `over` by more than `threshold` for each unit of it, or at most by that where lower is better.
    case slope
    /// The metric is zero in every single run: what must not happen did not happen once.
    case never
    /// Over the time of a run (a sweep of `elapsed_s`) the metric does not rise (fall, where higher is better) by more than `tolerance`
    /// of its level, or by more than `threshold` in its own unit, for each hour or over the whole run (`span`).
    case drift

    /// Whether the rule compares the test with another arm.
    package var needsBaseline: Bool {
      switch self {
      case .ratio, .equal: true
      case .flat, .value, .exponent, .trend, .cost, .slope, .never, .drift: false
      }
    }

    /// What stands behind an effect of the kind: of a ratio the sign of one. A slope is told in per cent, and a value in
    /// its metric's unit.
    package var suffix: String {
      switch self {
      case .ratio, .equal: "×"
      case .value, .flat, .exponent, .trend, .cost, .slope, .never, .drift: ""
      }
    }
  }

  /// The time for which a drift is told.
  package enum Span: String, Sendable, CaseIterable {
    case hour
    /// What is judged of the run: from the end of its warm-up to its end.
    case run
  }

  package enum Better: String, Sendable, CaseIterable {
    case higher, lower
  }

  package var name: String
  /// What it means in one sentence, for the report.
  package var meaning: String
  /// What its figure is a figure of, in a few words that stand before it in a table of many claims (`idle CPU` 4.09 %). Empty where the
  /// claim says it.
  package var figure = ""
  package var kind: Kind
  package var tier: Arm.Tier
  package var metric: String
  package var better: Better
  package var test: Selection
  /// Several arms: the best of them (by the median of `metric`) is the one compared with.
  package var baseline: Selection
  /// The factors of which each combination of levels is a comparison of its own; all must hold.
  package var per: [String]
  /// Restricts `per` (text corpora only, say).
  package var only: [Factor]
  package var threshold: Double?
  package var tolerance: Double?
  package var lastDecile: Double?
  /// False: printed, and without weight in the experiment's verdict.
  package var decides: Bool
  /// Arms whose bytes survive different things are compared only where the rule says that it means to.
  package var acrossDurability = false
  /// Of `equal`: the ratio that is expected.
  package var around = 1.0
  /// Of `trend`, `cost` and `slope`: the factor whose levels are the steps, the sizes in bytes, or what the metric grows with.
  package var over: String?
  /// Of `drift`: nil is an hour.
  package var span: Span?
}

extension VerdictRule {
  /// What the test is compared with. A level that `test` names holds for the baseline too, unless the baseline names its own:
  /// order at 4 KiB is compared with disorder at 4 KiB.
  package var compared: Selection {
    let own = Set(baseline.levels.map(\.name))
    return Selection(arms: baseline.arms, levels: baseline.levels + test.levels.filter { !own.contains($0.name) })
  }
}
