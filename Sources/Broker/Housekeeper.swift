import Base
import Logging
import Model
import NIOCore
import Storage
import Synchronization

/// The work that a broker does periodically: retention, background flushes, checkpoints, removing deleted files, expiry of committed
/// offsets.
///
/// The timers are those of one event loop. The work is done on the offload's housekeeping lane, one piece at a time, so that
/// it delays no request; a timer starts anew when its work has ended.
final class Housekeeper: Sendable {
  private let broker: LocalBroker
  private let loop: any EventLoop
  private let offload: any Offload
  private let state = Mutex(State())

  private struct State {
    var isStopped = false
    /// The timer of each task, by the task's number.
    var timers: [Scheduled<Void>?] = []
    /// When the next purge is due that was asked for.
    var purgeDue: NIODeadline?
    var purgeTimer: Scheduled<Void>?
    var purgedAt: NIODeadline?
  }

  init(_ broker: LocalBroker, loop: any EventLoop, offload: any Offload) {
    self.broker = broker
    self.loop = loop
    self.offload = offload
  }

  func start() {
    let config = broker.config
    every(config.retentionCheckIntervalMs) { $0.applyRetention() }
    every(config.flushSchedulerIntervalMs) { $0.flushDue() }
    // Kafka checks for due flushes all the time by default ("never" as an interval); closed segments are flushed here.
    every(Limits.closedSegmentFlushMs) { $0.flushDue() }
    every(Int64(min(config.recoveryPointCheckpointIntervalMs, config.logStartOffsetCheckpointIntervalMs))) {
      $0.checkpoint([.recoveryPoint, .logStart])
    }
    every(config.highWatermarkCheckpointIntervalMs) { $0.checkpoint([.highWatermark]) }
    every(Limits.restLookMs) { $0.fetchSessions.releaseResting(since: $0.uptimeMs() - Limits.restMsMax) }
    every(Limits.purgeIntervalMs) { $0.purgeDeleted() }
    every(Limits.directoryLookMs) {
      $0.lookAtDirectories(withFailedLogs: $0.directoriesOfFailedLogs.withLock { $0 })
      if $0.directories.haveGrown() { $0.lookAtLogs() }
    }
    every(Limits.idleLogLookMs) { $0.lookAtLogs() }
    every(Int64(config.producerIDExpirationCheckIntervalMs)) { $0.expireProducers() }
    // Twice within the time after which a follower lags.
    every(max(Limits.lagLookMsMin, config.replicaLagMsMax / 2), if: { $0.hasFollowers }) { $0.shrinkISRs() }
    every(config.offsetsRetentionCheckIntervalMs) { $0.groups.expire() }
    every(Limits.certificateLookMs, if: { !$0.doors.isEmpty }) { $0.refreshDoors() }
    every(Limits.electionIntervalMs) { $0.controller.retry() }
    every(Limits.rebalanceLookMs, if: { $0.controller.isRebalanceDue }) { $0.controller.rebalance() }
    every(Int64(config.transactionAbortIntervalMs)) { $0.transactions.abortTimedOut() }
    every(Int64(config.transactionExpiryIntervalMs)) {
      $0.transactions.removeExpired(afterMs: Int64($0.config.transactionalIDExpirationMs))
    }
    broker.purgeWanted.set { [weak self] delayMs in self?.purge(inMs: delayMs) }
    // Deletions that this start has gone on with.
    if let delayMs = broker.nextPurgeDelayMs(after: .min) { purge(inMs: delayMs) }
    broker.reportCache()
    if broker.directories.cache != nil { every(Limits.cacheReportIntervalMs) { $0.reportCache() } }
  }

  /// Starts no more work. Work that is under way ends by itself; `NodeOffload.whenIdle` completes then.
  func stop() {
    let timers = state.withLock { state -> [Scheduled<Void>?] in
      state.isStopped = true
      defer { state.timers = [] }
      return state.timers + [state.purgeTimer]
    }
    for timer in timers { timer?.cancel() }
  }

  /// - Parameter isDue: asked on the event loop; work that is not due takes no turn of the lane.
  private func every(
    _ intervalMs: Int64, if isDue: @escaping @Sendable (LocalBroker) -> Bool = { _ in true },
    _ work: @escaping @Sendable (LocalBroker) -> Void
  ) {
    // NIO counts in nanoseconds; a century is "never".
    guard intervalMs > 0, intervalMs < Limits.timerMsMax else { return }
    let number = state.withLock { state in
      state.timers.append(nil)
      return state.timers.count - 1
    }
    schedule(number, intervalMs, isDue, work)
  }

  private func schedule(
    _ number: Int, _ intervalMs: Int64, _ isDue: @escaping @Sendable (LocalBroker) -> Bool,
    _ work: @escaping @Sendable (LocalBroker) -> Void
  ) {
    state.withLock { state in
      guard !state.isStopped else { return }
      state.timers[number] = loop.scheduleTask(in: .milliseconds(intervalMs)) {
        guard isDue(self.broker) else { return self.schedule(number, intervalMs, isDue, work) }
        self.offload.submit(.housekeeping) {
          guard !self.state.withLock({ $0.isStopped }) else { return }
          work(self.broker)
          self.schedule(number, intervalMs, isDue, work)
        }
      }
    }
  }
}

extension Housekeeper {
  /// Removes deleted files when they may be removed: at once without a delay, though not more often than each
  /// `Limits.purgeSpacingMs`. Called on any thread.
  ///
  /// - Parameter delayMs: from now.
  func purge(inMs delayMs: Int64) {
    // Those that may never be removed are not waited for.
    guard delayMs < Limits.timerMsMax else { return }
    let isDue = state.withLock { state -> Bool in
      guard !state.isStopped else { return false }
      let now = loop.now
      let spaced = state.purgedAt.map { $0 + .milliseconds(Limits.purgeSpacingMs) } ?? now
      let due = max(now + .milliseconds(max(0, delayMs)), spaced)
      if let next = state.purgeDue, next <= due { return false }
      state.purgeDue = due
      state.purgeTimer?.cancel()
      state.purgeTimer = nil
      guard due > now else { return true }
      state.purgeTimer = loop.scheduleTask(deadline: due) { self.purgeNow() }
      return false
    }
    if isDue { purgeNow() }
  }

  private func purgeNow() {
    offload.submit(.housekeeping) {
      let isStopped = self.state.withLock { state in
        state.purgeDue = nil
        state.purgedAt = self.loop.now
        return state.isStopped
      }
      guard !isStopped else { return }
      if let delayMs = self.broker.purgeDeleted() { self.purge(inMs: delayMs) }
    }
  }
}

extension LocalBroker {
  /// Runs `body` on every open log; a failure is logged and the others go on.
  private func forEachLog(
    _ what: String, _ body: @Sendable (Log, Partition.Marks) throws(DiskError) -> Void
  ) {
    for partition in replicas.all {
      do throws(PartitionError) {
        try partition.withLog { log, marks throws(PartitionError) in
          do throws(DiskError) { try body(log, marks) } catch { throw .append(.diskFailed(error)) }
        }
      } catch {
        // What is offline was told when it went.
        if error == .deleted || error == .offline { continue }
        log.error("\(what) failed", metadata: ["partition": "\(partition.name)", "error": "\(error)"])
      }
    }
  }

  func applyRetention() {
    let now = nowMs()
    let delayMs = Mutex<Int64?>(nil)
    forEachLog("retention") { log, marks throws(DiskError) in
      guard try log.applyRetention(nowMs: now, highWatermark: marks.highWatermark) > 0 else { return }
      delayMs.withLock { $0 = min($0 ?? .max, log.config.fileDeleteDelayMs) }
    }
    if let delayMs = delayMs.withLock({ $0 }) { deletedFiles(delayMs: delayMs) }
  }

  /// Has files removed that were just deleted, when their delay has passed.
  func deletedFiles(delayMs: Int64) { purgeWanted.call(delayMs) }

  /// The time from now until the first of the deleted files may be removed that may be after `dueMs`; nil when none wait.
  func nextPurgeDelayMs(after dueMs: Int64) -> Int64? {
    var next: Int64?
    func consider(_ due: Int64?) {
      if let due { next = min(next ?? .max, due) }
    }
    for partition in replicas.all {
      consider(try? partition.withLog { log, _ throws(PartitionError) in log.nextPurgeMs(after: dueMs) })
    }
    for directory in directories.online { consider(directory.nextPurgeMs(after: dueMs)) }
    return next.map { $0.subtractingClamped(nowMs()) }
  }

  /// Looks for segments that another program has cut or removed: what is appended then would stand behind zeros, or be gone. Notes which
  /// directories have a log that has failed, so that the next look at the directories need not look at every log, too.
  func lookAtLogs() {
    var failed: Set<String> = []
    for partition in replicas.all {
      let found = try? partition.withLog { log, _ throws(PartitionError) -> (cause: DiskError?, hasFailed: Bool) in
        do throws(DiskError) { try log.look() } catch { return (error, true) }
        return (nil, log.failure != nil)
      }
      guard let found, found.hasFailed else { continue }
      if let directory = partition.directory { failed.insert(directory.path) }
      if let cause = found.cause { fail(partition, cause) }
    }
    let now = failed
    directoriesOfFailedLogs.withLock { $0 = now }
  }

  /// Whether this broker leads partitions that others follow.
  var hasFollowers: Bool { replicas.all.contains { $0.hasFollowers } }

  /// Removes followers that lag from the ISRs of the partitions that this broker leads.
  func shrinkISRs() {
    let now = uptimeMs()
    for partition in replicas.all {
      isrRequests.take(partition.tick(lagMsMax: config.replicaLagMsMax, nowMs: now), of: partition)
    }
  }

  /// Flushes logs whose flush.ms has passed, or that have closed a segment since their last flush.
  func flushDue() {
    let now = nowMs()
    var due: [Partition] = []
    for partition in replicas.all {
      let wants = try? partition.withLog { log, _ throws(PartitionError) in log.wantsFlush(nowMs: now) }
      if wants == true { due.append(partition) }
    }
    if !due.isEmpty { flusher.flush(due) { _ in } }
  }

  /// Writes the offsets of all partitions to the checkpoints of their directories.
  func checkpoint(_ kinds: [OffsetCheckpoint] = OffsetCheckpoint.allCases) {
    var offsets: [String: [OffsetCheckpoint: [TopicPartition: Offset]]] = [:]
    for partition in replicas.all {
      guard let directory = partition.directory else { continue }
      let known = try? partition.withLog { log, marks throws(PartitionError) in Checkpointed(log, marks) }
      for kind in kinds {
        guard let offset = known?[kind] else { continue }
        offsets[directory.path, default: [:]][kind, default: [:]][partition.name] = offset
      }
    }
    for directory in directories.online {
      for kind in kinds {
        #if DEBUG
        if kind == .highWatermark, PlantedFault.skipsHighWatermarkCheckpoint.isPlanted { continue }
        #endif
        do { try directory.write(kind, offsets[directory.path]?[kind] ?? [:]) } catch {
          refused(directory, "no checkpoint", error)
        }
      }
    }
  }

  /// Writes down up to where logs were cleaned; on the housekeeping lane, so that no older look at them is written later.
  func checkpointCleaned() { offload.submit(.housekeeping) { self.checkpoint([.cleaner]) } }

  /// Forgets producers that have been silent for `producer.id.expiration.ms`.
  func expireProducers() {
    let now = nowMs()
    let expiration = Int64(config.producerIDExpirationMs)
    forEachLog("producer expiry") { log, _ throws(DiskError) in
      log.expireProducers(nowMs: now, expirationMs: expiration)
    }
  }

  /// Writes down what the broker's own cache has done so far, where it has one.
  func reportCache() {
    guard let cache = directories.cache, let directory = directories.online.first else { return }
    do { try cache.report(in: directory.path, on: directory.disk, nowMs: nowMs()) } catch {
      log.error("no report of the cache", metadata: ["error": "\(error)"])
    }
  }

  /// Removes deleted files whose delay has passed.
  ///
  /// - Returns: the time until those that wait may be removed; nil when none wait. Where a removal has failed, it is tried again
  ///   by the periodic purge alone.
  @discardableResult
  func purgeDeleted() -> Int64? {
    let now = nowMs()
    forEachLog("purge") { log, _ throws(DiskError) in _ = try log.purgeDeleted(nowMs: now) }
    for directory in directories.online {
      do { _ = try directory.purgeDeleted(nowMs: now) } catch { refused(directory, "purge failed", error) }
    }
    return nextPurgeDelayMs(after: now)
  }
}

/// What the checkpoints say of one log.
private struct Checkpointed {
  let recoveryPoint: Offset, logStart: Offset, highWatermark: Offset
  /// Nil for a log that was never cleaned: the checkpoint does not name it.
  let cleanedTo: Offset?

  init(_ log: Log, _ marks: Partition.Marks) {
    recoveryPoint = log.flushedOffset
    logStart = log.logStartOffset
    highWatermark = marks.highWatermark
    cleanedTo = log.cleanedOffset
  }

  subscript(kind: OffsetCheckpoint) -> Offset? {
    switch kind {
    case .recoveryPoint: recoveryPoint
    case .logStart: logStart
    case .highWatermark: highWatermark
    case .cleaner: cleanedTo
    }
  }
}
