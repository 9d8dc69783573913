import Experiment
import Glibc
import Measure
import Results

/// A broker that is started again in the midst of its work, and how long it takes to be warm again.
extension ProcessRunner {
  /// What the page cache holds of the topic before the broker goes.
  func addHeld(_ metrics: inout [String: Double], _ segments: [String]) {
    guard let share = CacheState(paths: segments).residentShare() else { return }
    metrics[.cachedMiB] = share * Double(SegmentFiles.bytes(of: segments)) / 1_048_576
  }

  /// What the broker's own cache held at its end, where it had one. What both held cannot be told from the two sizes: then the
  /// larger of them, which is the least that was in memory.
  func addProcessCache(_ metrics: inout [String: Double], in data: String) {
    let path = "\(data)/process-cache.json"
    // The directory is the next run's as well, whose broker may have no such cache.
    defer { unlink(path) }
    guard let text = SmallFile.read(path),
      let held = ReportedFigures(output: text)?["held_bytes"]
    else { return }
    metrics[.cachedMiB] = [metrics[.cachedMiB], held / 1_048_576].compactMap(\.self).max()
  }

  /// Starts the broker again, in the same cgroup, and runs the arm's load once more: until the device gives as little as before.
  func restart(_ scene: Scene, _ through: Arm.Broker, _ data: String, _ metrics: inout [String: Double])
    throws(RunError)
  {
    guard let hitRatio = metrics[.hitRatio], hitRatio >= Rewarming.Limits.hitRatioMin else { return }
    let broker = try start(scene, through, data)
    var samples: [(wallMs: Double, readBytes: Double)] = []
    func look() {
      if let bytes = broker.readBytes() { samples.append((Uptime.wallMs, Double(bytes))) }
    }
    look()
    let intervals = "\(scene.directory)/rewarm.csv"
    let finished = try load(
      scene, through.phases.load, through.phases.options, broker, "rewarm", intervals: intervals, look: look)
    look()
    try broker.stop()
    guard let series = IntervalSeries(path: intervals), let startedMs = finished.figures["started_ms"] else {
      throw .failed("the load after the restart left no intervals")
    }
    let rewarming = Rewarming(
      samples: samples.map { Rewarming.Sample(seconds: ($0.wallMs - startedMs) / 1000, readBytes: $0.readBytes) },
      consumed: series)
    metrics[.rewarmMs] = rewarming.seconds(to: hitRatio).map { $0 * 1000 }
  }
}

/// When a cache that began empty serves as much as one that was warm. Pure.
struct Rewarming: Sendable {
  enum Limits {
    /// Of a cache that misses more than this when it is warm nobody can say when it is warm again.
    static let hitRatioMin = 0.5
    /// Warm again means this share of the hit ratio before.
    static let warmShare = 0.95
    /// Bytes consumed between two looks at the hit ratio: few, for a cache that is warm at once is seen to be only at the end of
    /// one. By chance a slice passes early, which is to the slow cache's favour.
    static let sliceBytes = 4.0 * 1_048_576
  }

  struct Sample: Sendable {
    /// Since the load began; the first are of before.
    var seconds: Double
    /// Charged to the broker as read from storage so far.
    var readBytes: Double
  }

  var samples: [Sample]
  var consumed: IntervalSeries

  /// Nil when the load ended before.
  func seconds(to hitRatio: Double) -> Double? {
    guard var from = samples.last(where: { $0.seconds <= 0 }) ?? samples.first else { return nil }
    var fromBytes = 0.0
    for sample in samples where sample.seconds > 0 {
      guard let bytes = consumed.bytes(at: sample.seconds) else { return nil }
      let moved = bytes - fromBytes
      guard moved >= Limits.sliceBytes else { continue }
      let ratio = 1 - (sample.readBytes - from.readBytes) / moved
      if ratio >= Limits.warmShare * hitRatio { return sample.seconds }
      (from, fromBytes) = (sample, bytes)
    }
    return nil
  }
}
