import CMillrace
import Experiment
import Glibc
import Measure

/// With acks=0 the generator is done when the system has taken its last batch. The broker is not: what it has still to append
/// is part of the run, and of its time.
extension ProcessRunner {
  private enum DrainLimits {
    static let seconds = 20.0
  }

  /// Waits until the log holds all that was sent, and returns by how many seconds its last append came after the generator's
  /// own end. 0 where answers are awaited.
  func drain(
    _ scene: Scene, _ figures: ReportedFigures, _ segments: SegmentFiles, of topic: String, from before: Int
  ) throws(RunError) -> Double {
    let options = scene.values.filled(scene.arm.options)
    let isUnacknowledged = options.contains { $0.name == "acks" && $0.value == "0" }
    // Followers may have still to copy what their leader has acknowledged; that is the cluster's work, and not the producer's time.
    let replicas = replicas(of: scene)
    guard !scene.broker.driver.isInMemory, scene.arm.program == .load(.produce), isUnacknowledged || replicas > 1,
      let sent = figures["batch_bytes"], let started = figures["started_ms"], let seconds = figures["seconds"]
    else { return 0 }
    let deadline = Uptime.seconds + DrainLimits.seconds
    while Double(segments.bytes(of: topic) - before) < sent * replicas {
      if stopRequested() { throw .interrupted }
      guard Uptime.seconds < deadline else { return 0 }  // The reconciliation says what is missing.
      Uptime.nap(milliseconds: 1)
    }
    guard isUnacknowledged, let last = Self.lastWrite(to: segments.paths(of: topic)) else { return 0 }
    return max(0, last - (started / 1000 + seconds))
  }

  /// Seconds since 1970, as the files' own time stamps tell them (to some 4 ms).
  private static func lastWrite(to paths: [String]) -> Double? {
    paths.compactMap { path -> Double? in
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      return Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) * 1e-9
    }.max()
  }

  /// The run took so much longer, and its rates are lower.
  static func lengthen(_ metrics: inout [String: Double], by seconds: Double) {
    guard seconds > 0, let before = metrics[.seconds], before > 0 else { return }
    metrics[.seconds] = before + seconds
    for rate in [Metric.recordsPerSecond, .mbPerSecond, .mibPerSecond] {
      if let value = metrics[rate] { metrics[rate] = value * before / (before + seconds) }
    }
  }
}
