import Experiment
import Measure

extension RuleBench {
  /// Whether the metric gets worse in the course of a run. Each run is judged by itself, because its windows are what the interval is made
  /// of (`Statistics.drift`), and the worst run stands for all: what leaks in one run of three leaks.
  ///
  /// Only what gets worse is a drift: memory that falls is held against nobody. The rule holds where the interval's bad end is
  /// within what is allowed, and does not where the whole interval is beyond.
  ///
  /// The effect is the change an hour, or over what is judged of the run (`span`): as a share of the metric's level with a
  /// `tolerance`, in the metric's unit with a `threshold`.
  func drift(_ rule: VerdictRule, at levels: [Setting]) -> Finding {
    var finding = blank(rule, levels)
    let runs = courses(rule, levels)
    guard !runs.isEmpty else {
      finding.sentence = "\(name(rule, levels)): no valid run has \(rule.metric) in its windows."
      return finding
    }
    let judged = runs.compactMap { Drift($0, rule) }
    guard judged.count == runs.count, let worst = judged.max(by: { $0.harm.high < $1.harm.high }) else {
      finding.sentence =
        "\(name(rule, levels)): fewer than \(Course.windowsMin) windows with a level above zero are left behind the warm-up."
      return finding
    }
    finding.effect = worst.change
    finding.outcome = Verdict.conjunction(judged.map(\.outcome))
    finding.directionHolds = finding.outcome == .supported
    finding.margin = judged.map(\.margin).min()
    finding.bound = "\(worst.words(worst.change.low)) to \(worst.words(worst.change.high)) \(worst.span)"
    let many = judged.count > 1 ? ", the worst of \(judged.count) runs" : ""
    finding.sentence =
      "\(name(rule, levels)): \(rule.metric) \(worst.words(worst.change.value)) \(worst.span) "
      + "[\(worst.words(worst.change.low)), \(worst.words(worst.change.high))]\(many), "
      + "\(rule.better == .lower ? "at most" : "not below") \(worst.words(worst.limit)) wanted; \(worst.basis); "
      + "\(finding.outcome.word)."
    return finding
  }

  /// Each run of the test's arms, window by window.
  private func courses(_ rule: VerdictRule, _ levels: [Setting]) -> [Course] {
    guard let sweep = experiment.sweep?.name else { return [] }
    let runs = Dictionary(grouping: rows(rule, rule.test, levels), by: \.order).sorted { $0.key < $1.key }
    return runs.compactMap { _, rows in
      let windows = rows.compactMap { row -> Course.Window? in
        guard let end = row.levels[sweep]?.number, let value = row.metrics[rule.metric] else { return nil }
        return Course.Window(endSeconds: end, value: value, logMiB: row.metrics[.logMiB])
      }
      return windows.isEmpty ? nil : Course(windows.sorted { $0.endSeconds < $1.endSeconds })
    }
  }
}

/// One metric over the time of a run.
struct Course: Sendable, Equatable {
  struct Window: Sendable, Equatable {
    var endSeconds: Double
    var value: Double
    /// What the topic held on disk; nil where nobody looked.
    var logMiB: Double?
  }

  /// Fewer show no slope.
  static let windowsMin = 10

  /// Behind the warm-up.
  let windows: [Window]
  /// Where the warm-up ends.
  let startSeconds: Double

  private enum WarmUp {
    /// Of the windows, at the least: the first connections, pools and segments are made.
    static let share = 0.1
    /// The log is as large as retention lets it be where it holds this share of what it holds later on; until then the broker has
    /// more segments, indexes and descriptors every minute, as it must.
    static let fullShare = 0.95
  }

  /// Of all windows, in their order: the first tenth is warm-up, and all until retention was reached.
  init(_ all: [Window]) {
    var skipped = Int((Double(all.count) * WarmUp.share).rounded(.up))
    let later = all.suffix(all.count - all.count / 2).compactMap(\.logMiB)
    if let full = Statistics.median(later),
      let reached = all.firstIndex(where: { ($0.logMiB ?? 0) >= WarmUp.fullShare * full })
    {
      skipped = max(skipped, reached + 1)
    }
    windows = Array(all.dropFirst(skipped))
    startSeconds = skipped > 0 && skipped <= all.count ? all[skipped - 1].endSeconds : 0
  }

  var hours: Double { ((windows.last?.endSeconds ?? startSeconds) - startSeconds) / 3600 }
}

/// A course judged by a rule.
private struct Drift {
  let rule: VerdictRule
  let course: Course
  /// For the rule's span; a share of the level, or in the metric's unit.
  let change: Estimate

  /// Nil where too little is left behind the warm-up, or where a share has no level to be of.
  init?(_ course: Course, _ rule: VerdictRule) {
    let points = course.windows.map { (x: $0.endSeconds / 3600, y: $0.value) }
    guard points.count >= Course.windowsMin, let slope = Statistics.drift(points),
      let level = Statistics.median(points.map(\.y)), rule.tolerance == nil || level > 0
    else { return nil }
    let scale = (rule.span == .run ? course.hours : 1) / (rule.tolerance == nil ? 1 : level)
    self.rule = rule
    self.course = course
    change = Estimate(
      value: slope.value * scale, low: slope.low * scale, high: slope.high * scale, count: slope.count)
  }

  /// The change for the worse.
  var harm: Estimate {
    guard rule.better == .higher else { return change }
    return Estimate(value: -change.value, low: -change.high, high: -change.low, count: change.count)
  }

  private var most: Double { rule.tolerance ?? rule.threshold ?? 0 }
  var limit: Double { rule.better == .lower ? most : -most }

  var outcome: Verdict.Outcome { harm.high <= most ? .supported : (harm.low > most ? .notSupported : .inconclusive) }

  /// The room that is left, as a share of all of it.
  var margin: Double { (most - harm.high) / most }

  var span: String { rule.span == .run ? "over \(Drift.lasting(course.hours * 3600))" : "an hour" }

  func words(_ value: Double) -> String {
    guard rule.tolerance == nil else { return Figures.percent(value, signed: true) }
    let unit = Metric.named(rule.metric)?.unit ?? ""
    return (value > 0 ? "+" : "") + Figures.text(value) + (unit.isEmpty ? "" : " \(unit)")
  }

  /// What the interval rests on.
  var basis: String {
    "\(course.windows.count) windows after \(Drift.lasting(course.startSeconds)), which tell as much as "
      + (change.count == 1 ? "one" : "\(change.count) independent ones")
  }

  private static func lasting(_ seconds: Double) -> String {
    if seconds < 120 { return "\(Figures.text(seconds)) s" }
    return seconds < 7200 ? "\(Figures.text(seconds / 60)) min" : "\(Figures.text(seconds / 3600)) h"
  }
}
