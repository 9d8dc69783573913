import Experiment
import Load
import Measure
import Results

/// Latency histograms of runs, for experiments that ask for latencies.
extension ProcessRunner {
  /// Whether the run is one load, and its latencies are of interest.
  func keepsHistograms(_ load: Arm.Load) -> Bool {
    guard case .flow = load else { return false }
    return experiment.metrics.contains { Metric.named($0)?.kind == .latency }
  }

  static func histogramFile(_ scene: Scene) -> String { "\(scene.directory)/latency.csv" }

  /// What the generator wrote; nothing where it wrote none, as a run without latencies.
  static func histograms(_ scene: Scene) -> [LatencyBucket] {
    guard let text = SmallFile.read(histogramFile(scene)), let kinds = LatencyFile.read(text) else { return [] }
    return kinds.sorted { $0.key < $1.key }.flatMap { kind, latency in
      LatencyBucket.merged(
        latency.buckets.map { bucket in
          LatencyBucket(
            order: scene.run.order, arm: scene.run.cell.arm, replicate: scene.run.replicate, kind: kind,
            lowNs: Double(bucket.low), highNs: Double(bucket.high), count: Double(bucket.count))
        })
    }
  }
}
