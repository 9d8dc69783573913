import Foundation
import Glibc
import Results

/// A cluster on this machine: a ZooKeeper server, and brokers that it coordinates, each in a network namespace of its own where this
/// process may make them, and on loopback otherwise. All of it ends with this process.
///
/// One process runs the cluster and keeps `cluster.json` in its directory; other commands read that, and ask for what only this process can
/// do by files in `requests/`.
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
    /// The size of each broker's own disk, which `fault fill` can fill; nil: the brokers' data are in the directory.
    package var diskMebibytes: Int?

    package init(
      brokers: Int, directory: String, hasNamespaces: Bool, overrides: [String], racks: [String] = [],
      diskMebibytes: Int? = nil
    ) {
      self.brokers = brokers
      self.directory = directory
      self.hasNamespaces = hasNamespaces
      self.overrides = overrides
      self.racks = racks
      self.diskMebibytes = diskMebibytes
    }
  }

  package enum Limits {
    package static let brokers = 1...20
    package static let diskMebibytes = BrokerDisk.Limits.mebibytes
    /// Of every broker that has a network namespace.
    static let port = 9092
    /// Until brokers that were started take clients.
    package static let startSeconds = 120.0
    /// For all brokers together to stop in order; those that are left are killed, each after `killSeconds` of its own.
    static let stopSeconds = 60.0
    static let killSeconds = 2.0
    static let pollMs = 20

    /// How long `stop` takes at most.
    package static func stopSeconds(brokers: Int) -> Double {
      stopSeconds + killSeconds * Double(brokers) + ZooKeeperProcess.Limits.stopSeconds + 30
    }
  }

  /// What this machine lacks for a cluster; nil where nothing is missing.
  package static var obstacle: String? { ZooKeeperProcess.obstacle }

  private let settings: Settings
  private let program: String
  private let lock: DirectoryLock
  let network: ClusterNetwork?
  private let addresses: AddressBlock?
  private let zooKeeper: ZooKeeperProcess
  private(set) var members: [ClusterMember] = []
  private let tell: (String) -> Void
  private let stopRequested: () -> Bool

  /// Makes the network and the disks, and starts ZooKeeper; `start` starts the brokers.
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
    } catch { throw .failed("\(error.localizedDescription)") }
    guard let lock = DirectoryLock(settings.directory) else {
      throw .failed("a cluster runs in \(settings.directory) already, or is being started there")
    }
    self.lock = lock
    _ = ClusterRequest.take(in: settings.directory)
    if settings.hasNamespaces {
      ClusterNetwork.removeLeftovers()
      guard let block = AddressBlock(preferring: Int(getpid())) else {
        throw .failed("no addresses are free for the brokers' network: do other clusters run?")
      }
      addresses = block
      do { network = try ClusterNetwork.make(brokers: ids, in: block) } catch { throw .failed("\(error)") }
    } else {
      addresses = nil
      network = nil
    }
    do throws(RunError) {
      zooKeeper = try ZooKeeperProcess(
        host: addresses?.host ?? "127.0.0.1", port: try ListeningPort.free(),
        directory: "\(settings.directory)/zookeeper")
      try zooKeeper.start(stopRequested: stopRequested)
      for id in ids { members.append(try member(id)) }
    } catch {
      for member in members { member.disk?.unmount() }
      network?.remove(brokers: ids)
      throw error
    }
  }

  private func member(_ id: Int) throws(RunError) -> ClusterMember {
    let directory = "\(settings.directory)/broker-\(id)"
    let member = ClusterMember(
      id: id, directory: directory, address: addresses?.address(of: id) ?? "127.0.0.1",
      port: network == nil ? try ListeningPort.free() : Limits.port, network: network?.namespaceFile(of: id))
    member.overrides = settings.overrides
    // Coordinators' topics wait until there are as many brokers as they are to have replicas.
    if settings.brokers < 3 {
      let topics = ["offsets.topic", "transaction.state.log"]
      member.overrides.insert(contentsOf: topics.map { "\($0).replication.factor=\(settings.brokers)" }, at: 0)
    }
    if !settings.racks.isEmpty {
      member.overrides.insert("broker.rack=\(settings.racks[(id - 1) % settings.racks.count])", at: 0)
    }
    guard let mebibytes = settings.diskMebibytes else { return member }
    do {
      let path = "\(directory)/disk"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      member.disk = try BrokerDisk(at: path, mebibytes: mebibytes)
    } catch { throw .failed("the disk of broker \(id): \(error)") }
    return member
  }

  package var directory: String { settings.directory }
  /// Where clients begin: all brokers.
  package var bootstrapServers: String { members.map(\.endpoint).joined(separator: ",") }
  package var zooKeeperAddress: String { zooKeeper.address }
  package var zooKeeperPID: Int32? { zooKeeper.pid }

  /// Starts every broker; returns when all take clients.
  package func start() throws(RunError) {
    for member in members { try member.launch(program, zooKeeper: zooKeeper.address, within: Limits.startSeconds) }
    while true {
      for member in members {
        if let news = member.look() { tell(news) }
        if let failure = member.failure { throw .failed(failure) }
      }
      if members.allSatisfy(\.isStarted) { return try writeState() }
      if stopRequested() { throw .interrupted }
      Uptime.nap(milliseconds: Limits.pollMs)
    }
  }

  /// Carries out requests of other commands, and tells of brokers that end, until it is asked to stop.
  package func run() throws(RunError) {
    while !stopRequested() {
      var hasChanged = false
      for member in members {
        guard let news = member.look() else { continue }
        tell(news)
        hasChanged = true
      }
      for request in ClusterRequest.take(in: settings.directory) {
        do { try obey(request) } catch RunError.interrupted { return } catch { tell("\(error)") }
        hasChanged = true
      }
      if hasChanged { try writeState() }
      Uptime.nap(milliseconds: Limits.pollMs)
    }
  }

  /// Stops the brokers in order, one after another, then ZooKeeper, and removes the network and the disks. What faults have done to the
  /// brokers is undone first, so that they can stop; those that do not in time are killed.
  package func stop() {
    for member in members { recover(member) }
    let deadline = Uptime.seconds + Limits.stopSeconds
    for member in members.reversed() {
      guard member.child != nil else { continue }
      tell("broker \(member.id) stops")
      if !member.stop(within: max(Limits.killSeconds, deadline - Uptime.seconds)) {
        tell("broker \(member.id) has not stopped in \(Int(Limits.stopSeconds)) s, and was killed")
      }
    }
    zooKeeper.stop()
    for member in members { member.disk?.unmount() }
    network?.remove(brokers: members.map(\.id))
    unlink(ClusterFile.path(in: settings.directory))
  }

  private func recover(_ member: ClusterMember) {
    member.child.map { _ = Glibc.kill($0.pid, SIGCONT) }
    for direction in ClusterNetwork.Direction.allCases { network?.mend(member.id, direction) }
    try? member.drain()
  }

  /// Starts a broker that has ended; returns when it takes clients.
  ///
  /// - Parameter overrides: `key=value` of every broker's next starts, in the place of those so far.
  package func startAgain(_ id: Int, overrides: [String]? = nil) throws(RunError) {
    guard let member = members.first(where: { $0.id == id }), member.child?.poll() != nil || member.child == nil else {
      throw .failed("broker \(id) runs, or there is none")
    }
    if let overrides {
      for member in members {
        member.overrides = member.overrides.filter { $0.hasPrefix("broker.rack=") } + overrides
      }
    }
    _ = member.look()
    try member.launch(program, zooKeeper: zooKeeper.address, within: Limits.startSeconds)
    while !member.isStarted {
      if let news = member.look() { tell(news) }
      if let failure = member.failure { throw .failed(failure) }
      if stopRequested() { throw .interrupted }
      Uptime.nap(milliseconds: Limits.pollMs)
    }
    try writeState()
  }

  // MARK: What other commands ask for

  private func obey(_ request: ClusterRequest) throws(RunError) {
    switch request {
    case .restartZooKeeper:
      tell("ZooKeeper is started anew")
      zooKeeper.stop()
      try zooKeeper.start(stopRequested: stopRequested)
    case .start(let id, let overrides):
      guard let member = members.first(where: { $0.id == id }), member.child == nil else { return }
      member.overrides += overrides
      try member.launch(program, zooKeeper: zooKeeper.address, within: Limits.startSeconds)
    case .fill(let id): try changeDisk(of: id) { member throws(SystemTool.Failure) in try member.fill() }
    case .drain(let id): try changeDisk(of: id) { member throws(SystemTool.Failure) in try member.drain() }
    }
  }

  private func changeDisk(of id: Int, _ change: (ClusterMember) throws(SystemTool.Failure) -> Void) throws(RunError) {
    guard let member = members.first(where: { $0.id == id }) else { return }
    do { try change(member) } catch { throw .failed("the disk of broker \(id): \(error)") }
  }

  private func writeState() throws(RunError) {
    let state = ClusterFile(
      pid: getpid(), zooKeeper: .init(pid: zooKeeper.pid ?? -1, address: zooKeeper.address),
      network: network == nil ? nil : getpid(), brokers: members.map(\.state))
    do { try state.write(in: settings.directory) } catch { throw .failed("\(error)") }
  }
}
