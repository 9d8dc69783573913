import Base

/// How much of a stretch of time the calling thread computed: both are read at the same moments, so the share is at most 1.
///
/// A look counts only when something happened since the last one, so that a wait for records that never come, at a run's
/// end, does not make a busy thread look idle.
struct ThreadStopwatch {
  private var startNs: UInt64 = 0, startCPUNs: UInt64 = 0
  private var spentNs: UInt64 = 0, spentCPUNs: UInt64 = 0
  private var progress: UInt64 = 0

  mutating func start() {
    startNs = Clocks.monotonicNs()
    startCPUNs = Clocks.threadCPUNs()
  }

  /// - Parameter progress: any number that is another one when something happened.
  mutating func look(progress: UInt64) {
    look(progress: progress, atNs: Clocks.monotonicNs(), cpuNs: Clocks.threadCPUNs())
  }

  mutating func look(progress: UInt64, atNs: UInt64, cpuNs: UInt64) {
    guard progress != self.progress, atNs > startNs else { return }
    self.progress = progress
    spentNs = atNs - startNs
    spentCPUNs = cpuNs - min(cpuNs, startCPUNs)
  }

  /// Nil when the stretch was shorter than `Limits.shareSecondsMin`: then starting and stopping are most of it.
  var share: Double? {
    guard Double(spentNs) / 1e9 >= Limits.shareSecondsMin else { return nil }
    return min(1, Double(spentCPUNs) / Double(spentNs))
  }
}
