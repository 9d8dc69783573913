/// One bucket of one run's latency histogram: a line of `latency.csv`, kept without loss so that any quantile can be asked for later.
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
}
