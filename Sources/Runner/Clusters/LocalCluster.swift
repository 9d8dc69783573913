import Foundation
import Glibc
import Results

/// A cluster on this machine: a ZooKeeper server, and brokers that it coordinates, each in a network namespace of its own where this
/// process may make them, and on loopback otherwise. All of it ends with this process.
///
/// One process runs the cluster and keeps `cluster.json` in its directory; other commands read that, and ask for starts of brokers by files
/// in `requests/`.
package final class LocalCluster {
  package struct Settings: Sendable {
    package var brokers: Int
    /// Data, logs and configuration of all servers; made where it is missing.
    package var directory: String
    /// Whether each broker gets a network namespace.
    package var hasNamespaces: Bool
    /// `key=value` of every broker.
    package var overrides: [String]
    /// The racks of the brokers in turn; empty: none has a rack.
    package var racks: [String]

    package init(brokers: Int, directory: String, hasNamespaces: Bool, overrides: [String], racks: [String] = []) {
      self.brokers = brokers
      self.directory = directory
      self.hasNamespaces = hasNamespaces
      self.overrides = overrides
      self.racks = racks
    }
  }

  package enum Limits {
    package static let brokers = 1...20
    /// Of every broker that has a network namespace.
    static let port = 9092
    static let startSeconds = 120.0
    static let stopSeconds = 60.0
    static let pollMs = 50
  }

  /// What this machine lacks for a cluster; nil where nothing is missing.
  package static var obstacle: String? { ZooKeeperProcess.obstacle }

  final class Member {
    let id: Int
    let address: String
    let port: Int
    let network: String?
    var child: ChildProcess?

    init(id: Int, address: String, port: Int, network: String?) {
      self.id = id
      self.address = address
      self.port = port
      self.network = network
    }
  }

  private var settings: Settings
  private let program: String
  let network: ClusterNetwork?
  private let zooKeeper: ZooKeeperProcess
  private(set) var members: [Member] = []
  private let tell: (String) -> Void
  private let stopRequested: () -> Bool

  /// Makes the network and starts ZooKeeper; `run` starts the brokers.
  ///
  /// - Parameters:
  ///   - program: millrace-broker.
  ///   - tell: gets what happens, a line each.
  package init(
    _ settings: Settings, program: String, tell: @escaping (String) -> Void, stopRequested: @escaping () -> Bool
  ) throws(RunError) {
    self.settings = settings
    self.program = program
    self.tell = tell
    self.stopRequested = stopRequested
    let ids = Array(1...settings.brokers)
    do {
      for part in ["zookeeper/data", "requests"] + ids.map({ "broker-\($0)" }) {
        try FileManager.default.createDirectory(
          atPath: "\(settings.directory)/\(part)", withIntermediateDirectories: true)
      }
      network = settings.hasNamespaces ? try ClusterNetwork.make(brokers: ids) : nil
    } catch { throw .failed("\(error)") }
    do throws(RunError) {
      zooKeeper = try ZooKeeperProcess(
        host: network?.hostAddress ?? "127.0.0.1", port: try ListeningPort.free(),
        directory: "\(settings.directory)/zookeeper")
      try zooKeeper.start(stopRequested: stopRequested)
      for id in ids {
        let port = network == nil ? try ListeningPort.free() : Limits.port
        members.append(
          Member(
            id: id, address: network?.address(of: id) ?? "127.0.0.1", port: port,
            network: network?.namespaceFile(of: id)))
      }
    } catch {
      network?.remove(brokers: ids)
      throw error
    }
  }

  package var directory: String { settings.directory }
  /// Where clients begin: all brokers.
  package var bootstrapServers: String { members.map { "\($0.address):\($0.port)" }.joined(separator: ",") }
  package var zooKeeperAddress: String { zooKeeper.address }
  package var zooKeeperPID: Int32? { zooKeeper.pid }

  /// Starts every broker; returns when all take clients.
  package func start() throws(RunError) {
    for member in members { try launch(member) }
    for member in members { try waitForStart(of: member) }
    try writeState()
  }

  /// Carries out requests of other commands, and tells of brokers that end, until it is asked to stop.
  package func run() throws(RunError) {
    while !stopRequested() {
      for member in members {
        guard let end = member.child?.poll() else { continue }
        tell("broker \(member.id) has ended with \(end)")
        member.child = nil
        try writeState()
      }
      try obeyRequests()
      Uptime.nap(milliseconds: Limits.pollMs)
    }
  }

  /// Stops the brokers in order, one after another, then ZooKeeper, and removes the network.
  package func stop() {
    for member in members.reversed() {
      guard let child = member.child else { continue }
      tell("broker \(member.id) stops")
      child.stop(grace: Limits.stopSeconds)
    }
    zooKeeper.stop()
    network?.remove(brokers: members.map(\.id))
    unlink(ClusterFile.path(in: settings.directory))
  }

  // MARK: Brokers

  private func directory(of member: Member) -> String { "\(settings.directory)/broker-\(member.id)" }

  private func launch(_ member: Member) throws(RunError) {
    let directory = directory(of: member)
    var lines = [
      "broker.id=\(member.id)", "listeners=PLAINTEXT://\(member.address):\(member.port)",
      "log.dirs=\(directory)/data", "zookeeper.connect=\(zooKeeper.address)",
    ]
    if !settings.racks.isEmpty { lines.append("broker.rack=\(settings.racks[(member.id - 1) % settings.racks.count])") }
    lines += settings.overrides
    let arguments = ["\(directory)/server.properties"]
    do {
      try SmallFile.replace(arguments[0], lines.map { $0 + "\n" }.joined())
      member.child = try ChildProcess(
        program: program, arguments: arguments, outPath: "\(directory)/broker.out", errPath: "\(directory)/broker.log",
        network: member.network)
    } catch { throw .failed("broker \(member.id): \(error)") }
  }

  private func waitForStart(of member: Member) throws(RunError) {
    let log = "\(directory(of: member))/broker.log"
    let deadline = Uptime.seconds + Limits.startSeconds
    while !(SmallFile.read(log) ?? "").contains(" started ") {
      if let end = member.child?.poll() {
        throw .failed("broker \(member.id) ended with \(end): \(BrokerProcess.lastLine(log))")
      }
      if stopRequested() { throw .interrupted }
      guard Uptime.seconds < deadline else { throw .failed("broker \(member.id) did not start: see \(log)") }
      Uptime.nap(milliseconds: 20)
    }
    tell("broker \(member.id) takes clients at \(member.address):\(member.port)")
  }

  /// Starts a broker that has ended; returns when it takes clients.
  ///
  /// - Parameter overrides: `key=value` of this and every later start, in the place of those so far.
  package func startAgain(_ id: Int, overrides: [String]? = nil) throws(RunError) {
    guard let member = members.first(where: { $0.id == id }), member.child?.poll() != nil || member.child == nil else {
      throw .failed("broker \(id) runs, or there is none")
    }
    if let overrides { settings.overrides = overrides }
    try launch(member)
    try waitForStart(of: member)
    try writeState()
  }

  // MARK: What other commands ask for

  private func obeyRequests() throws(RunError) {
    let requests = "\(settings.directory)/requests"
    for name in SmallFile.entries(of: requests) ?? [] {
      // Others are requests that are being written.
      guard name == ClusterFile.zooKeeperRequest || ClusterFile.broker(ofRequest: name) != nil else { continue }
      unlink("\(requests)/\(name)")
      if name == ClusterFile.zooKeeperRequest {
        tell("ZooKeeper is started anew")
        zooKeeper.stop()
        try zooKeeper.start(stopRequested: stopRequested)
      } else if let id = ClusterFile.broker(ofRequest: name), let member = members.first(where: { $0.id == id }),
        member.child == nil
      {
        try launch(member)
        try waitForStart(of: member)
      }
      try writeState()
    }
  }

  private func writeState() throws(RunError) {
    let state = ClusterFile(
      pid: getpid(), zooKeeper: .init(pid: zooKeeper.pid ?? -1, address: zooKeeper.address),
      network: network == nil ? nil : getpid(),
      brokers: members.map {
        .init(id: $0.id, pid: $0.child?.pid, address: "\($0.address):\($0.port)", directory: directory(of: $0))
      })
    do { try state.write(in: settings.directory) } catch { throw .failed("\(error)") }
  }
}
