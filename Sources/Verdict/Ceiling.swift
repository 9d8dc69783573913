package import Experiment
import Measure

/// What the machine could do at the most just before a campaign: `ceiling.json`, and each result as a share of it.
///
/// The mapping from a metric to its ceilings is `bounds(on:arm:levels:)`: where several hold (a link and a disk), the one
/// that is reached first counts.
package struct Ceiling: Sendable, Equatable, Codable {
  /// As `CeilingProbe` names them: `loopback_mb_per_s`, `fsync_p50_ms`, `zstd_compress_mb_per_s` and so on.
  package var figures: [String: Double]
  /// Parts that could not be probed, and why.
  package var obstacles: [String: String]
  /// Why nothing was probed; nil when it was.
  package var skipped: String?
  package var congestionControl: String?
  /// How long the probe took.
  package var seconds: Double
  /// By arm: records a second that the generator moved with the arm's own settings against its null sink.
  package var generatorRecordsPerSecond: [String: Double]

  package init(
    figures: [String: Double] = [:], obstacles: [String: String] = [:], skipped: String? = nil,
    congestionControl: String? = nil, seconds: Double = 0, generatorRecordsPerSecond: [String: Double] = [:]
  ) {
    self.figures = figures
    self.obstacles = obstacles
    self.skipped = skipped
    self.congestionControl = congestionControl
    self.seconds = seconds
    self.generatorRecordsPerSecond = generatorRecordsPerSecond
  }
}

extension Ceiling {
  /// One thing that cannot be passed, in the metric's own unit.
  package struct Bound: Sendable, Equatable {
    /// `loopback TCP`, for a sentence.
    package var name: String
    package var value: Double
  }

  /// A result held against what it could have been at the most.
  package struct Share: Sendable, Equatable {
    package var metric: String
    package var bound: Bound
    /// 0.43: so much of what could be reached (of a latency the floor's part of it).
    package var share: Double
    /// What the probe found, where a run did better: the bound is then the best run, because the probe's way is not the fastest there
    /// is.
    package var probed: Double?

    /// `43 % of loopback TCP (6,510 MB/s)`; where lower is better, `2.3 times an fsync (0.51 ms)`: a latency is more than
    /// its floor, not a part of it.
    package var sentence: String {
      let unit = Metric.named(metric)?.unit ?? ""
      let distance =
        Ceiling.isLower(metric) ? "\(Figures.text(1 / share, digits: 2)) times" : "\(Figures.percent(share)) of"
      let suffix = unit.isEmpty ? "" : " \(unit)"
      if let probed {
        return
          "\(distance) the best run (\(Figures.text(bound.value))\(suffix)); the probe is not the ceiling, it found "
          + "\(Figures.text(probed))\(suffix) for \(bound.name)"
      }
      return "\(distance) \(bound.name) (\(Figures.text(bound.value))\(suffix))"
    }
  }

  /// Nil where the metric has no ceiling, or it was not probed.
  ///
  /// - Parameter best: by the names of bounds, the best of any run below each. No rate is more than all of what it could be.
  package func share(
    of metric: String, value: Double, arm: Arm, levels: [String: Level], best: [String: Double] = [:]
  ) -> Share? {
    let bounds = bounds(on: metric, arm: arm, levels: levels)
    let isLower = Self.isLower(metric)
    guard value > 0,
      let bound = isLower ? bounds.max(by: { $0.value < $1.value }) : bounds.min(by: { $0.value < $1.value })
    else { return nil }
    guard !isLower else { return Share(metric: metric, bound: bound, share: bound.value / value) }
    let most = max(value, best[bound.name] ?? 0)
    guard most > bound.value else { return Share(metric: metric, bound: bound, share: value / bound.value) }
    return Share(
      metric: metric, bound: Bound(name: bound.name, value: most), share: value / most, probed: bound.value)
  }

  fileprivate static func isLower(_ metric: String) -> Bool { Metric.named(metric)?.kind == .latency }

  /// Every ceiling that holds for this metric of this arm; none where nothing is known to hold. CPU for a gigabyte has
  /// none: a path without copies costs less than a copy does.
  package func bounds(on metric: String, arm: Arm, levels: [String: Level]) -> [Bound] {
    switch Metric.named(metric) {
    case .mbPerSecond, .mibPerSecond:
      let scale = metric == Metric.mbPerSecond.name ? 1 : 1 / 1.048_576
      return path(of: arm).compactMap { part in
        figures[part.figure].map { Bound(name: part.name, value: $0 * scale) }
      }
    case .compressMBPerSecond, .decompressMBPerSecond:
      // The codec by its default level; another level has the same ceiling, or a lower one.
      let codec = levels["codec"]?.text.split(separator: ":").first.map(String.init) ?? ""
      return figures["\(codec)_\(metric)"].map { [Bound(name: "\(codec) on large blocks of JSON", value: $0)] } ?? []
    case .responseP50Ms, .serviceP50Ms:
      guard arm.durability.isSynced else { return [] }
      return figures["fsync_p50_ms"].map { [Bound(name: "an fsync", value: $0)] } ?? []
    case .recordsPerSecond:
      return generatorRecordsPerSecond[arm.name].map { [Bound(name: "the generator alone", value: $0)] } ?? []
    default:
      return []
    }
  }

  /// What the arm's bytes pass through.
  private func path(of arm: Arm) -> [MachineCeiling] {
    let isSynced = arm.durability.isSynced
    switch arm.work {
    case .bare(let bare): return bare.mechanism.ceilings(arm.cache == .cold, isSynced)
    case .through(let broker):
      let cold: [MachineCeiling] = arm.cache == .cold ? [.sequentialRead] : []
      let synced: [MachineCeiling] = isSynced ? [.sequentialWrite] : []
      switch broker.phases.load {
      case .flow(.consume): return [.loopback] + cold
      case .flow(.produce), .flow(.endToEnd), .twin: return [.loopback] + synced
      case .sustain: return [.memoryCopy] + cold + synced
      case .connect: return []
      }
    }
  }
}

extension Gates {
  /// Ceilings that are not known leave the results without their measure; nothing else.
  static func judge(_ ceiling: Ceiling?) -> Gate {
    guard let ceiling else {
      return Gate(name: "ceiling", outcome: .shortcoming, sentence: "no ceiling was probed before the campaign")
    }
    if let reason = ceiling.skipped {
      return Gate(name: "ceiling", outcome: .shortcoming, sentence: "the ceiling probe was left out: \(reason)")
    }
    guard ceiling.obstacles.isEmpty else {
      let parts = ceiling.obstacles.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }
      return Gate(
        name: "ceiling", outcome: .shortcoming, sentence: "ceilings not probed: \(parts.joined(separator: ", "))")
    }
    return Gate(name: "ceiling", outcome: .passed, sentence: "ceilings were probed before the first run")
  }

  /// An arm as fast as the generator against its null sink measured the generator.
  static func judge(generator ceiling: Ceiling?, _ experiment: Experiment, _ rows: [Row]) -> [Gate] {
    (ceiling?.generatorRecordsPerSecond ?? [:]).sorted { $0.key < $1.key }.compactMap { name, most in
      let rates = rows.filter { $0.arm == name && $0.isValid }.compactMap { $0.metrics[.recordsPerSecond] }
      guard experiment.arm(named: name)?.client == .drives, most > 0, let rate = Statistics.median(rates) else {
        return nil
      }
      let isBound = rate > Limits.generatorShare * most
      return Gate(
        name: "generator \(name)", outcome: isBound ? .failed : .passed,
        sentence: "arm \(name) moved \(Figures.percent(rate / most)) of what the generator moves against its null sink")
    }
  }
}
