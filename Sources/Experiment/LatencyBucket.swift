/// One bucket of one run's latency histogram: a line of `latency.csv`, kept so that any quantile can be asked for later. The quantiles of a
/// run's row are of the generator's own, finer histogram.
package struct LatencyBucket: Sendable, Equatable {
  package static let columns = ["order", "arm", "replicate", "kind", "low_ns", "high_ns", "count"]

  package var order: Int
  package var arm: String
  package var replicate: Int
  /// As the load generator names it: `service`, `response` or `end_to_end`.
  package var kind: String
  /// The smallest and the largest latency of the bucket.
  package var lowNs: Double, highNs: Double
  package var count: Double

  package init(order: Int, arm: String, replicate: Int, kind: String, lowNs: Double, highNs: Double, count: Double) {
    self.order = order
    self.arm = arm
    self.replicate = replicate
    self.kind = kind
    self.lowNs = lowNs
    self.highNs = highNs
    self.count = count
  }

  /// The buckets of one histogram with those beside each other in one, 32 for each doubling: no wider than 3.2 %, and so few that the file of
  /// a campaign stays small. No count is lost, nor the smallest and the largest latency.
  package static func merged(_ fine: [LatencyBucket]) -> [LatencyBucket] {
    var merged: [LatencyBucket] = []
    var lastPlace: Int?
    for bucket in fine.sorted(by: { $0.lowNs < $1.lowNs }) {
      let latency = max(bucket.highNs, 1)
      let place = 32 * Int(latency.exponent) + Int(32 * (latency.significand - 1))
      if place == lastPlace {
        merged[merged.count - 1].highNs = max(merged[merged.count - 1].highNs, bucket.highNs)
        merged[merged.count - 1].count += bucket.count
      } else {
        merged.append(bucket)
        lastPlace = place
      }
    }
    return merged
  }
}
