import Histogram

/// Records latencies in nanoseconds, to three significant digits, from 1 ns to an hour (an HDR histogram).
///
/// The buckets are fixed, so histograms of threads and of runs can be added without loss; percentiles cannot.
package struct Latency: Sendable {
  private var histogram = HDR(
    lowestDiscernibleValue: 1, highestTrackableValue: Limits.latencyNsMax, numberOfSignificantValueDigits: .three)
  /// Samples of 0 or less, which a faulty clock or a swapped pair of times would give. They are recorded as 0.
  package private(set) var nonPositive = 0
  /// Samples beyond an hour, recorded as an hour.
  package private(set) var clamped = 0

  private typealias HDR = Histogram::Histogram<UInt64>

  package init() {}

  package var count: Int { Int(histogram.totalCount) }

  /// Records `records` samples of the time from `start` to `end`.
  @inline(__always)
  package mutating func record(from start: UInt64, to end: UInt64, records: Int = 1) {
    if end > start && end - start <= Limits.latencyNsMax {
      histogram.record(end - start, count: UInt64(records))
    } else {
      recordOdd(from: start, to: end, records: records)
    }
  }

  @inline(never)
  private mutating func recordOdd(from start: UInt64, to end: UInt64, records: Int) {
    if end <= start {
      nonPositive += records
      histogram.record(0, count: UInt64(records))
    } else {
      clamped += records
      histogram.record(Limits.latencyNsMax, count: UInt64(records))
    }
  }

  package mutating func add(_ other: Latency) {
    histogram.add(other.histogram)
    nonPositive += other.nonPositive
    clamped += other.clamped
  }

  package mutating func reset() {
    histogram.reset()
    nonPositive = 0
    clamped = 0
  }

  /// Returns a percentile in ns (`p` = 0.99 is p99); nil when fewer than ten samples lie beyond it, which is too few for a
  /// stable figure: p99.9 needs 10,000 samples.
  package func percentile(_ p: Double) -> UInt64? {
    guard Double(count) * (1 - p) >= 10 - 1e-6 else { return nil }
    return histogram.valueAtPercentile(p * 100)
  }

  /// The longest latency; nil without samples.
  package var maxNs: UInt64? { count == 0 ? nil : histogram.max }
  package var meanNs: Double? { count == 0 ? nil : histogram.mean }

  /// Every bucket with samples, which is the histogram without loss. `low` is the bucket's smallest value, `high` its largest.
  package var buckets: [(low: UInt64, high: UInt64, count: UInt64)] {
    histogram.recordedValues().map { step in
      (
        histogram.lowestEquivalentForValue(step.value), histogram.highestEquivalentForValue(step.value),
        UInt64(step.count)
      )
    }
  }

  package mutating func add(bucketLow: UInt64, count: UInt64) { histogram.record(bucketLow, count: count) }
}

/// Writes and reads histograms as CSV: `kind,low_ns,high_ns,count`, one row per bucket.
package enum LatencyFile {
  package static let header = "kind,low_ns,high_ns,count"

  package static func rows(_ kind: String, _ latency: Latency) -> String {
    latency.buckets.map { "\(kind),\($0.low),\($0.high),\($0.count)\n" }.joined()
  }

  /// Reads the histograms of a file, by kind; nil if a line is invalid.
  package static func read(_ text: String) -> [String: Latency]? {
    var result: [String: Latency] = [:]
    let lines = text.split(separator: "\n")
    guard lines.first.map(String.init) == header else { return nil }
    for line in lines.dropFirst() {
      let cells = line.split(separator: ",")
      guard cells.count == 4, let low = UInt64(cells[1]), let count = UInt64(cells[3]) else { return nil }
      result[String(cells[0]), default: Latency()].add(bucketLow: low, count: count)
    }
    return result
  }
}
