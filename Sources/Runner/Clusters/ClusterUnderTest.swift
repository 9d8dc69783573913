import Experiment
import Measure
import Results

/// A cluster that a run measures through: ZooKeeper and brokers of its own, all fresh, stopped when the run ends.
///
/// Figures are those of all brokers together, ZooKeeper's left out; the segments are those of every replica.
final class ClusterUnderTest: RunningBrokers {
  /// Cables of known speed, for each broker and each of so many clients.
  struct Links: Equatable {
    var mbitPerSecond: Double
    var clients: Int
  }

  let segments: SegmentFiles
  let startSeconds: Double
  let commandConfig: String? = nil
  let clientNamespace: String?
  let clientAddresses: [String]
  private let cluster: LocalCluster
  private var isStopped = false

  /// Returns when all brokers take clients.
  init(
    brokers: Int, program: String, directory: String, settings: [Setting], links: Links?,
    stopRequested: @escaping () -> Bool
  ) throws(RunError) {
    guard LocalCluster.Limits.brokers.contains(brokers) else {
      throw .failed("a cluster of \(brokers) brokers: \(LocalCluster.Limits.brokers) can be started")
    }
    let began = Uptime.seconds
    let place = "\(directory)/cluster"
    let cluster = try LocalCluster(
      LocalCluster.Settings(
        brokers: brokers, directory: place, hasNamespaces: links != nil,
        overrides: settings.map { "\($0.name)=\($0.value)" }),
      program: program, tell: { _ in }, stopRequested: stopRequested)
    segments = SegmentFiles(pattern: "broker-*/data/{topic}-*/*.log", data: place)
    clientNamespace = links == nil ? nil : cluster.network?.clientNamespaceFile
    clientAddresses = links.flatMap { cluster.network?.clientAddresses($0.clients) } ?? []
    do {
      if let links {
        try cluster.network?.addLinks(
          mbitPerSecond: links.mbitPerSecond, clients: links.clients, brokers: cluster.ids)
      }
      try cluster.start()
    } catch {
      Self.takeDown(cluster)
      throw (error as? RunError) ?? .failed("\(error)")
    }
    startSeconds = Uptime.seconds - began
    self.cluster = cluster
  }

  deinit { if !isStopped { Self.takeDown(cluster) } }

  /// What was to be measured is over, and the data go with the run: the brokers need not give their partitions to each other first.
  private static func takeDown(_ cluster: LocalCluster) {
    for id in cluster.ids { cluster.kill(id) }
    cluster.network?.removeLinks()
    cluster.stop()
  }

  var adminAddress: String { address }
  var address: String { cluster.bootstrapServers }
  var pid: Int32 { members.first ?? 0 }
  var members: [Int32] { cluster.ids.compactMap { cluster.pid(of: $0) } }
  var end: ChildProcess.End? { cluster.firstEnd?.end }

  var lastWord: String {
    cluster.firstEnd.map { "broker \($0.id): \(BrokerProcess.lastLine(cluster.log(of: $0.id)))" } ?? "no output"
  }

  var helperCPUSeconds: Double {
    cluster.zooKeeperPID.flatMap { ProcessFigures.of(pid: $0)?.cpuSeconds } ?? 0
  }

  func figures() -> ProcessFigures? {
    let pids = members
    return pids.count == cluster.ids.count ? ProcessFigures.of(pids: pids) : nil
  }

  func eachFigures() -> [ProcessFigures] { cluster.ids.compactMap { cluster.figures(of: $0) } }

  func readBytes() -> Int? {
    let bytes = members.compactMap { ProcessFigures.readBytes(pid: $0) }
    return bytes.isEmpty ? nil : bytes.reduce(0, +)
  }

  func stop() throws(RunError) {
    let ended = cluster.firstEnd
    isStopped = true
    Self.takeDown(cluster)
    if let ended { throw .failed("broker \(ended.id) ended with \(ended.end) before it was stopped") }
  }

  /// What each broker spent: the most of any.
  static func addMost(
    _ metrics: inout [String: Double], before: [ProcessFigures], after: [ProcessFigures]
  ) {
    guard before.count == after.count, !before.isEmpty else { return }
    let pairs = zip(before, after)
    metrics[.brokerCPUMostSeconds] = pairs.map { $1.cpuSeconds - $0.cpuSeconds }.max()
    metrics[.processWrittenMostBytes] = pairs.map { Double($1.writtenBytes - $0.writtenBytes) }.max()
    metrics[.rssMostMiB] = after.map(\.residentMiB).max()
  }
}
