/// Counts of latencies in nanoseconds, in buckets of at most 1.6 % (64 a power of two): enough for a percentile of a
/// bare mechanism without a library, and one increment a call.
struct LatencyBuckets {
  private static let subBucketBits = 6
  private var counts = [Int](repeating: 0, count: 64 << subBucketBits)
  private(set) var total = 0

  mutating func record(nanoseconds: Int64) {
    counts[Self.bucket(of: UInt64(max(nanoseconds, 1)))] += 1
    total += 1
  }

  /// Another thread's values, as if they had been recorded here.
  mutating func add(_ other: LatencyBuckets) {
    for (bucket, count) in other.counts.enumerated() { counts[bucket] += count }
    total += other.total
  }

  /// Microseconds; nil unless at least ten values lie beyond the percentile, for fewer say nothing about it.
  func percentileUs(_ fraction: Double) -> Double? {
    guard Double(total) * (1 - fraction) >= 10 else { return nil }
    var left = Int((Double(total) * fraction).rounded(.up))
    for (bucket, count) in counts.enumerated() {
      left -= count
      if left <= 0 { return Double(Self.upperEdge(of: bucket)) / 1000 }
    }
    return nil
  }

  /// Values below 64 have a bucket each; above, the exponent and the six bits after the leading one.
  private static func bucket(of value: UInt64) -> Int {
    let exponent = 63 - value.leadingZeroBitCount
    guard exponent >= subBucketBits else { return Int(value) }
    let shift = exponent - subBucketBits
    return ((shift + 1) << subBucketBits) + Int((value >> UInt64(shift)) & 63)
  }

  private static func upperEdge(of bucket: Int) -> UInt64 {
    let shift = (bucket >> subBucketBits) - 1
    guard shift >= 0 else { return UInt64(bucket) }
    return ((64 + UInt64(bucket & 63) + 1) << UInt64(shift)) - 1
  }
}
