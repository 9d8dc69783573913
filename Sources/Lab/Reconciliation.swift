/// Different counters of the same bytes must agree, or the row does not count. Pure.
package struct Reconciliation: Sendable, Equatable {
  package enum Tolerances {
    /// What the kernel says was written may differ from the growth of the log by indexes and page rounding.
    static let writtenShare = 0.05
    static let writtenBytes = 8e6
    /// Uncompressed, the log holds the payload and at most this much framing for each payload byte (tiny records).
    static let storedPerPayloadMax = 2.0
    /// Hot data must not be read from the device.
    static let deviceReadShare = 0.01
    /// Cold data must be, but for what read-ahead of the run before or a neighbour brought in.
    static let coldReadShare = 0.9
  }

  /// Reasons the row is invalid.
  package private(set) var faults: [String] = []
  package private(set) var warnings: [String] = []

  package init() {}

  package mutating func records(asked: Double?, moved: Double?) {
    guard let asked, let moved, asked != moved else { return }
    faults.append("\(Figures.text(moved)) records moved of \(Figures.text(asked))")
  }

  /// Nothing may be lost, doubled, out of order or damaged.
  package mutating func integrity(_ figures: ReportedFigures) {
    for name in ["lost", "duplicated", "reordered", "corrupt", "errors"] {
      if let count = figures[name], count > 0 { faults.append("\(Figures.text(count)) records \(name)") }
    }
  }

  /// Of a log that keeps everything.
  package mutating func stored(bytes: Double, payload: Double, isCompressed: Bool) {
    if isCompressed {
      if bytes <= 0 { faults.append("the log did not grow") }
      return
    }
    guard bytes < payload || bytes > payload * Tolerances.storedPerPayloadMax + 1e6 else { return }
    faults.append("the log grew by \(Figures.text(bytes)) bytes for \(Figures.text(payload)) bytes of payload")
  }

  /// /proc/PID/io against the log's growth.
  package mutating func written(kernel: Double, stored: Double) {
    let difference = abs(kernel - stored)
    guard difference > Tolerances.writtenShare * stored + Tolerances.writtenBytes else { return }
    faults.append(
      "the kernel counts \(Figures.text(kernel)) bytes written, the log grew by \(Figures.text(stored))")
  }

  /// Cold data come from the device: a process that was charged for less than it moved read somebody's cache.
  package mutating func coldReads(charged: Double?, of moved: Double, expectsCold: Bool) {
    guard expectsCold, let charged, moved > 0, charged < moved * Tolerances.coldReadShare else { return }
    faults.append(
      "the data were to be cold, and the kernel charged \(Figures.text(charged)) bytes read for "
        + "\(Figures.text(moved)) bytes moved")
  }

  package mutating func deviceReads(_ bytes: Double?, of moved: Double, expectsHot: Bool) {
    guard expectsHot, let bytes, moved > 0, bytes > Tolerances.deviceReadShare * moved else { return }
    warnings.append("\(Figures.percent(bytes / moved)) of the bytes came from the device (or a neighbour read it)")
  }
}

/// One sentence on what held a run back.
package enum Limiter {
  /// A thread or process at this share of one core is what everything else waits for.
  static let saturated = 0.9

  package static func sentence(
    sideShare: Double?, side: String, clientShare: Double?, client: String, idleShare: Double, isPaced: Bool
  ) -> String {
    func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) % of a core" }
    if isPaced { return "its pace: it was asked for no more" }
    if let clientShare, clientShare >= saturated, clientShare >= sideShare ?? 0 {
      return "the \(client): \(percent(clientShare))"
    }
    if let sideShare, sideShare >= saturated { return "CPU of the \(side): \(percent(sideShare))" }
    if idleShare < 0.1 { return "the machine's CPU: \(Int((idleShare * 100).rounded())) % idle" }
    return
      "no CPU: \(side) \(sideShare.map(percent) ?? "unknown"), \(client) \(clientShare.map(percent) ?? "unknown"); "
      + "waiting for disk, wake-ups or each other"
  }
}
