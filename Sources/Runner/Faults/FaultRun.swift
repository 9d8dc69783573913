import Base
import Glibc
import Results

/// Runs `millrace-load check` against a broker of this machine that is killed and stopped again and again.
///
/// kill -9 leaves the page cache, so the broker promises every acknowledged record without any flush. Whatever the clients find
/// missing, doubled or torn is a fault.
package final class FaultRun {
  package enum Limits {
    package static let minutes = 0.1...1440.0
    static let lookMs = 20
    /// Until a broker that starts answers, after any kill.
    static let startSeconds = 60.0
    /// After the faults: for the clients to finish, for transactions to time out, and for everything to be read.
    static let patienceSeconds = 120
    static let stopSeconds = 60.0
    /// Shorter than the usual 45 s, so that pauses beyond it fit a run.
    static let sessionTimeoutMs = 3_000
    static let transactionTimeoutMs = 5_000
    static let requestTimeoutMs = 10_000
    /// Ports below those that the kernel gives to connections: while the broker is down, no connection can come to sit on its port.
    static let portFirst = 12_000, portCount = 20_000, portAttempts = 100
  }

  package struct Settings: Sendable {
    package var minutes = 10.0
    package var seed: UInt64 = 1
    /// Where the broker's data, the logs and the history go.
    package var directory: String
    /// Flags for `millrace-load check` beyond those of the run.
    package var loadArguments: [String] = []
    /// Arguments for the broker, which tests use.
    package var brokerArguments: [String] = []

    package init(directory: String) { self.directory = directory }
  }

  /// What a run showed.
  package struct Outcome: Sendable {
    /// What `millrace-load check` printed.
    package var report: String
    package var isGood: Bool
    package var kills = 0, pauses = 0
  }

  private let settings: Settings
  private let programs: ProcessRunner.Programs
  private let tell: (String) -> Void
  private let stopRequested: () -> Bool
  private let port: Int
  private var broker: ChildProcess?
  private var starts = 0
  private var kills = 0, pauses = 0
  private let began = Uptime.seconds

  /// - Parameter tell: gets a line for each fault.
  package init(
    _ settings: Settings, programs: ProcessRunner.Programs, tell: @escaping (String) -> Void,
    stopRequested: @escaping () -> Bool
  ) throws(RunError) {
    self.settings = settings
    self.programs = programs
    self.tell = tell
    self.stopRequested = stopRequested
    port = try Self.freePort(settings.seed)
  }

  package func run() throws(RunError) -> Outcome {
    try startBroker()
    try awaitBroker()
    let load = try startLoad()
    defer { load.kill() }
    try doFaults(while: load)
    try awaitEnd(of: load)
    stopBroker()
    let report = SmallFile.read("\(settings.directory)/check.out") ?? ""
    // A run that could not begin says why there.
    let words = report.isEmpty ? SmallFile.read("\(settings.directory)/check.err") ?? "" : report
    return Outcome(report: words, isGood: load.end == .exited(0), kills: kills, pauses: pauses)
  }

  // MARK: The broker

  private var logPath: String { "\(settings.directory)/broker-\(starts).log" }

  private func startBroker() throws(RunError) {
    starts += 1
    var arguments = ["\(settings.directory)/server.properties"] + settings.brokerArguments
    if starts == 1 { try writeProperties() }
    arguments += ["--override", "listeners=PLAINTEXT://127.0.0.1:\(port)"]
    do {
      broker = try ChildProcess(
        program: programs.broker, arguments: arguments, outPath: "/dev/null", errPath: logPath)
    } catch {
      throw .failed("\(error)")
    }
  }

  /// A run of an even seed flushes its logs and writes recovery points down every second, so that a restart trusts what lies before
  /// them: indexes, producers, aborted transactions. In one of an odd seed a restart reads all of each log.
  private var flushes: Bool { settings.seed % 2 == 0 }

  /// Small segments, so that logs roll every few seconds and most of what is read is in closed ones; short timeouts, so that a run has many of each.
  private func writeProperties() throws(RunError) {
    let text = """
      broker.id=1
      log.dirs=\(settings.directory)/data
      log.segment.bytes=131072
      offsets.topic.num.partitions=4
      transaction.state.log.num.partitions=4
      group.min.session.timeout.ms=1000
      group.initial.rebalance.delay.ms=200
      transaction.abort.timed.out.transaction.cleanup.interval.ms=1000

      """
    let flushing = """
      log.flush.interval.ms=1000
      log.flush.scheduler.interval.ms=500
      log.flush.offset.checkpoint.interval.ms=1000

      """
    do {
      try SmallFile.replace("\(settings.directory)/server.properties", flushes ? text + flushing : text)
    } catch {
      throw .failed("\(settings.directory) cannot be written: \(error)")
    }
  }

  /// Waits until the broker answers; its own end is a fault.
  private func awaitBroker() throws(RunError) {
    let deadline = Uptime.seconds + Limits.startSeconds
    while !ListeningPort.answers(port) {
      try mustRun()
      guard Uptime.seconds < deadline else {
        throw .failed("the broker does not answer \(Int(Limits.startSeconds)) s after its start: see \(logPath)")
      }
      Uptime.nap(milliseconds: Limits.lookMs)
    }
  }

  private func mustRun() throws(RunError) {
    guard let end = broker?.poll() else { return }
    throw .failed("the broker ended by itself (\(end)): see \(logPath)")
  }

  private func stopBroker() { broker?.stop(grace: Limits.stopSeconds) }

  // MARK: The faults

  private func startLoad() throws(RunError) -> ChildProcess {
    let arguments =
      [
        "check", "--bootstrap-server", "127.0.0.1:\(port)", "--duration", "\(settings.minutes * 60)",
        "--patience", "\(Limits.patienceSeconds)", "--seed", "\(settings.seed)", "--quiet",
        "--session-timeout-ms", "\(Limits.sessionTimeoutMs)",
        "--transaction-timeout-ms", "\(Limits.transactionTimeoutMs)",
        "--request-timeout-ms", "\(Limits.requestTimeoutMs)", "--history", "\(settings.directory)/history.txt",
      ] + settings.loadArguments
    do {
      return try ChildProcess(
        program: programs.load, arguments: arguments, outPath: "\(settings.directory)/check.out",
        errPath: "\(settings.directory)/check.err")
    } catch {
      throw .failed("\(error)")
    }
  }

  private func doFaults(while load: ChildProcess) throws(RunError) {
    var schedule = FaultSchedule(seed: settings.seed, timeoutMs: Limits.sessionTimeoutMs)
    let until = Uptime.seconds + settings.minutes * 60
    while true {
      let step = schedule.next()
      guard try rest(Double(step.quietMs) / 1000, until: until, while: load) else { return }
      tell("\(Int(Uptime.seconds - began)) s: \(step.fault)")
      switch step.fault {
      case .kill(let downMs, let againMs): try kill(downMs: downMs, againMs: againMs)
      case .pause(let ms): try pause(ms: ms)
      }
    }
  }

  /// Returns false when there is no time for another fault, or the load has ended.
  private func rest(_ seconds: Double, until: Double, while load: ChildProcess) throws(RunError) -> Bool {
    let end = Uptime.seconds + seconds
    while Uptime.seconds < min(end, until) {
      try mustRun()
      try mustGoOn()
      if load.poll() != nil { return false }
      Uptime.nap(milliseconds: Limits.lookMs)
    }
    return end < until
  }

  private func kill(downMs: Int, againMs: Int?) throws(RunError) {
    kills += 1
    broker?.kill()
    Uptime.nap(milliseconds: downMs)
    try startBroker()
    if let againMs {
      kills += 1
      Uptime.nap(milliseconds: againMs)
      try mustRun()
      broker?.kill()
      try startBroker()
    }
    try awaitBroker()
  }

  private func pause(ms: Int) throws(RunError) {
    guard let broker else { return }
    pauses += 1
    Glibc.kill(broker.pid, SIGSTOP)
    Uptime.nap(milliseconds: ms)
    Glibc.kill(broker.pid, SIGCONT)
    try mustRun()
  }

  /// The load ends by itself, within its patience.
  private func awaitEnd(of load: ChildProcess) throws(RunError) {
    while load.poll() == nil {
      try mustRun()
      try mustGoOn()
      Uptime.nap(milliseconds: Limits.lookMs)
    }
  }

  private func mustGoOn() throws(RunError) {
    if stopRequested() { throw .interrupted }
  }

  // MARK: The port

  private static func freePort(_ seed: UInt64) throws(RunError) -> Int {
    var random = SplitMix(seed: SplitMix.mixed(seed) &+ UInt64(getpid()))
    for _ in 0..<Limits.portAttempts {
      let port = Limits.portFirst + random.below(Limits.portCount)
      if !ListeningPort.isOpen(port) { return port }
    }
    throw .failed("no port from \(Limits.portFirst) on is free")
  }
}
