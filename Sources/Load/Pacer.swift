/// Schedules records: record `i` is due at `start + i * interval`, whatever happened to earlier records.
///
/// Latency measured from these times includes the stalls that a generator which waits for its target would miss
/// ("coordinated omission"): during a stall of 100 ms at 1,000 records/s, a hundred records become late, and all of
/// them count. Times are products, not sums, so an interval that is no whole number of nanoseconds never drifts.
package struct Pacer: Sendable {
  package let startNs: UInt64
  /// Nanoseconds between two records.
  package let intervalNs: Double

  /// - Parameter recordsPerSecond: above 0.
  package init(startNs: UInt64, recordsPerSecond: Double) {
    precondition(recordsPerSecond > 0, "a pace is above 0 records/s, not \(recordsPerSecond)")
    self.startNs = startNs
    intervalNs = min(1e9 / recordsPerSecond, Limits.paceNsMax)
  }

  /// Returns the time at which record `index` is due; a time beyond `Limits.paceNsMax` from the start counts as that.
  @inline(__always)
  package func intendedNs(_ index: Int) -> UInt64 {
    startNs + UInt64(min(Double(index) * intervalNs, Limits.paceNsMax))
  }

  /// Returns the number of records due at `nowNs`; the first is due at `startNs` itself.
  package func due(at nowNs: UInt64) -> Int {
    guard nowNs >= startNs else { return 0 }
    var count = Int(Double(nowNs - startNs) / intervalNs) + 1
    // The quotient is rounded, so it is corrected by the intended times.
    while count > 0 && intendedNs(count - 1) > nowNs { count -= 1 }
    while intendedNs(count) <= nowNs { count += 1 }
    return count
  }
}
