import Base
import Client
import Model
import NIOCore
import NIOPosix
import Synchronization

/// Carries out a plan: prepares the topic, starts the event loops, monitors them, and adds up the results.
package struct Run: Sendable {
  package let plan: LoadPlan
  /// Returns whether the user has interrupted the run, whose results so far are then valid.
  package let isInterrupted: @Sendable () -> Bool
  /// Called at each interval.
  package let observe: @Sendable (Interval) -> Void
  /// Called when everything is connected; the run begins when it returns, and does not when it throws.
  var awaitStart: (@Sendable () async throws -> Void)?

  package init(
    _ plan: LoadPlan, isInterrupted: @escaping @Sendable () -> Bool, observe: @escaping @Sendable (Interval) -> Void
  ) {
    self.plan = plan
    self.isInterrupted = isInterrupted
    self.observe = observe
  }

  /// Holds the counts of one interval.
  package struct Interval: Sendable {
    /// The time since the start of the run, and the length of the interval.
    package var endSeconds: Double, seconds: Double
    package var records: Int, bytes: Int, cumulativeBytes: Int
    package var errors: Int
    /// Until a consumer had the record, where the run consumes what it produces; else as `response`, or without a schedule the
    /// service time.
    package var latency: Latency
    /// From a record's due time to its acknowledgement; empty without a schedule.
    package var response: Latency
    /// Records acknowledged.
    package var produced: Int
    /// Records acknowledged since the start of the run that the consumers had not received at its end, over all of
    /// them; nil where the run does not both produce and consume.
    package var lagRecords: Int?
  }

  typealias Loop = NIOLoopBound<LoopRun>

  /// - Throws: `ClientError` when the run could not begin, `PlanError` when the topic or the process does not suit the plan. Later errors are
  ///   in the report.
  package func run() async throws -> LoadReport {
    try plan.check(openFiles: OpenFileLimit.current)
    let compression = plan.compressionThreads > 1 ? CompressionThreads(plan.compressionThreads) : nil
    let group = MultiThreadedEventLoopGroup(numberOfThreads: plan.threads * (plan.separatesConsumers ? 2 : 1))
    let result: Result<LoadReport, any Error>
    do {
      result = .success(try await run(on: group, compression))
    } catch {
      result = .failure(error)
    }
    // Its threads call the event loops.
    await compression?.end()
    try? await group.shutdownGracefully()
    return try result.get()
  }

  private func run(
    on group: MultiThreadedEventLoopGroup, _ compression: CompressionThreads?
  ) async throws -> LoadReport {
    var setup = try await prepare(on: group)
    setup.compression = compression
    let loops = try await connect(setup, on: group)
    try await awaitStart?()
    let cpuStart = Clocks.processCPUSeconds()
    let startedMs = Clocks.wallMs()
    await onEach(loops) { $0.startConsuming() }
    let ticks = MachineTicks.now()
    let startNs = Clocks.monotonicNs()
    await onEach(loops) { $0.startProducing(at: startNs) }
    var members = MemberChanges(plan)
    let ending = await watch(loops, setup, on: group, sinceNs: startNs, &members)
    let endNs = Clocks.monotonicNs()
    let busyShare = ticks.flatMap { MachineTicks.now()?.busyShare(since: $0) }
    await onAll(loops) { $0.leave(where: { _, _ in true }, then: $1) }
    if ending == .complete { try members.checkDone() }
    let given = await gather(loops) { $0.given }.flatMap { $0 }
    let ends = plan.readsToTheEnd ? await self.ends(setup, on: group) : nil
    var results = await gather(loops) { $0.finish(given: given, ends: ends) }
    results += (compression?.cpuShares ?? []).map { LoopResult(cpuShare: $0) }
    let congestionControl = await gather(loops) { $0.congestionControl }.compactMap { $0 }.first
    var report = LoadReport(plan, results, ending: ending, cpuSeconds: Clocks.processCPUSeconds() - cpuStart)
    report.startedMs = startedMs
    report.machineBusyShare = busyShare
    report.congestionControl = congestionControl
    report.partitions = setup.metadata.partitions.count
    report.partitionRecords = LoadReport.recordsByPartition(given, of: setup.metadata)
    if plan.group != nil {
      report.reading = GroupReading(results.flatMap(\.spans), after: members.events, until: endNs)
    }
    return report
  }

  // MARK: Before

  private func prepare(on group: MultiThreadedEventLoopGroup) async throws -> RunSetup {
    var options = ConnectionOptions(now: { Clocks.monotonicNs() })
    options.clientID = "millrace-load"
    options.congestionControl = plan.congestionControl
    options.requestTimeoutMs = plan.requestTimeoutMs
    options.security = try plan.commandConfig.flatMap { try CommandConfig.security($0) }
    let mark = SplitMix.mixed(Clocks.monotonicNs() ^ plan.seed)
    var setup = RunSetup(
      plan: plan, metadata: nullMetadata, run: Int(mark & (1 << StampField.runBits - 1)), identities: [],
      connection: options, from: [:], ranges: [:], ends: nil, progress: RunProgress())
    guard !plan.usesNullSink else { return setup }
    let admin = try await Admin.connect(to: plan.bootstrapServers, on: group, options)
    let outcome: Result<Void, any Error>
    do {
      outcome = .success(try await fill(&setup, with: admin))
    } catch {
      outcome = .failure(error)
    }
    await admin.close()
    try outcome.get()
    return setup
  }

  private func fill(_ setup: inout RunSetup, with admin: Admin) async throws {
    if let partitions = plan.partitions {
      _ = try await admin.createTopic(
        plan.topic, partitions: partitions, replicationFactor: plan.replicationFactor,
        configs: plan.topicConfigs.map { ($0.key, $0.value) })
    }
    setup.metadata = try await admin.metadata(of: plan.topic, autoCreate: plan.command != .consume)
    // A transactional producer gets its identity from its coordinator.
    if plan.isIdempotent, plan.transactionRecords == nil {
      for _ in 0..<plan.connections { setup.identities.append(try await admin.producerID()) }
    }
    guard plan.command != .produce else { return }
    if plan.lagRecords > 0 || plan.order == .random {
      let starts = try await admin.offsets(of: setup.metadata, at: .earliest)
      let ends = try await admin.offsets(of: setup.metadata, at: .latest)
      setup.from = try plan.beginning(starts: starts, ends: ends)
      if plan.order == .random {
        for (partition, start) in setup.from { setup.ranges[partition] = start..<ends[partition]! }
      }
      return
    }
    switch (plan.command, plan.from) {
    case (.endToEnd, _), (_, .latest): setup.from = try await admin.offsets(of: setup.metadata, at: .latest)
    case (_, .earliest): setup.from = try await admin.offsets(of: setup.metadata, at: .earliest)
    case (_, .offset(let offset)):
      for partition in setup.metadata.partitions { setup.from[partition.index] = Offset(offset) }
    }
    if plan.command == .consume, plan.group == nil, plan.recordCount == nil, plan.durationSeconds == nil,
      plan.from != .latest
    {
      setup.ends = try await admin.offsets(of: setup.metadata, at: .latest)
    }
  }

  /// Describes the null sink's topic.
  private var nullMetadata: Metadata {
    let broker = Metadata.Broker(id: 0, endpoint: Endpoint(host: "null-sink", port: 0))
    let partitions = (0..<(plan.partitions ?? 1)).map {
      Metadata.Partition(index: Int32($0), leader: broker, leaderEpoch: 0)
    }
    return Metadata(topic: plan.topic.isEmpty ? "null" : plan.topic, topicID: .zero, partitions: partitions)
  }

  private func connect(
    _ setup: RunSetup, on group: MultiThreadedEventLoopGroup
  ) async throws(ClientError) -> [Loop] {
    var loops: [Loop] = []
    let threads = plan.threads
    for (thread, eventLoop) in group.makeIterator().enumerated() {
      func share(of count: Int) -> [Int] { Array(stride(from: thread % threads, to: count, by: threads)) }
      // With separate consumers the second half of the event loops is theirs.
      let isForConsumers = thread >= threads
      let producing = plan.command == .consume || isForConsumers ? [] : share(of: plan.connections)
      let consuming =
        plan.command == .produce || plan.separatesConsumers != isForConsumers
        ? [] : share(of: plan.connections * plan.fanOut)
      let result = await withCheckedContinuation { (done: CheckedContinuation<Result<Loop, ClientError>, Never>) in
        eventLoop.execute {
          let loop = LoopRun(setup, producing: producing, consuming: consuming, on: eventLoop)
          let bound = NIOLoopBound(loop, eventLoop: eventLoop)
          loop.connect { result in done.resume(returning: result.map { bound }) }
        }
      }
      loops.append(try result.get())
    }
    return loops
  }

  // MARK: During

  /// Says how a run ended.
  package enum Ending: String, Sendable { case complete, timedOut = "timed-out", interrupted, failed }

  /// Waits for the end of the run, and collects counts at each interval.
  private func watch(
    _ loops: [Loop], _ setup: RunSetup, on group: MultiThreadedEventLoopGroup, sinceNs: UInt64,
    _ members: inout MemberChanges
  ) async -> Ending {
    var seen = Observation(sinceNs: sinceNs, plan)
    var ends: [Int32: Offset]?
    var ending: Ending?
    while ending == nil {
      try? await Task.sleep(for: .milliseconds(10))
      let nowNs = Clocks.monotonicNs()
      if nowNs >= seen.lastNs + UInt64(plan.intervalMs) * 1_000_000 {
        observe(seen.interval(await takeIntervals(loops), nowNs))
      }
      await carryOut(&members, loops, sinceNs: sinceNs, nowNs: nowNs)
      if isInterrupted() {
        await onEach(loops) { $0.stopProducing() }
        await settle(setup)
        ending = .interrupted
      } else {
        ending = self.ending(setup, sinceNs, nowNs)
      }
      if ending == .complete, plan.readsToTheEnd {
        if ends == nil { ends = await self.ends(setup, on: group) }
        if !(await hasRead(loops, to: ends)) { ending = isQuiet(setup, sinceNs, nowNs) ? .timedOut : nil }
      }
    }
    observe(seen.interval(await takeIntervals(loops), Clocks.monotonicNs()))
    return ending!
  }

  /// Returns whether all records have been read. The number alone does not show that, since duplicates count: the consumers
  /// must be at the ends of the logs.
  private func hasRead(_ loops: [Loop], to ends: [Int32: Offset]?) async -> Bool {
    guard let ends else { return false }
    return await gather(loops) { $0.hasRead(to: ends) }.allSatisfy { $0 }
  }

  /// Returns the partitions' log ends; nil if ListOffsets failed.
  private func ends(_ setup: RunSetup, on group: MultiThreadedEventLoopGroup) async -> [Int32: Offset]? {
    guard let admin = try? await Admin.connect(to: plan.bootstrapServers, on: group, setup.connection) else {
      return nil
    }
    let ends = try? await admin.offsets(of: setup.metadata, at: .latest)
    await admin.close()
    return ends
  }

  /// Waits up to two seconds for batches in flight after an interrupt.
  private func settle(_ setup: RunSetup) async {
    for _ in 0..<200 where setup.progress.finishedWorkers.load(ordering: .relaxed) < plan.connections {
      guard plan.command != .consume else { return }
      try? await Task.sleep(for: .milliseconds(10))
    }
  }

  private func ending(_ setup: RunSetup, _ sinceNs: UInt64, _ nowNs: UInt64) -> Ending? {
    let progress = setup.progress
    let workers = plan.command == .consume ? plan.connections * plan.fanOut : plan.connections
    let isAllProduced = progress.finishedWorkers.load(ordering: .relaxed) >= workers
    if progress.hasFailed.load(ordering: .relaxed) { return .failed }
    let received = progress.received.load(ordering: .relaxed)
    let isQuiet = isQuiet(setup, sinceNs, nowNs)
    switch plan.command {
    case .produce:
      return isAllProduced ? .complete : nil
    case .consume:
      if let count = plan.recordCount, received >= count { return .complete }
      if setup.ends != nil && isAllProduced { return .complete }
      if let seconds = plan.durationSeconds, nowNs >= sinceNs + UInt64(seconds * 1e9) { return .complete }
      return isQuiet ? .timedOut : nil
    case .endToEnd:
      guard isAllProduced else { return nil }
      // This holds with a lag as well, since the distance is constant.
      if received >= progress.produced.load(ordering: .relaxed) * plan.fanOut { return .complete }
      return isQuiet ? .timedOut : nil
    }
  }

  /// Returns whether no record has arrived for `--timeout`, and not because the run's own pace held it back.
  private func isQuiet(_ setup: RunSetup, _ sinceNs: UInt64, _ nowNs: UInt64) -> Bool {
    setup.progress.isQuiet(for: UInt64(plan.timeoutMs) * 1_000_000, sinceNs: sinceNs, nowNs: nowNs)
  }

  private func takeIntervals(_ loops: [Loop]) async -> RunCounts {
    var sum = RunCounts()
    for counts in await gather(loops, { $0.takeInterval() }) { sum.add(counts) }
    return sum
  }

  private struct Observation {
    let sinceNs: UInt64
    let isConsuming: Bool
    /// How many consumers receive each record produced; nil where the run does not both produce and consume.
    let copies: Int?
    var lastNs: UInt64
    var bytes = 0, errors = 0, lag = 0

    init(sinceNs: UInt64, _ plan: LoadPlan) {
      self.sinceNs = sinceNs
      isConsuming = plan.command != .produce
      copies = plan.command == .endToEnd ? plan.fanOut : nil
      lastNs = sinceNs
    }

    mutating func interval(_ counts: RunCounts, _ nowNs: UInt64) -> Interval {
      defer { lastNs = nowNs }
      let (records, newBytes) =
        isConsuming
        ? (counts.receivedRecords, counts.receivedBytes) : (counts.records, counts.payloadBytes)
      bytes += newBytes
      errors += counts.errors
      if let copies { lag += counts.records * copies - counts.receivedRecords }
      let latency =
        counts.endToEnd.count > 0 ? counts.endToEnd : counts.response.count > 0 ? counts.response : counts.service
      return Interval(
        endSeconds: Double(nowNs - min(nowNs, sinceNs)) / 1e9, seconds: Double(nowNs - min(nowNs, lastNs)) / 1e9,
        records: records, bytes: newBytes, cumulativeBytes: bytes, errors: errors, latency: latency,
        response: counts.response, produced: counts.records,
        // A record may be received before its acknowledgement is.
        lagRecords: copies == nil ? nil : max(0, lag))
    }
  }

  // MARK: On the loops

  private func onEach(_ loops: [Loop], _ body: @escaping @Sendable (LoopRun) -> Void) async {
    _ = await gather(loops) { body($0) }
  }

  /// Begins something on all loops, and waits until it has ended on each.
  func onAll(_ loops: [Loop], _ body: @escaping @Sendable (LoopRun, @escaping () -> Void) -> Void) async {
    let ends = loops.map { loop in
      let promise = loop.eventLoop.makePromise(of: Void.self)
      loop.eventLoop.execute { body(loop.value) { promise.succeed() } }
      return promise.futureResult
    }
    for end in ends { try? await end.get() }
  }

  func gather<T: Sendable>(_ loops: [Loop], _ body: @escaping @Sendable (LoopRun) -> T) async -> [T] {
    var results: [T] = []
    for loop in loops {
      results.append(
        await withCheckedContinuation { done in loop.eventLoop.execute { done.resume(returning: body(loop.value)) } })
    }
    return results
  }
}
