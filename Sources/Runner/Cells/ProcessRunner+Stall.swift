import Experiment
import Glibc
import Measure
import Verdict

/// A stall put there on purpose, once a run: what a harness that measures well must show.
///
/// Worked case: at 1,000 records/s for 4 s the broker stands still for 100 ms. A hundred records become due meanwhile; their
/// response times run from 100 ms down to 0, so of 4,000 records 40 (1 %) wait longer than 60 ms: the p99 is 60 ms.
struct Stall {
  private let ms: Double?
  private let atSeconds: Double
  private(set) var lastedMs: Double?

  init(_ scene: ProcessRunner.Scene) {
    ms = scene.arm.broker?.phases.stallMs.flatMap { scene.values.number($0.text) }
    let duration = scene.values.filled(scene.arm.options).first { $0.name == "duration" }?.value.number
    // A load that does not end by time is stopped as soon as it runs.
    atSeconds = duration.map { $0 * ProcessRunner.Limits.stallAtShare } ?? 0
  }

  /// Stops the process (a negative id: the whole group) and lets it go on, when the time has come; only while the load itself runs.
  mutating func put(on pid: Int32, at elapsed: Double, _ name: String) {
    guard let ms, lastedMs == nil, name == "load", elapsed >= atSeconds else { return }
    let start = Uptime.seconds
    kill(pid, SIGSTOP)
    Uptime.nap(milliseconds: Int(ms))
    kill(pid, SIGCONT)
    lastedMs = (Uptime.seconds - start) * 1000
  }

  /// What the 99th percentile of the response time must be at the least, when records are due all the time at one rate.
  static func expectedP99Ms(stallMs: Double, seconds: Double) -> Double? {
    let expected = stallMs - 0.01 * seconds * 1000
    return expected > 0 ? expected : nil
  }

  /// How much of the stall the figures show, and how much of it the service time hides.
  static func add(to metrics: inout [String: Double], stallMs: Double?) {
    guard let stallMs else { return }
    metrics[.stallMs] = stallMs
    guard let response = metrics[.responseP99Ms], let seconds = metrics[.seconds],
      let expected = expectedP99Ms(stallMs: stallMs, seconds: seconds)
    else { return }
    metrics[.stallRecoveredPercent] = 100 * response / expected
    if let service = metrics[.serviceP99Ms] { metrics[.serviceOfResponsePercent] = 100 * service / response }
  }
}

extension ProcessRunner {
  /// Device and link, held against their ceilings where these are known.
  func addCeilings(_ evidence: inout BottleneckEvidence, _ metrics: [String: Double], seconds: Double?) {
    guard let figures = ceiling?.figures, let seconds, seconds > 0 else { return }
    if let most = figures["loopback_mb_per_s"], let bytes = metrics[.loopbackBytes] {
      evidence.link = (bytes / 1e6 / seconds, most)
    }
    // Where the device is not known nothing is held against its ceiling.
    guard let writtenBytes = metrics[.deviceWrittenBytes], let readBytes = metrics[.deviceReadBytes] else { return }
    let (written, read) = (writtenBytes / 1e6 / seconds, readBytes / 1e6 / seconds)
    if read > written, let most = figures["sequential_read_mb_per_s"] {
      evidence.disk = (read, most)
    } else if let most = figures["sequential_write_mb_per_s"] {
      evidence.disk = (written, most)
    }
  }

  /// A server whose rate is known: how far off it was measured.
  static func addRateError(_ metrics: inout [String: Double], _ options: [Setting]) {
    func number(_ name: String) -> Double? { options.first { $0.name == name }?.value.number }
    guard let service = number("null-sink-service-us"), service > 0, let records = number("batch-records"),
      let measured = metrics[.recordsPerSecond]
    else { return }
    let known = 1e6 / service * records
    metrics[.rateErrorPercent] = 100 * abs(measured / known - 1)
  }
}
