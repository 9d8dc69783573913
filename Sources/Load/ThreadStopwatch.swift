import Base

/// How much of a stretch of time the calling thread computed: both are read at the same moments, so the share is at most 1.
///
/// A look counts only when something happened since the last one, so that a wait for records that never come, at a run's
/// end, does not make a busy thread look idle.
struct ThreadStopwatch {
  private var startNs: UInt64 = 0, startCPUNs: UInt64 = 0
  private var spentNs: UInt64 = 0, spentCPUNs: UInt64 = 0
  private var lastNs: UInt64 = 0

  mutating func start() {
    startNs = Clocks.monotonicNs()
    startCPUNs = Clocks.threadCPUNs()
  }

  /// - Parameter lastNs: when something happened last, by `Clocks.monotonicNs`.
  mutating func look(lastNs: UInt64) {
    look(lastNs: lastNs, atNs: Clocks.monotonicNs(), cpuNs: Clocks.threadCPUNs())
  }

  mutating func look(lastNs: UInt64, atNs: UInt64, cpuNs: UInt64) {
    guard lastNs != self.lastNs, atNs > startNs else { return }
    self.lastNs = lastNs
    spentNs = atNs - startNs
    spentCPUNs = cpuNs - min(cpuNs, startCPUNs)
  }

  /// Nil when everything happened in less than `Limits.shareSecondsMin`: then starting and stopping are most of it.
  var share: Double? {
    guard lastNs > startNs, Double(lastNs - startNs) / 1e9 >= Limits.shareSecondsMin, spentNs > 0 else { return nil }
    return min(1, Double(spentCPUNs) / Double(spentNs))
  }
}
