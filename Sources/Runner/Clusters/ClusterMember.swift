import Glibc
import Results

/// A broker of a local cluster: its process, and what it is started with.
final class ClusterMember {
  let id: Int
  let directory: String
  /// Where clients reach it.
  var endpoint: String { "\(address):\(port)" }
  /// `key=value` on top of those that make it a member.
  var overrides: [String] = []
  var disk: BrokerDisk?
  private(set) var child: ChildProcess?
  private(set) var isStarted = false
  /// Why its last start failed.
  private(set) var failure: String?
  private let address: String
  private let port: Int
  private let network: String?
  private var starts = 0
  private var startDeadline = 0.0, startSeconds = 0.0
  private var isDiskFull = false

  init(id: Int, directory: String, address: String, port: Int, network: String?) {
    self.id = id
    self.directory = directory
    self.address = address
    self.port = port
    self.network = network
  }

  private var log: String { "\(directory)/broker.log" }
  private var data: String { disk.map { "\($0.path)/data" } ?? "\(directory)/data" }

  /// Starts the process. The log of the start before becomes `broker.log.N`.
  ///
  /// - Parameter seconds: until it must take clients.
  func launch(_ program: String, zooKeeper: String, within seconds: Double) throws(RunError) {
    let lines =
      [
        "broker.id=\(id)", "listeners=PLAINTEXT://\(address):\(port)", "log.dirs=\(data)",
        "zookeeper.connect=\(zooKeeper)",
      ] + overrides
    if starts > 0 { rename(log, "\(log).\(starts)") }
    starts += 1
    (isStarted, failure) = (false, nil)
    (startDeadline, startSeconds) = (Uptime.seconds + seconds, seconds)
    do {
      try SmallFile.replace("\(directory)/server.properties", lines.map { $0 + "\n" }.joined())
      child = try ChildProcess(
        program: program, arguments: ["\(directory)/server.properties"], outPath: "\(directory)/broker.out",
        errPath: log, network: network)
    } catch { throw .failed("broker \(id): \(error)") }
  }

  /// Looks whether the process has ended, or has come to take clients. Returns what is new, in words.
  func look() -> String? {
    guard let child else { return nil }
    if let end = child.poll() {
      self.child = nil
      let last = BrokerProcess.lastLine(log)
      if !isStarted { failure = "broker \(id) ended with \(end) before it took clients: \(last)" }
      isStarted = false
      return failure ?? "broker \(id) has ended with \(end)"
    }
    guard !isStarted else { return nil }
    if (SmallFile.read(log) ?? "").contains(" started ") {
      isStarted = true
      return "broker \(id) takes clients at \(endpoint)"
    }
    guard Uptime.seconds > startDeadline else { return nil }
    child.kill()
    self.child = nil
    failure = "broker \(id) did not take clients in \(Int(startSeconds)) s, and was killed: see \(log)"
    return failure
  }

  /// Stops it in order; returns false when it had to be killed.
  func stop(within seconds: Double) -> Bool {
    guard let child else { return true }
    let end = child.stop(grace: seconds)
    self.child = nil
    return end != .signalled(SIGKILL)
  }

  func fill() throws(SystemTool.Failure) {
    guard let disk else {
      throw SystemTool.Failure(description: "it has none of its own: start the cluster with --disk-mib 512")
    }
    try disk.fill()
    isDiskFull = true
  }

  func drain() throws(SystemTool.Failure) {
    try disk?.drain()
    isDiskFull = false
  }

  var state: ClusterFile.Broker {
    .init(
      id: id, pid: child?.pid, isStarted: isStarted, starts: starts, failure: failure,
      isDiskFull: disk == nil ? nil : isDiskFull, address: endpoint, directory: directory)
  }
}
