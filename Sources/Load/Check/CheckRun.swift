import Base
import Client
import Histories
import Model
import NIOCore
import NIOPosix

/// Runs clients against a cluster, reads everything in the end, and analyses the history that they made.
package struct CheckRun: Sendable {
  private enum Limits {
    static let lookMs: Int64 = 50
    static let progressMs: Int64 = 1000
    static let adminPauseMs: Int64 = 300
  }

  package let plan: CheckPlan
  /// Returns whether the user has interrupted the run, which then ends early and reports what it has.
  package let isInterrupted: @Sendable () -> Bool
  /// Gets a line of progress each second.
  package let tell: @Sendable (String) -> Void
  /// Gets the partition of each batch that is acknowledged, and when that was on the monotonic clock, in nanoseconds. Called on the
  /// clients' event loop.
  package let wrote: @Sendable (_ partition: Int32, _ atNs: UInt64) -> Void

  package init(
    _ plan: CheckPlan, isInterrupted: @escaping @Sendable () -> Bool, tell: @escaping @Sendable (String) -> Void,
    wrote: @escaping @Sendable (_ partition: Int32, _ atNs: UInt64) -> Void = { _, _ in }
  ) {
    self.plan = plan
    self.isInterrupted = isInterrupted
    self.tell = tell
    self.wrote = wrote
  }

  private typealias Cast = NIOLoopBound<CheckCast>

  /// - Throws: `ClientError` when the run could not begin.
  package func run() async throws -> CheckReport {
    // One event loop for all clients: the order of its events is the history's.
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let result: Result<CheckReport, any Error>
    do {
      result = .success(try await run(on: group))
    } catch {
      result = .failure(error)
    }
    try? await group.shutdownGracefully()
    return try result.get()
  }

  private func run(on group: MultiThreadedEventLoopGroup) async throws -> CheckReport {
    var options = options
    options.security = try plan.commandConfig.flatMap { try CommandConfig.security($0) }
    let connecting = options
    let mark = SplitMix.mixed(Clocks.monotonicNs() ^ plan.seed)
    let topic = plan.topic.isEmpty ? "millrace-check-\(mark % 1_000_000_000)" : plan.topic
    let metadata = try await prepare(topic, on: group, connecting)
    let startNs = Clocks.monotonicNs()
    let loop = group.next()
    let cast = await onLoop(loop) {
      let recorder = HistoryRecorder(mark: mark, startNs: startNs)
      let scene = CheckScene(plan, metadata, recorder, on: loop, connecting)
      scene.wrote = wrote
      return Cast(CheckCast(scene), eventLoop: loop)
    }
    await on(cast) { $0.start() }
    await watch(cast, sinceNs: startNs)
    let unfinished = await finish(cast)
    let unread = await readAll(cast, metadata, on: group, connecting)
    await on(cast) { $0.close() }
    var report = await on(cast) { $0.report }
    report.unfinished = unfinished
    report.unread = unread
    if report.isGood, !plan.keepsTopic { await delete(topic, on: group, connecting) }
    return report
  }

  private var options: ConnectionOptions {
    var options = ConnectionOptions(now: { Clocks.monotonicNs() })
    options.clientID = "millrace-load-check"
    options.requestTimeoutMs = plan.requestTimeoutMs
    return options
  }

  // MARK: The topic

  private func prepare(
    _ topic: String, on group: any EventLoopGroup, _ options: ConnectionOptions
  ) async throws -> Metadata {
    let admin = try await Admin.connect(to: plan.bootstrapServers, on: group, options)
    let outcome: Result<Metadata, any Error>
    do {
      guard
        try await admin.createTopic(
          topic, partitions: plan.partitions, replicationFactor: plan.replicationFactor)
      else { throw PlanError("topic '\(topic)' exists: name one that a run may fill, or leave out --topic") }
      outcome = .success(try await admin.metadata(of: topic, autoCreate: true))
    } catch {
      outcome = .failure(error)
    }
    await admin.close()
    return try outcome.get()
  }

  private func delete(_ topic: String, on group: any EventLoopGroup, _ options: ConnectionOptions) async {
    guard let admin = try? await Admin.connect(to: plan.bootstrapServers, on: group, options) else { return }
    do throws(ClientError) {
      try await admin.deleteTopic(topic)
    } catch {
      tell("topic '\(topic)' is left behind: \(error)")
    }
    await admin.close()
  }

  /// The ends of the partitions, open transactions included; nil where nobody says them in time.
  private func ends(
    _ metadata: Metadata, on group: any EventLoopGroup, _ options: ConnectionOptions, untilNs: UInt64
  ) async -> [Int32: Offset]? {
    while true {
      if let admin = try? await Admin.connect(to: plan.bootstrapServers, on: group, options) {
        var ends: [Int32: Offset]?
        if let now = try? await admin.metadata(of: metadata.topic) {
          ends = try? await admin.offsets(of: now, at: .latest)
        }
        await admin.close()
        if let ends { return ends }
      }
      guard Clocks.monotonicNs() < untilNs else { return nil }
      try? await Task.sleep(for: .milliseconds(Limits.adminPauseMs))
    }
  }

  // MARK: The run

  private func watch(_ cast: Cast, sinceNs: UInt64) async {
    let endNs = sinceNs + UInt64(plan.durationSeconds * 1e9)
    var toldNs = sinceNs
    while Clocks.monotonicNs() < endNs, !isInterrupted() {
      try? await Task.sleep(for: .milliseconds(Limits.lookMs))
      if await on(cast, { $0.isFull }) {
        tell("the history has come to its limit of \(CheckPlan.Limits.events) events: nothing more is sent")
        return
      }
      guard Clocks.monotonicNs() >= toldNs + UInt64(Limits.progressMs) * 1_000_000 else { continue }
      toldNs = Clocks.monotonicNs()
      let events = await on(cast) { $0.eventCount }
      tell("\(Number.fixed(Double(toldNs - sinceNs) / 1e9, 0)) s  \(Number.grouped(events)) events")
    }
  }

  /// Lets the clients finish. Returns the names of those that did not.
  private func finish(_ cast: Cast) async -> [String] {
    await on(cast) { $0.stop() }
    await wait(patienceEndNs) { await on(cast) { $0.unfinished.isEmpty } }
    return await on(cast) { $0.unfinished }
  }

  /// Reads every partition to its end. Returns those of which that did not succeed.
  private func readAll(
    _ cast: Cast, _ metadata: Metadata, on group: any EventLoopGroup, _ options: ConnectionOptions
  ) async -> [CheckReport.Unread] {
    tell("everything is read from the beginning")
    let untilNs = patienceEndNs
    let ends = await ends(metadata, on: group, options, untilNs: untilNs)
    await on(cast) { $0.readAll() }
    guard let ends else { return metadata.partitions.map { CheckReport.Unread(partition: $0.index, to: 0, end: nil) } }
    await wait(untilNs) { await on(cast) { $0.unread(ends).isEmpty } }
    return await on(cast) { $0.unread(ends) }
  }

  private var patienceEndNs: UInt64 { Clocks.monotonicNs() + UInt64(plan.patienceSeconds * 1e9) }

  private func wait(_ untilNs: UInt64, until condition: () async -> Bool) async {
    while Clocks.monotonicNs() < untilNs {
      if await condition() { return }
      try? await Task.sleep(for: .milliseconds(Limits.lookMs))
    }
  }

  private func onLoop<Value: Sendable>(
    _ loop: any EventLoop, _ body: @escaping @Sendable () -> Value
  ) async -> Value {
    await withCheckedContinuation { done in loop.execute { done.resume(returning: body()) } }
  }

  @discardableResult
  private func on<Value: Sendable>(_ cast: Cast, _ body: @escaping @Sendable (CheckCast) -> Value) async -> Value {
    await onLoop(cast.eventLoop) { body(cast.value) }
  }
}

/// All clients of a run. Confined to their event loop.
final class CheckCast {
  private let scene: CheckScene
  private let clients: [any CheckClient]
  private var last: CheckReader?

  init(_ scene: CheckScene) {
    self.scene = scene
    let plan = scene.plan
    var random = SplitMix(seed: SplitMix.mixed(plan.seed))
    var clients: [any CheckClient] = []
    for _ in 0..<plan.producers { clients.append(CheckProducer(scene, seed: random.next())) }
    for index in 0..<plan.transactional {
      clients.append(CheckTransactor(scene, index: index, seed: random.next()))
    }
    for assignor in [Assignor.range, .cooperativeSticky] {
      for _ in 0..<plan.members { clients.append(CheckMember(scene, assignor: assignor, seed: random.next())) }
    }
    for _ in 0..<plan.readers { clients.append(CheckReader(scene, seeks: true, seed: random.next())) }
    self.clients = clients
  }

  var isFull: Bool { scene.recorder.isFull }
  var eventCount: Int { scene.recorder.history.events.count }
  var unfinished: [String] { clients.filter { !$0.isDone }.map(\.name) }

  func start() {
    scene.followLeaders()
    for client in clients { client.start() }
  }

  func stop() { for client in clients { client.stop() } }

  func close() {
    for client in clients { client.close() }
    last?.stop()
  }

  /// Begins to read all partitions from the beginning.
  func readAll() {
    last = CheckReader(scene, seeks: false, seed: scene.plan.seed)
    last?.start()
  }

  /// The partitions that the last reader has not come to the end of.
  func unread(_ ends: [Int32: Offset]) -> [CheckReport.Unread] {
    let positions = last?.positions ?? [:]
    return ends.sorted { $0.key < $1.key }.compactMap { partition, end in
      let position = positions[partition] ?? 0
      return position < end ? CheckReport.Unread(partition: partition, to: position, end: end) : nil
    }
  }

  var report: CheckReport {
    let recorder = scene.recorder
    var report = CheckReport(recorder.history)
    report.topic = scene.metadata.topic
    report.foreignRecords = recorder.foreignRecords
    report.damagedBatches = recorder.damagedBatches
    report.failures = recorder.failures
    report.failureWords = recorder.failureWords
    return report
  }
}
