import Experiment
import Glibc
import Results

/// A broker under test, started and stopped as its driver says, with the programs beside it.
package final class BrokerProcess {
  package enum Limits {
    /// How finely the start is measured.
    static let startPollMs = 1
    /// Until a topic can be created at a broker that answers.
    static let topicSeconds = 60.0
    static let topicPollMs = 100
  }

  /// Where it listens, and what stands between it and its clients.
  struct Place: Sendable, Equatable {
    var host = "127.0.0.1"
    /// Nil: any that is free.
    var port: Int?
    /// The `HOST:PORT` that clients are told; nil: where it listens.
    var advertised: String?
    /// The file of the network namespace it runs in.
    var network: String?
  }

  package let port: Int
  package let directory: String
  let driver: BrokerDriver
  /// Where its partitions lie.
  let segments: SegmentFiles
  /// From the start of its process, or of the first beside it, to its answer to ApiVersions (behind a link: to its word that it has
  /// started), seconds.
  package let startSeconds: Double
  private let child: ChildProcess
  private let companions: [ChildProcess]
  /// As they were when `figures` was last asked for.
  private(set) var members: [Int32]

  /// Of the program that the driver starts, which leads a process group.
  package var pid: Int32 { child.pid }
  /// As clients reach it.
  package let address: String
  /// As the campaign reaches it to administer it: the same, but for a secured broker.
  package let adminAddress: String
  /// The load's listener, where it is another than the campaign's.
  let secured: SecuredListener?
  let commandConfig: String?

  /// Returns when the broker answers. `data` is its data directory; logs and configuration go to `directory`.
  init(
    _ broker: BrokerUnderTest, programs: ProcessRunner.Programs, directory: String, data: String, settings: [Setting],
    procs: String?, at place: Place = Place(), secured: SecuredListener? = nil, stopRequested: @escaping () -> Bool
  ) throws(RunError) {
    if let given = place.port {
      port = given
    } else {
      port = try ListeningPort.free(count: 1, besides: secured?.port ?? 0)[0]
    }
    adminAddress = place.advertised ?? "\(place.host):\(port)"
    address = secured?.address ?? adminAddress
    self.secured = secured
    commandConfig = secured.map { _ in "\(directory)/load.properties" }
    self.directory = directory
    driver = broker.driver
    segments = SegmentFiles(of: broker.driver, in: data)
    let start = try BrokerStart(
      broker, programs: programs, directory: directory, data: data, host: place.host, port: port,
      advertised: adminAddress,
      procs: procs, network: place.network, stopRequested: stopRequested)
    try start.writeFiles(settings + (secured?.settings(adminPort: port) ?? []))
    if let secured, let commandConfig {
      do { try SmallFile.replace(commandConfig, secured.clientProperties) } catch { throw .failed("\(error)") }
    }
    try start.runCommands()
    let began = Uptime.seconds
    let companions = try start.startCompanions()
    let child = try start.startBroker(out: Self.out(directory), log: Self.log(directory))
    self.companions = companions
    self.child = child
    members = [child.pid]
    let readiness = Readiness(driver: broker.driver, directory: directory, port: place.network == nil ? port : nil)
    do throws(RunError) {
      startSeconds = try readiness.wait(for: child, since: began, stopRequested)
      if !broker.isMillrace, place.network == nil {
        try Self.createTopic(at: address, programs, directory, stopRequested)
      }
    } catch {
      for one in [child] + companions.reversed() { one.killGroup() }
      throw error
    }
  }

  deinit { for one in [child] + companions.reversed() where !isStopped { one.killGroup() } }

  private var isStopped = false

  private static func out(_ directory: String) -> String { "\(directory)/broker.out" }
  private static func log(_ directory: String) -> String { "\(directory)/broker.log" }

  /// When a broker that was just started can be used.
  private struct Readiness {
    let driver: BrokerDriver
    let directory: String
    /// Nil: it cannot be reached from here.
    let port: Int?

    /// Returns seconds since `began`.
    func wait(for child: ChildProcess, since began: Double, _ stopRequested: () -> Bool) throws(RunError) -> Double {
      let deadline = Uptime.seconds + Double(driver.startSeconds)
      while !isReady {
        if let end = child.poll() { throw .failed("the broker ended with \(end): \(lastWord)") }
        if stopRequested() { throw .interrupted }
        guard Uptime.seconds < deadline else {
          throw .failed("the broker did not start within \(driver.startSeconds) s: \(lastWord)")
        }
        Uptime.nap(milliseconds: Limits.startPollMs)
      }
      return Uptime.seconds - began
    }

    private var isReady: Bool {
      if let says = driver.says, !logs.contains(where: { (SmallFile.read($0) ?? "").contains(says) }) { return false }
      return port.map(ListeningPort.answers) ?? true
    }

    private var logs: [String] { [BrokerProcess.log(directory), BrokerProcess.out(directory)] }
    private var lastWord: String { BrokerProcess.lastWord(of: logs) }
  }

  private static let exists = "TOPIC_ALREADY_EXISTS"

  /// Some brokers answer before they can lead anything: a topic of one partition shows that this one can.
  private static func createTopic(
    at address: String, _ programs: ProcessRunner.Programs, _ directory: String, _ stopRequested: () -> Bool
  ) throws(RunError) {
    let words = ["topics", "create", "millrace-ready", "--bootstrap-server", address]
    let deadline = Uptime.seconds + Limits.topicSeconds
    while true {
      do throws(RunError) {
        return try ProcessRunner.run(programs.millrace, words, in: directory)
      } catch {
        // A data directory of an earlier start has it already.
        if "\(error)".contains(Self.exists) { return }
        guard Uptime.seconds < deadline else { throw .failed("no topic can be created: \(error)") }
      }
      if stopRequested() { throw .interrupted }
      Uptime.nap(milliseconds: Limits.topicPollMs)
    }
  }

  /// Nil while it runs.
  package var end: ChildProcess.End? { child.poll() }

  /// What the kernel counts of it, of what it started, and of the programs beside it; nil when it is gone.
  package func figures() -> ProcessFigures? {
    guard child.poll() == nil else { return nil }
    members = ProcessTree.members(of: [child.pid] + companions.map(\.pid), among: ProcessTree.all())
    return ProcessFigures.of(pids: members)
  }

  /// `read_bytes` of all members together; nil when none tells.
  func readBytes() -> Int? {
    let bytes = members.compactMap { ProcessFigures.readBytes(pid: $0) }
    return bytes.isEmpty ? nil : bytes.reduce(0, +)
  }

  /// Throws when it did not end as its driver says that it does.
  package func stop() throws(RunError) {
    let end = child.stopGroup(by: driver.stop.signal.number, grace: Double(driver.stop.graceSeconds))
    for companion in companions.reversed() {
      companion.stopGroup(by: SIGTERM, grace: BrokerStart.Limits.companionStopSeconds)
    }
    isStopped = true
    guard driver.stop.expects(end) else {
      throw .failed("the broker stopped with \(end): \(lastWord)")
    }
  }

  /// The line of its log that says why it ended: the last, or the fatal one before a backtrace.
  package var lastWord: String { Self.lastWord(of: [Self.log(directory), Self.out(directory)]) }

  /// Of the first file that has one.
  static func lastWord(of files: [String]) -> String {
    files.lazy.map(lastLine).first { $0 != nothing } ?? nothing
  }

  private static let nothing = "no output"

  static func lastLine(_ path: String) -> String {
    let lines = (SmallFile.read(path) ?? "").split(separator: "\n")
    let last = lines.last { $0.contains("Fatal") } ?? lines.last
    return last.map { String($0.prefix(300)) } ?? nothing
  }
}

extension BrokerDriver.Signal {
  var number: Int32 {
    switch self {
    case .term: SIGTERM
    case .int: SIGINT
    case .kill: SIGKILL
    }
  }
}

extension BrokerDriver.Stop {
  /// Whether a broker that was asked to stop ends so.
  func expects(_ end: ChildProcess.End) -> Bool {
    switch end {
    case .exited(let code): exitCodes.contains(Int(code))
    case .signalled(let number): number == signal.number && (maySignal || signal == .kill)
    }
  }
}
