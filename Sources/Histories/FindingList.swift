/// Collects findings: all are counted, and the first of each anomaly are kept.
struct FindingList {
  /// The findings of an anomaly that are kept with their events; one fault makes many.
  static let keptOfEach = 10

  private(set) var counts: [Anomaly: Int] = [:]
  private(set) var kept: [Finding] = []

  /// - Parameter what: one sentence, made for those that are kept.
  mutating func add(_ anomaly: Anomaly, events: [Int?], _ what: () -> String) {
    counts[anomaly, default: 0] += 1
    if counts[anomaly, default: 0] <= Self.keptOfEach { kept.append(Finding(anomaly, what(), events: events)) }
  }

  mutating func add(_ other: FindingList) {
    for (anomaly, count) in other.counts { counts[anomaly, default: 0] += count }
    kept += other.kept
  }
}
