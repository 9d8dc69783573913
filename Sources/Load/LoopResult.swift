/// Holds the results of one event loop.
struct LoopResult: Sendable {
  var counts = RunCounts()
  var integrity: [IntegrityCounts] = []
  var outOfGlobalOrder = 0, offsetsNotRising = 0, misplacedKeys = 0
  /// What members of groups read.
  var spans: [ReadSpan] = []
  var readings: [CopyReading] = []
  var groups = GroupFigures()
  var transactions = TransactionFigures()
  var requests = 0, retries = 0
  var wireBytesSent = 0, wireBytesReceived = 0
  var firstNs: UInt64 = .max, lastNs: UInt64 = 0
  /// The smallest and largest distance to a partition's end, with `--lag-records`.
  var lagSeen: ClosedRange<Int64>?
  /// The CPU share of the loop's thread; nil for a run too short to measure.
  var cpuShare: Double?

  mutating func add(firstNs: UInt64, lastNs: UInt64) {
    self.firstNs = min(self.firstNs, firstNs)
    self.lastNs = max(self.lastNs, lastNs)
  }

  mutating func add(lag: ClosedRange<Int64>?) {
    guard let lag else { return }
    lagSeen =
      min(
        lagSeen?.lowerBound ?? lag.lowerBound, lag.lowerBound)...max(
        lagSeen?.upperBound ?? lag.upperBound, lag.upperBound)
  }
}

/// What one connection of a fan-out copy read.
struct CopyReading: Equatable, Sendable {
  var copy: Int
  var records: Int
  var firstNs: UInt64, lastNs: UInt64

  /// The records a second of the slowest copy, each from its first connection's beginning to its last record; nil where one read none.
  static func slowestRecordsPerSecond(_ readings: [CopyReading]) -> Double? {
    let rates = Dictionary(grouping: readings, by: \.copy).values.map { parts -> Double? in
      let read = parts.filter { $0.records > 0 }
      guard let firstNs = read.map(\.firstNs).min(), let lastNs = read.map(\.lastNs).max(), lastNs > firstNs else {
        return nil
      }
      return Double(read.reduce(0) { $0 + $1.records }) / (Double(lastNs - firstNs) / 1e9)
    }
    return rates.contains(nil) ? nil : rates.compactMap(\.self).min()
  }
}
