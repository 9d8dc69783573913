import Experiment
import Glibc
import Measure
import Results

/// A load program beside the measured one: under way before measuring begins, stopped when it has ended.
///
/// What it does is no figure of the arm's, but its failing, or ending by itself, is the row's failure: the arm was to be measured
/// in its presence.
extension ProcessRunner {
  private enum BesideLimits {
    static let startSeconds = 20.0
    static let stopSeconds = 20.0
    /// Between two lines of its progress, the first of which says that it is under way.
    static let intervalMs = 20
  }

  private static func besideFiles(_ scene: Scene) -> (out: String, log: String) {
    ("\(scene.directory)/beside.out", "\(scene.directory)/beside.log")
  }

  /// Nil where the arm has none. Returns when it has moved its first records.
  func startBeside(_ scene: Scene, _ broker: any RunningBrokers) throws(RunError) -> ChildProcess? {
    guard let beside = scene.arm.broker?.phases.beside else { return nil }
    let files = Self.besideFiles(scene)
    var arguments =
      Self.loadArguments(.flow(beside.flow), at: broker) + ["--interval-ms", "\(BesideLimits.intervalMs)"]
    arguments += Self.arguments(scene.values.filled(beside.options))
    let child: ChildProcess
    do {
      child = try ChildProcess(program: programs.load, arguments: arguments, outPath: files.out, errPath: files.log)
    } catch {
      throw .failed("\(error)")
    }
    let deadline = Uptime.seconds + BesideLimits.startSeconds
    while !Self.hasMoved(SmallFile.read(files.log) ?? "") {
      if let end = child.poll() { throw .failed("the load beside ended with \(end): \(Self.besideWords(scene))") }
      if stopRequested() { throw .interrupted }
      guard Uptime.seconds < deadline else {
        throw .failed("the load beside moved nothing within \(Int(BesideLimits.startSeconds)) s")
      }
      Uptime.nap(milliseconds: Limits.pollMs)
    }
    return child
  }

  /// A line of progress that tells of records.
  static func hasMoved(_ log: String) -> Bool {
    log.split(separator: "\n").contains { $0.contains(" records/s") && !$0.contains("  0 records/s") }
  }

  /// Its figures until now; throws where it does not end in order when it is asked to.
  func stopBeside(_ child: ChildProcess, _ scene: Scene) throws(RunError) -> ReportedFigures {
    if let end = child.poll() { throw .failed("the load beside ended with \(end): \(Self.besideWords(scene))") }
    let end = child.stop(grace: BesideLimits.stopSeconds)
    guard end == .exited(0) else {
      throw .failed("the load beside stopped with \(end): \(Self.besideWords(scene))")
    }
    guard let figures = ReportedFigures(output: SmallFile.read(Self.besideFiles(scene).out) ?? "") else {
      throw .failed("the load beside printed no JSON")
    }
    return figures
  }

  /// Why it failed, or that it ran out of work.
  static func besideWords(_ scene: Scene) -> String {
    let files = besideFiles(scene)
    if ReportedFigures(output: SmallFile.read(files.out) ?? "")?.text("ending") == "complete" {
      return "it came to its own end before the measured run did (give it more to do)"
    }
    return complaint(files.out, files.log)
  }

  static func addBeside(_ metrics: inout [String: Double], _ figures: ReportedFigures) throws(RunError) {
    metrics[.besideMBPerSecond] = figures.metrics[.mbPerSecond]
    // No metric of a row: what the interface carried for it.
    metrics["beside_wire_bytes"] = try figures.required("wire_bytes_sent") + figures.required("wire_bytes_received")
  }
}
