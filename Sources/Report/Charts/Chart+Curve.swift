import Experiment
import Glibc
import Verdict

/// A chart of what happened in the course of the runs: one line an arm over the stored volume or over time, from `series.csv`.
extension Chart {
  private enum Curve {
    /// Places of the line for each doubling of the volume: at small volumes one interval or none, at large ones many.
    static let binsPerDoubling = 4.0
    /// A rate is that of at least so much: of shorter intervals it tells when the kernel wrote back, and nothing else.
    static let rateMiB = 128.0
    /// In small runs of this share of the run.
    static let rateShare = 0.125
    /// Places of the line over the time of a run.
    static let binsOverTime = 60.0
    /// Intervals drawn alone, of each arm and column; beyond, every second one, every third and so on.
    static let dotsMax = 320
    /// The claim's level is that of the volumes from twice the memory to four times it: memory is full, and nothing has grown.
    static let fullMemory = 2.0...4.0
  }

  init?(
    curve definition: ChartDefinition, of experiment: Experiment, rows: [Row], series points: [SeriesPoint],
    ceiling: Ceiling?, seed: UInt64, caption: String
  ) {
    let valid = Set(rows.filter(\.isValid).map(\.order))
    let isOverTime = definition.x == SeriesPoint.minutes
    var all: [Series] = []
    var drawn: [Point] = []
    var counts: [Int] = []
    for arm in definition.arms {
      for column in [definition.y] + definition.otherY {
        let ofArm = points.filter { $0.arm == arm && valid.contains($0.order) && $0.storedMiB > 0 }
        let own =
          column == "mib_per_s" && !isOverTime
          ? Self.rates(ofArm)
          : ofArm.compactMap { point in
            point.value(of: column).map { (x: isOverTime ? point.seconds / 60 : point.storedMiB, y: $0) }
          }
        guard !own.isEmpty else { continue }
        let label = experiment.arm(named: arm)?.label ?? arm
        let series = Series(
          key: definition.otherY.isEmpty ? arm : "\(arm)/\(column)",
          label: definition.otherY.isEmpty ? label : "\(label), \(Self.word(for: column))", isControl: false)
        all.append(series)
        drawn += isOverTime ? Self.course(own, series.key, seed) : Self.line(own, series.key, seed)
        drawn += Self.dots(own, series.key, isOverTime: isOverTime)
        counts.append(Set(points.filter { $0.arm == arm && valid.contains($0.order) }.map(\.order)).count)
      }
    }
    guard let first = all.first?.key else { return nil }
    self.definition = definition
    stem = experiment.stem + (definition.name.isEmpty ? "" : "-" + definition.name)
    panels = [Panel(key: "", label: "")]
    series = Array(all.prefix(Limits.seriesMax))
    ticks = isOverTime ? [] : Self.doublings(drawn)
    replicates = (counts.min() ?? 0)...(counts.max() ?? 0)
    var probed: [String: Double] = [:]
    if let rate = ceiling?.figures["sequential_write_mb_per_s"] {
      probed[ReferenceLine.probed[0]] = rate / 1.048_576
    }
    lines = Self.lines(of: definition, experiment, probed: probed)
    let memory = experiment.fixed.first { $0.name == "memory_mib" }?.value.number
    let claim =
      definition.y == "mib_per_s" && !isOverTime ? memory.map { Self.claim(drawn, first, memory: $0) } ?? [] : []
    claimLabel = claim.isEmpty ? "" : "the claim: as fast as when memory had just filled"
    self.points = drawn + claim
    self.caption = caption
  }

  /// Bytes over time of as many intervals of a run together as make `rateMiB`, or an eighth of a small run; what is left at its end is
  /// no rate.
  private static func rates(_ points: [SeriesPoint]) -> [(x: Double, y: Double)] {
    Dictionary(grouping: points, by: \.order).sorted { $0.key < $1.key }.flatMap { _, run in
      var from = (seconds: 0.0, mib: 0.0)
      let each = min(Curve.rateMiB, Curve.rateShare * (run.map(\.storedMiB).max() ?? 0))
      return run.sorted { $0.seconds < $1.seconds }.compactMap { point -> (x: Double, y: Double)? in
        // Records rarely divide the volume.
        guard point.storedMiB - from.mib >= each * 0.99, point.seconds > from.seconds else { return nil }
        defer { from = (point.seconds, point.storedMiB) }
        return (point.storedMiB, (point.storedMiB - from.mib) / (point.seconds - from.seconds))
      }
    }
  }

  /// Medians of the intervals between neighbouring places, with their intervals.
  private static func line(_ values: [(x: Double, y: Double)], _ key: String, _ seed: UInt64) -> [Point] {
    let bins = Dictionary(grouping: values) { Int((log2($0.x) * Curve.binsPerDoubling).rounded()) }
    return bins.sorted { $0.key < $1.key }.compactMap { bin, inside in
      guard let median = Statistics.medianInterval(inside.map(\.y), seed: seed) else { return nil }
      return point(.median, key, exp2(Double(bin) / Curve.binsPerDoubling), median)
    }
  }

  /// As `line`, over places that are equally far apart.
  private static func course(_ values: [(x: Double, y: Double)], _ key: String, _ seed: UInt64) -> [Point] {
    guard let end = values.map(\.x).max(), end > 0 else { return [] }
    let width = end / Curve.binsOverTime
    // The last value ends the last place.
    let bins = Dictionary(grouping: values) { min(Int($0.x / width), Int(Curve.binsOverTime) - 1) }
    return bins.sorted { $0.key < $1.key }.compactMap { bin, inside in
      guard let median = Statistics.medianInterval(inside.map(\.y), seed: seed) else { return nil }
      return point(.median, key, (Double(bin) + 0.5) * width, median)
    }
  }

  /// Each volume's median over the runs; over time each interval of each run.
  private static func dots(_ values: [(x: Double, y: Double)], _ key: String, isOverTime: Bool) -> [Point] {
    let places = Dictionary(grouping: values) { isOverTime ? $0.x : $0.x.rounded() }.sorted { $0.key < $1.key }
    let step = max(1, (places.count + Curve.dotsMax - 1) / Curve.dotsMax)
    return places.enumerated().compactMap { index, place in
      guard index % step == 0, let y = Statistics.median(place.value.map(\.y)) else { return nil }
      return point(.raw, key, place.key, Estimate(value: y, low: y, high: y, count: place.value.count))
    }
  }

  private static func claim(_ drawn: [Point], _ key: String, memory: Double) -> [Point] {
    let curve = drawn.filter { $0.kind == .median && $0.series == key && $0.x >= memory * Curve.fullMemory.lowerBound }
    let level = Statistics.median(curve.filter { $0.x <= memory * Curve.fullMemory.upperBound }.map(\.y))
    guard let level else { return [] }
    return curve.map { point in
      var claim = point
      (claim.kind, claim.y, claim.low, claim.high, claim.count) = (.claim, level, level, level, 0)
      return claim
    }
  }

  private static func point(_ kind: Point.Kind, _ key: String, _ x: Double, _ estimate: Estimate) -> Point {
    Point(
      panel: "", series: key, kind: kind, x: x, level: Figures.text(x), y: estimate.value, low: estimate.low,
      high: estimate.high, count: estimate.count)
  }

  /// A volume that doubles has ticks that double.
  private static func doublings(_ points: [Point]) -> [Tick] {
    let xs = points.map(\.x)
    let first = Int(log2(max(xs.min() ?? 1, 1)).rounded(.down)), last = Int(log2(max(xs.max() ?? 1, 1)).rounded())
    return (min(first, last)...last).map { Tick(x: exp2(Double($0)), label: Figures.text(exp2(Double($0)))) }
  }

  private static func word(for column: String) -> String {
    switch column {
    case "p50_ms", "response_p50_ms": "median"
    case "p99_ms", "response_p99_ms": "99th percentile"
    case "p99_9_ms", "response_p99_9_ms": "99.9th percentile"
    case "max_ms", "response_max_ms": "longest"
    case "produced_records_per_s": "produced"
    case "records_per_s": "consumed"
    case "rss_mib": "resident memory"
    case "log_mib": "log"
    case "dirty_mib": "the machine's dirty pages"
    case "fresh_p99_ms": "99th percentile of the fresh partition"
    default: column.replacing("_", with: " ")
    }
  }
}
