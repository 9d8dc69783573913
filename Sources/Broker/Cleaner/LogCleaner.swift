import Logging
import Model
import NIOCore
import Storage
import Synchronization

/// Compacts logs (Kafka: LogCleaner with LogCleanerManager): finds the dirtiest log that is due, cleans it, and looks again; when none is due,
/// after log.cleaner.backoff.ms.
///
/// It works on the offload's cleaning lane, in turns of some bytes each, and so many logs at a time as log.cleaner.threads says. A partition's lock is
/// taken to look at the log, to plan, and to put a finished segment in place; reading and writing are done without it. A log that cannot be cleaned
/// for its own sake (damage, too many keys in a batch) is told once and left alone until the next start; the others go on.
final class LogCleaner: Sendable {
  private let broker: LocalBroker
  private let loop: any EventLoop
  private let offload: any Offload
  private let makeRandom: @Sendable () -> any RandomNumberGenerator & Sendable
  private let state = Mutex(State())

  private struct State {
    var isStopped = false
    /// Workers that clean, or look for a log to clean; the others wait for `timer`.
    var working = 0
    var timer: Scheduled<Void>?
    /// The partitions that are being cleaned.
    var claimed: Set<TopicPartition> = []
    /// The cleanings that wait for their next turn because of the rate.
    var paused: [TopicPartition: (run: Run, timer: Scheduled<Void>)] = [:]
    /// The topics of partitions that cannot be cleaned.
    var uncleanable: [TopicPartition: TopicID] = [:]
    /// The largest part of a log that was dirty at the last look.
    var maxDirtyRatio = 0.0
    var last = LastCleanings()
    var pace = BytePace()
    /// Called when no worker works any more.
    var whenResting: [@Sendable () -> Void] = []
  }

  /// One cleaning under way.
  private final class Run: Sendable {
    let partition: Partition
    let plan: CleaningPlan
    let cleaning: Mutex<Cleaning>
    let began: NIODeadline

    init(
      _ partition: Partition, _ plan: CleaningPlan, _ resources: CleaningResources, _ hash: KeyHash128,
      at began: NIODeadline
    ) {
      self.partition = partition
      self.began = began
      self.plan = plan
      cleaning = Mutex(Cleaning(plan, resources, hash: hash))
    }
  }

  /// - Parameter random: makes what keys the hash of records' keys.
  init(
    _ broker: LocalBroker, loop: any EventLoop, offload: any Offload,
    random: @escaping @Sendable () -> any RandomNumberGenerator & Sendable
  ) {
    self.broker = broker
    self.loop = loop
    self.offload = offload
    makeRandom = random
  }

  /// For a scrape.
  var figures: CleanerFigures {
    var figures = CleanerFigures()
    let uncleanable = state.withLock { state in
      figures.maxDirtyPercent = Int(100 * min(1, max(0, state.maxDirtyRatio)))
      figures.maxCleanSeconds = state.last.maxSeconds
      figures.recopyPercent = state.last.recopyPercent
      return state.uncleanable
    }
    let image = broker.image
    for (name, topic) in uncleanable {
      guard let partition = image.named(name.topic)?.partitions.first(where: { $0.name == name }),
        partition.topicID == topic, let directory = partition.directory
      else { continue }
      figures.uncleanable[directory.path, default: 0] += 1
    }
    return figures
  }

  private var config: Config { broker.image.config }
  private var threads: Int { min(config.logCleanerThreads, Limits.cleanerThreadsMax) }

  func start() {
    guard broker.config.logCleanerEnable else { return }
    state.withLock { schedule(&$0) }
  }

  /// Starts no more work; a turn that is under way ends the cleaning. What it has written is removed then, or by the next start.
  func stop() {
    let ended = state.withLock { state -> State? in
      guard !state.isStopped else { return nil }
      let ended = state
      state.isStopped = true
      state.paused = [:]
      state.timer = nil
      state.whenResting = []
      return ended
    }
    guard let ended else { return }
    ended.timer?.cancel()
    for pause in ended.paused.values { pause.timer.cancel() }
    for then in ended.whenResting { then() }
  }

  /// Cleans every log that is due now, without waiting for the backoff.
  ///
  /// - Parameter then: called once, on any thread, when none is due any more, or the cleaner stops.
  func cleanDue(then: @escaping @Sendable () -> Void) {
    guard broker.config.logCleanerEnable else { return then() }
    state.withLock { $0.whenResting.append(then) }
    offload.submit(.clean) {
      self.state.withLock { $0.working += 1 }
      self.look()
    }
  }

  /// Looks for logs to clean after the backoff.
  private func schedule(_ state: inout State) {
    guard !state.isStopped, state.timer == nil else { return }
    let backoffMs = min(max(config.logCleanerBackoffMs, Limits.cleanerBackoffMsMin), Limits.timerMsMax)
    state.timer = loop.scheduleTask(in: .milliseconds(backoffMs)) { self.wake() }
  }

  /// Has every worker that waits look for a log.
  private func wake() {
    let woken = state.withLock { state -> Int in
      state.timer = nil
      guard !state.isStopped else { return 0 }
      let woken = max(0, threads - state.working)
      state.working += woken
      if woken == 0 { schedule(&state) }
      return woken
    }
    for _ in 0..<woken { offload.submit(.clean) { self.look() } }
  }

  // MARK: A log to clean

  /// Cleans the dirtiest log that is due, or rests.
  private func look() {
    for partition in dirtiest() where claim(partition) {
      if let run = makeRun(partition) { return secure(run) }
      release(partition)
    }
    rest()
  }

  /// Begins a cleaning. What its plan has seen must be on the disk, and the recovery point written down, before anything is removed
  /// for its sake: `Log.replace` makes sure.
  private func secure(_ run: Run) {
    broker.flusher.flush([run.partition]) { _ in
      self.offload.submit(.housekeeping) {
        self.broker.checkpoint([.recoveryPoint])
        self.offload.submit(.clean) { self.turn(run) }
      }
    }
  }

  private func rest() {
    let resting = state.withLock { state -> [@Sendable () -> Void] in
      state.working -= 1
      schedule(&state)
      guard state.working == 0 else { return [] }
      defer { state.whenResting = [] }
      return state.whenResting
    }
    for then in resting { then() }
  }

  /// The partitions that are due, the dirtiest first; equals in the order of their names.
  private func dirtiest() -> [Partition] {
    let now = broker.nowMs()
    var due: [(partition: Partition, ratio: Double)] = []
    var maxRatio = 0.0
    for topic in broker.image.all where topic.config.cleanupPolicy.contains(.compact) {
      for partition in topic.partitions {
        let found = try? partition.withLog { log, marks throws(PartitionError) -> (LogDirt, Double)? in
          do throws(DiskError) {
            return try log.dirt(highWatermark: marks.highWatermark, nowMs: now).map {
              ($0, log.config.minCleanableDirtyRatio)
            }
          } catch { return nil }
        }
        guard let (dirt, minRatio) = found else { continue }
        maxRatio = max(maxRatio, dirt.ratio)
        guard dirt.isDue(minRatio: minRatio) else { continue }
        due.append((partition, dirt.ratio))
      }
    }
    state.withLock { $0.maxDirtyRatio = maxRatio }
    return due.sorted { ($1.ratio, $0.partition.name) < ($0.ratio, $1.partition.name) }.map(\.partition)
  }

  private func claim(_ partition: Partition) -> Bool {
    state.withLock { state in
      guard !state.isStopped, state.uncleanable[partition.name] != partition.topicID else { return false }
      return state.claimed.insert(partition.name).inserted
    }
  }

  private func release(_ partition: Partition) { state.withLock { _ = $0.claimed.remove(partition.name) } }

  private func makeRun(_ partition: Partition) -> Run? {
    let now = broker.nowMs()
    let plan: CleaningPlan?
    do throws(PartitionError) {
      plan = try partition.withLog { log, marks throws(PartitionError) -> CleaningPlan? in
        do throws(DiskError) { return try log.planCleaning(highWatermark: marks.highWatermark, nowMs: now) } catch {
          throw .append(.diskFailed(error))
        }
      }
    } catch {
      if case .append(.diskFailed(let cause)) = error { failed(partition, .disk(cause)) }
      return nil
    }
    guard let plan else { return nil }
    let config = config
    let share = max(1, threads)
    let dedupeBytes = Int(clamping: config.logCleanerDedupeBufferSize) / share
    let resources = CleaningResources(
      dedupeBytes: max(dedupeBytes, Limits.dedupeBytesMin), loadFactor: config.logCleanerIOBufferLoadFactor,
      bufferBytes: max(config.logCleanerIOBufferSize / share / 2, Limits.cleanerBufferBytesMin))
    var random = makeRandom()
    return Run(partition, plan, resources, KeyHash128(key: random.next(), random.next()), at: loop.now)
  }

  // MARK: Its cleaning

  /// Does a part of a cleaning, and has the next part follow.
  private func turn(_ run: Run) {
    guard !state.withLock({ $0.isStopped }) else { return end(run, abandoning: true) }
    let turnBytes = Limits.cleaningTurnBuffers * max(config.logCleanerIOBufferSize, Limits.cleanerBufferBytesMin)
    do throws(CleaningError) {
      let (step, moved) = try run.cleaning.withLock { cleaning throws(CleaningError) -> (Cleaning.Step, Int) in
        let before = cleaning.bytesMoved
        return (try cleaning.advance(bytes: turnBytes), cleaning.bytesMoved - before)
      }
      switch step {
      case .worked: break
      case .cleaned(let group):
        guard try replace(run, with: group) else { return end(run, abandoning: true) }
        try run.cleaning.withLock { cleaning throws(CleaningError) in try cleaning.syncNames() }
      case .finished(let cleanedTo):
        finished(run, cleanedTo)
        return end(run, abandoning: false)
      }
      goOn(run, moved)
    } catch {
      end(run, abandoning: true, error)
    }
  }

  /// Returns false when the log's segments are not those any more.
  private func replace(_ run: Run, with group: CleanedGroup) throws(CleaningError) -> Bool {
    let now = broker.nowMs()
    let recoveryPoint = run.partition.directory?.read(.recoveryPoint)[run.partition.name] ?? 0
    do throws(PartitionError) {
      let delayMs = try run.partition.withLog { log, _ throws(PartitionError) -> Int64? in
        do throws(DiskError) {
          return try log.replace(with: group, recoveryPoint: recoveryPoint, nowMs: now)
            ? log.config.fileDeleteDelayMs : nil
        } catch { throw .append(.diskFailed(error)) }
      }
      if let delayMs { broker.deletedFiles(delayMs: delayMs) }
      return delayMs != nil
    } catch {
      if case .append(.diskFailed(let cause)) = error { throw .disk(cause) }
      return false
    }
  }

  private func finished(_ run: Run, _ cleanedTo: Offset) {
    try? run.partition.withLog { log, _ throws(PartitionError) in log.cleaned(run.plan, to: cleanedTo) }
    broker.checkpointCleaned()
    let (read, written) = run.cleaning.withLock { ($0.bytesRead, $0.bytesWritten) }
    let (took, most) = (loop.now - run.began, threads)
    state.withLock { $0.last.add(took: took, read: read, wrote: written, most: most) }
  }

  /// Has the next turn follow: at once, or when the rate allows it.
  private func goOn(_ run: Run, _ moved: Int) {
    let now = Int64(clamping: loop.now.uptimeNanoseconds)
    let (rate, name) = (config.logCleanerIOMaxBytesPerSecond, run.partition.name)
    let isNow = state.withLock { state -> Bool in
      let delayNs = state.pace.moved(bytes: moved, bytesPerSecond: rate, nowNs: now)
      guard delayNs > 0, !state.isStopped else { return true }
      let timer = loop.scheduleTask(in: .nanoseconds(delayNs)) { self.resume(name) }
      state.paused[name] = (run, timer)
      return false
    }
    if isNow { offload.submit(.clean) { self.turn(run) } }
  }

  private func resume(_ name: TopicPartition) {
    guard let run = state.withLock({ $0.paused.removeValue(forKey: name)?.run }) else { return }
    offload.submit(.clean) { self.turn(run) }
  }

  /// Ends a cleaning, and looks for the next log.
  private func end(_ run: Run, abandoning: Bool, _ error: CleaningError? = nil) {
    if abandoning { run.cleaning.withLock { $0.abandon() } }
    let isGivenUp = error.map { isAsPlanned(run) && failed(run.partition, $0) } ?? false
    release(run.partition)
    // A log that could not be cleaned now is looked at again after the backoff.
    guard !abandoning || isGivenUp else { return rest() }
    offload.submit(.clean) { self.look() }
  }

  /// Whether an error is the log's own, and not due to a change of it under the cleaning.
  private func isAsPlanned(_ run: Run) -> Bool {
    let left = run.cleaning.withLock { $0.sourcesLeft }
    return (try? run.partition.withLog { log, _ throws(PartitionError) in log.holds(left, of: run.plan) }) ?? false
  }

  /// Takes in why a log could not be cleaned. A full disk, or a lack of descriptors, may pass; anything else stays.
  ///
  /// - Returns: whether the log is given up.
  @discardableResult
  private func failed(_ partition: Partition, _ error: CleaningError) -> Bool {
    if case .disk(let cause) = error, cause.mayPass {
      if let directory = partition.directory { broker.refused(directory, "no log is cleaned", .disk(cause)) }
      return false
    }
    state.withLock { $0.uncleanable[partition.name] = partition.topicID }
    broker.log.error(
      "a log cannot be compacted, and is left as it is until the next start of the broker",
      metadata: ["partition": "\(partition.name)", "error": "\(error)"])
    if case .disk = error { offload.submit(.housekeeping) { self.broker.lookAtDirectories() } }
    return true
  }
}
