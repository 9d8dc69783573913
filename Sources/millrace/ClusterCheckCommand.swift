import ArgumentParser
import Base
import Coordination
import Foundation
import Glibc
import Load
import Runner
import Synchronization

/// Kills leaders of a cluster while clients write, and looks what is lost and how long nobody could write.
struct ClusterCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Kill (-9) leaders of a cluster again and again while clients write, and check what the clients see.",
    discussion: """
      Beside the clients of `millrace-load check` (acks=all, idempotent and transactional producers, two groups, readers), the
      leader of one partition after another is killed and started again, when the session of the broker has ended, all partitions that
      it led were written to again, and everything is in sync. In the end all records are read, and the history of all clients is searched for what
      Kafka's contract forbids. For each kill it prints the time until the session's end, which zookeeper.session.timeout.ms
      decides, and from there until the last of the partitions was written to again.

      The cluster that runs in --directory is used; without one, three brokers are started there, stopped in the end, and what
      they left is removed where nothing was found.

      EXAMPLES
        millrace cluster check --kills 5
        millrace cluster check --kills 100 --throughput 2000

      EXIT CODES
        0 nothing lost, and always writable in time   1 anomalies, too slow, or the cluster did not recover   64 wrong arguments
        69 ZooKeeper or a right is missing   130 interrupted
      """)

  @Option(help: "How often a leader is killed.") var kills = 100
  @Option(help: "Seconds of rest between the recovery from a kill and the next, in which groups find together.")
  var rest = 5.0
  @Option(help: "Seconds from the session's end until all partitions must be writable.") var writableWithin = 2.0
  @Option(help: "The number of brokers, where none run yet.") var brokers = 3
  @Option(help: "The partitions of the topic that the clients write to.") var partitions = 6
  @Option(help: "Records/s of all producers together.") var throughput = 1000
  @Option(help: "Decides the clients' choices.") var seed: UInt64 = 1
  @Option(help: "Writes the history of the clients there, a line for each event.") var history: String?
  @OptionGroup var place: ClusterPlace
  @Flag(help: "Keep the directory though nothing was found.") var keep = false
  @Flag(help: "Print the figures and the clients' report as JSON.") var json = false

  func validate() throws {
    guard LeaderKills.Limits.count.contains(kills) else {
      let limits = LeaderKills.Limits.count
      throw ValidationError("--kills: must be \(limits.lowerBound) to \(limits.upperBound)")
    }
    guard LeaderKills.Limits.restSeconds.contains(rest) else { throw ValidationError("--rest: must be 0 to 3600") }
    guard writableWithin > 0 else { throw ValidationError("--writable-within: must be above 0") }
    guard (3...LocalCluster.Limits.brokers.upperBound).contains(brokers) else {
      throw ValidationError("--brokers: must be 3 to \(LocalCluster.Limits.brokers.upperBound)")
    }
    guard (1...256).contains(partitions) else { throw ValidationError("--partitions: must be 1 to 256") }
    guard (1...20_000).contains(throughput) else { throw ValidationError("--throughput: must be 1 to 20000") }
    guard seed < 1 << 53 else { throw ValidationError("--seed: must be below 2^53") }
  }

  func run() throws {
    Interrupt.install()
    if let obstacle = LocalCluster.obstacle {
      Terminal.complain(obstacle)
      throw Exit.unavailable
    }
    let own = ClusterFile.read(in: place.absolute) == nil ? try startCluster() : nil
    defer { own?.stop(grace: LocalCluster.Limits.stopSeconds(brokers: brokers)) }
    let cluster = try place.running()
    let isGood: Bool
    do {
      isGood = try check(cluster, sessionMs: own == nil ? Self.sessionMs : Self.ownSessionMs)
    } catch RunError.interrupted {
      Terminal.complain("interrupted; what there is lies in \(place.absolute)")
      throw Exit.interrupted
    } catch {
      Terminal.complain("\(error)")
      throw Exit.failed
    }
    guard isGood else {
      Terminal.say("the brokers' logs and data are in \(place.absolute)")
      throw Exit.failed
    }
    guard let own, !keep else { return }
    own.stop(grace: LocalCluster.Limits.stopSeconds(brokers: brokers))
    try? FileManager.default.removeItem(atPath: place.absolute)
  }

  // MARK: A cluster of its own

  /// Two of three replicas must have a record, sessions are short, and a replica that is behind leaves the in-sync ones soon.
  private static let settings = [
    "zookeeper.session.timeout.ms=4000", "replica.lag.time.max.ms=5000", "default.replication.factor=3",
    "min.insync.replicas=2", "offsets.topic.replication.factor=3", "offsets.topic.num.partitions=6",
    "transaction.state.log.replication.factor=3", "transaction.state.log.min.isr=2",
    "transaction.state.log.num.partitions=6", "group.initial.rebalance.delay.ms=200",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000", "group.min.session.timeout.ms=1000",
  ]

  private func startCluster() throws -> ChildProcess {
    let directory = place.absolute
    let log = "\(directory)/up.log"
    Terminal.say("\(brokers) brokers are started in \(directory)")
    do {
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      let arguments = ["cluster", "up", "--brokers", "\(brokers)", "--directory", directory, "--override"]
      let child = try ChildProcess(
        program: OwnProgram.path, arguments: arguments + Self.settings, outPath: log, errPath: "\(directory)/up.err")
      let isUp = place.wait(LocalCluster.Limits.startSeconds + 60) { file in
        child.poll() != nil || Interrupt.isRequested || file?.brokers.allSatisfy(\.isStarted) ?? false
      }
      guard isUp, child.poll() == nil, !Interrupt.isRequested else {
        child.stop(grace: LocalCluster.Limits.stopSeconds(brokers: brokers))
        Terminal.complain("the cluster does not start: see \(log)")
        throw Exit.failed
      }
      return child
    } catch let exit as ExitCode {
      throw exit
    } catch {
      Terminal.complain("\(error)")
      throw Exit.failed
    }
  }

  // MARK: The run

  /// The session timeout of groups' members: the shortest that brokers usually allow, and one that the own cluster does.
  private static let sessionMs = 6_000, ownSessionMs = 3_000
  private static let transactionMs = 5_000

  private func check(_ cluster: ClusterFile, sessionMs: Int) throws -> Bool {
    let topic = "millrace-check-\(getpid())"
    let clients = try CheckedClients(plan(cluster, topic, sessionMs: sessionMs))
    let scene = try CheckedCluster(place, cluster, topic: topic, clients)
    let figures: KillFigures
    do {
      figures = KillFigures(try LeaderKills(scene, restSeconds: rest).run(kills) { Terminal.say($0.sentence) })
    } catch {
      // The history until then says what the clients saw.
      if let report = clients.end() { show(report, KillFigures([])) }
      throw error
    }
    guard let report = clients.end() else { throw RunError.failed("the clients could not begin: \(clients.complaint)") }
    if let history {
      do { try report.historyText.write(toFile: history, atomically: false, encoding: .utf8) } catch {
        Terminal.complain("\(history): \(error.localizedDescription)")
      }
    }
    show(report, figures)
    let slow = figures.slow(writableWithin)
    for kill in slow {
      Terminal.say(
        "too slow: after kill \(kill.number) not all partitions could be written to within \(writableWithin) s")
    }
    return report.isGood && slow.isEmpty
  }

  private func plan(_ cluster: ClusterFile, _ topic: String, sessionMs: Int) throws -> CheckPlan {
    let servers = cluster.brokers.map(\.address).joined(separator: ",")
    do {
      return try CheckPlan(arguments: [
        "--bootstrap-server", servers, "--topic", topic, "--partitions", "\(partitions)", "--replication-factor", "3",
        // The clients go on until the last kill.
        "--duration", "86400", "--patience", "120", "--session-timeout-ms", "\(sessionMs)",
        "--transaction-timeout-ms", "\(Self.transactionMs)", "--throughput", "\(throughput)", "--seed", "\(seed)",
        "--quiet",
      ])
    } catch { throw ValidationError("\(error)") }
  }

  private func show(_ report: CheckReport, _ figures: KillFigures) {
    for line in figures.lines + report.summary.split(separator: "\n").map(String.init) { Terminal.say(line) }
    guard json else { return }
    let kills = figures.kills.map { kill in
      JSON.object([
        "broker": .int(Int64(kill.broker)), "partitions": .integers(kill.partitions),
        "session_end_s": .double(kill.detected), "writes_again_s": .double(kill.written),
        "in_sync_s": .double(kill.recovered),
      ])
    }
    Terminal.answer(JSON.object(["kills": .array(kills), "clients": report.json]).text)
  }
}

/// The clients of `millrace-load check`, in this process, and when they wrote to which partition.
private final class CheckedClients: Sendable {
  private struct State {
    var isWatching = false
    var writes: [Int32: UInt64] = [:]
    var outcome: Result<CheckReport, any Error>?
  }

  private let state = Mutex(State())
  private let isOver = Atomic(false)
  private let patienceSeconds: Double

  init(_ plan: CheckPlan) {
    patienceSeconds = plan.patienceSeconds
    let run = CheckRun(
      plan, isInterrupted: { self.isOver.load(ordering: .relaxed) || Interrupt.isRequested }, tell: { _ in },
      wrote: { self.wrote($0, atNs: $1) })
    Task.detached {
      let outcome: Result<CheckReport, any Error>
      do { outcome = .success(try await run.run()) } catch { outcome = .failure(error) }
      self.state.withLock { $0.outcome = outcome }
    }
  }

  private func wrote(_ partition: Int32, atNs: UInt64) {
    state.withLock { if $0.isWatching, $0.writes[partition] == nil { $0.writes[partition] = atNs } }
  }

  func watchWrites() { state.withLock { ($0.isWatching, $0.writes) = (true, [:]) } }
  var firstWrites: [Int32: UInt64] { state.withLock { $0.writes } }
  var haveEnded: Bool { state.withLock { $0.outcome != nil } }

  /// Lets the clients finish, and returns what they saw; nil where they could not begin, or do not end.
  func end() -> CheckReport? {
    isOver.store(true, ordering: .relaxed)
    let deadline = Uptime.seconds + 2 * patienceSeconds + 60
    while !haveEnded, Uptime.seconds < deadline { Uptime.nap(milliseconds: 20) }
    return state.withLock { state in if case .success(let report)? = state.outcome { report } else { nil } }
  }

  var complaint: String {
    state.withLock { state in if case .failure(let error)? = state.outcome { "\(error)" } else { "they do not end" } }
  }
}

/// A local cluster as `LeaderKills` needs it: what ZooKeeper has, and the process that runs the cluster.
private final class CheckedCluster: KillScene {
  private let place: ClusterPlace
  private let topic: String
  private let clients: CheckedClients
  private let tree: ZooKeeperTree
  private static let sessionMs = 30_000
  /// Replicas of the partitions of a topic, by its name.
  private var assignments: [String: [(partition: String, replicas: Int)]] = [:]

  init(_ place: ClusterPlace, _ cluster: ClusterFile, topic: String, _ clients: CheckedClients) throws {
    self.place = place
    self.topic = topic
    self.clients = clients
    tree = try ZooKeeperTree(
      connect: cluster.zooKeeper.address, sessionTimeoutMs: Self.sessionMs, makesChroot: false)
  }

  deinit { tree.close() }

  private func read<Value>(_ body: () throws(ZNodeError) -> Value) throws(RunError) -> Value {
    do throws(ZNodeError) { return try body() } catch { throw .failed("ZooKeeper: \(error)") }
  }

  private func json(_ node: ZNode?) -> JSON? { node.flatMap { try? JSON($0.data) } }

  func leaders() throws(RunError) -> [Int32: Int] {
    let partitions = try partitions(of: topic)
    let nodes = try read { () throws(ZNodeError) in
      try tree.get(all: partitions.map { "/brokers/topics/\(topic)/partitions/\($0.partition)/state" })
    }
    var leaders: [Int32: Int] = [:]
    for (partition, node) in zip(partitions, nodes) {
      guard let leader = json(node)?["leader"]?.asInt, leader >= 0, let number = Int32(partition.partition) else {
        return [:]
      }
      leaders[number] = Int(leader)
    }
    return leaders
  }

  private func partitions(of topic: String) throws(RunError) -> [(partition: String, replicas: Int)] {
    if let known = assignments[topic] { return known }
    let node = try read { () throws(ZNodeError) in try tree.get(all: ["/brokers/topics/\(topic)"]) }
    let found = json(node.first ?? nil)?["partitions"]?.asMembers ?? []
    let partitions = found.map { (partition: $0.name, replicas: $0.value.asIntegers?.count ?? 0) }
    if !partitions.isEmpty { assignments[topic] = partitions }
    return partitions
  }

  func isRegistered(_ broker: Int) throws(RunError) -> Bool {
    try read { () throws(ZNodeError) in try tree.exists("/brokers/ids/\(broker)", watch: nil) != nil }
  }

  func lacking() throws(RunError) -> [String] {
    guard let file = ClusterFile.read(in: place.absolute) else { throw .failed("the cluster has ended") }
    if let failure = file.brokers.compactMap(\.failure).first { throw .failed(failure) }
    let absent = file.brokers.filter { !$0.isStarted }.map { "broker \($0.id) does not take clients" }
    if !absent.isEmpty { return absent }
    let topics = try read { () throws(ZNodeError) in try tree.children(of: "/brokers/topics", watch: nil) }
    var lacking: [String] = []
    for topic in topics {
      let partitions = try partitions(of: topic)
      let nodes = try read { () throws(ZNodeError) in
        try tree.get(all: partitions.map { "/brokers/topics/\(topic)/partitions/\($0.partition)/state" })
      }
      for (partition, node) in zip(partitions, nodes) {
        let inSync = json(node)?["isr"]?.asIntegers?.count ?? 0
        if inSync < partition.replicas { lacking.append("\(topic)-\(partition.partition) has \(inSync) in sync") }
      }
    }
    return lacking
  }

  func kill(_ broker: Int) throws(RunError) {
    guard let pid = ClusterFile.read(in: place.absolute)?.broker(broker)?.pid, Glibc.kill(pid, SIGKILL) == 0 else {
      throw .failed("broker \(broker) does not run")
    }
  }

  func start(_ broker: Int) throws(RunError) {
    // Until the process that runs the cluster has taken in that the broker has ended.
    let isDead = place.wait(10) { $0?.broker(broker)?.pid == nil }
    guard isDead else { throw .failed("broker \(broker) does not end when it is killed") }
    do { try ClusterRequest.start(broker, overrides: []).send(in: place.absolute) } catch { throw .failed("\(error)") }
    _ = place.wait(10) { $0?.broker(broker)?.pid != nil }
  }

  func watchWrites() { clients.watchWrites() }
  func firstWrites() -> [Int32: UInt64] { clients.firstWrites }

  func mustGoOn() throws(RunError) {
    if Interrupt.isRequested { throw .interrupted }
    if clients.haveEnded { throw .failed("the clients have ended: \(clients.complaint)") }
  }

  func nowNs() -> UInt64 { Clocks.monotonicNs() }
  func nap(milliseconds: Int) { Clocks.nap(milliseconds: Int64(milliseconds)) }
}
