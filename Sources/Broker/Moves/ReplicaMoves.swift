import Logging
import Model
import NIOCore
import Storage
import Synchronization

/// Moves replicas between the log directories of this broker (Kafka: ReplicaAlterLogDirsManager): each log is copied while it is used, and the
/// copy takes its place.
///
/// The work is done on the offload's housekeeping lane, in turns of `Limits.moveTurnBytes`, one move after the other within a turn of each. That
/// lane writes the checkpoints too, so that none is written with offsets from before a move. A partition's lock is taken to find the next batches,
/// and for the last step, which syncs what has come since.
final class ReplicaMoves: Sendable {
  private let offload: any Offload
  private let loop: any EventLoop
  private let log: Logger
  private let nowMs: @Sendable () -> Int64
  private let bytesPerSecond: @Sendable () -> Int64
  private let state = Mutex(State())

  private struct State {
    var isStopped = false
    var moves: [TopicPartition: ReplicaMove] = [:]
    /// Those that wait for their next turn because of the rate.
    var timers: [TopicPartition: Scheduled<Void>] = [:]
    var pace = BytePace()
    var whenMoved: @Sendable (Partition, _ from: LogDirectory, _ deleteDelayMs: Int64) -> Void = { _, _, _ in }
    var whenFailed: @Sendable (Partition, DiskError) -> Void = { _, _ in }
  }

  /// - Parameter bytesPerSecond: the rate of all moves together (replica.alter.log.dirs.io.max.bytes.per.second) as it is now; `Int64.max` is no limit.
  init(
    offload: any Offload, loop: any EventLoop, log: Logger, nowMs: @escaping @Sendable () -> Int64,
    bytesPerSecond: @escaping @Sendable () -> Int64
  ) {
    self.offload = offload
    self.loop = loop
    self.log = log
    self.nowMs = nowMs
    self.bytesPerSecond = bytesPerSecond
  }

  /// - Parameters:
  ///   - moved: called when a partition has changed its directory.
  ///   - failed: called when a partition can be used in neither directory until the next start.
  func whenDone(
    moved: @escaping @Sendable (Partition, _ from: LogDirectory, _ deleteDelayMs: Int64) -> Void,
    failed: @escaping @Sendable (Partition, DiskError) -> Void
  ) {
    state.withLock { ($0.whenMoved, $0.whenFailed) = (moved, failed) }
  }

  /// Starts no more turns. Copies stay; the next start begins them anew.
  func stop() {
    let timers = state.withLock { state -> [Scheduled<Void>] in
      state.isStopped = true
      state.moves = [:]
      defer { state.timers = [:] }
      return Array(state.timers.values)
    }
    for timer in timers { timer.cancel() }
  }

  /// Has a partition's log moved to `target`. A move of it to another directory ends; one to the directory in which it is, or to the same, changes
  /// nothing else.
  func move(_ partition: Partition, to target: LogDirectory) {
    let began = state.withLock { state -> ReplicaMove? in
      guard !state.isStopped, state.moves[partition.name]?.isOf(partition, to: target) != true else { return nil }
      end(partition.name, &state)
      guard partition.directory !== target else { return nil }
      let move = ReplicaMove(partition, to: target)
      state.moves[partition.name] = move
      return move
    }
    guard let began else { return }
    log.info("a replica is moved", metadata: began.metadata)
    offload.submit(.housekeeping) { self.turn(began) }
  }

  /// Ends the move of a partition that has been deleted.
  func deleted(_ partition: Partition) {
    state.withLock { state in
      if state.moves[partition.name]?.partition === partition { end(partition.name, &state) }
    }
  }

  /// Ends the move of a partition, if there is one. What is copied is removed.
  private func end(_ name: TopicPartition, _ state: inout State) {
    state.timers.removeValue(forKey: name)?.cancel()
    guard let ended = state.moves.removeValue(forKey: name) else { return }
    offload.submit(.housekeeping) { self.discard(ended) }
  }

  /// A copy that is on its way into a directory.
  struct Described {
    var bytes: Int
    /// The offsets that it lacks.
    var lag: Int64
  }

  /// Describes the copy of a partition that is on its way into `directory`; nil when there is none.
  func described(_ partition: Partition, into directory: LogDirectory) -> Described? {
    guard let move = state.withLock({ $0.moves[partition.name] }), move.isOf(partition, to: directory) else {
      return nil
    }
    let end = (try? partition.withLog { log, _ throws(PartitionError) in log.logEndOffset }) ?? 0
    let extent = move.extent.withLock { $0 }
    return Described(bytes: extent.bytes, lag: Int64(max(0, end - extent.end)))
  }

  // MARK: Turns

  private func isCurrent(_ move: ReplicaMove) -> Bool {
    state.withLock { !$0.isStopped && $0.moves[move.partition.name] === move }
  }

  private func turn(_ move: ReplicaMove) {
    guard isCurrent(move) else { return }
    do throws(LogCopyError) {
      let bytes = try copy(move)
      guard let bytes else { return finish(move) }
      goOn(move, after: bytes)
    } catch { giveUp(move, error) }
  }

  /// Copies the next batches; returns their bytes, nil when what is missing can be copied in the last step.
  private func copy(_ move: ReplicaMove) throws(LogCopyError) -> Int? {
    let now = nowMs()
    return try move.copy.withLock { copy throws(LogCopyError) -> Int? in
      if copy == nil { copy = try begin(move, nowMs: now) }
      guard let copy else { return nil }
      // Under the partition's lock only to find them.
      nonisolated(unsafe) let unshared = copy
      let found = move.withLog { log throws(LogCopyError) in
        try unshared.next(of: log, maxBytes: Limits.moveTurnBytes, nowMs: now)
      }
      guard let slice = try found?.get() else { return nil }
      guard slice.byteCount > Limits.moveLastBytes || slice.isCutBySegment else { return nil }
      do throws(LogCopyError) { try copy.take(slice, nowMs: now) } catch {
        // The log of a follower that was truncated meanwhile is copied anew.
        guard case .damaged = error, case .success(true)? = move.withLog({ unshared.isOutdated(by: $0) }) else {
          throw error
        }
        return 0
      }
      move.extent.withLock { $0 = (copy.endOffset, copy.sizeInBytes) }
      return slice.byteCount
    }
  }

  private func begin(_ move: ReplicaMove, nowMs: Int64) throws(LogCopyError) -> LogCopy? {
    guard let config = try move.withLog({ log throws(LogCopyError) in log.config })?.get() else { return nil }
    do throws(LogDirectoryError) {
      return try LogCopy(
        of: move.partition.name, topicID: move.partition.topicID, config: config, in: move.target, nowMs: nowMs)
    } catch { throw .directory(error) }
  }

  /// Has the next turn follow: at once, or when the rate allows it.
  private func goOn(_ move: ReplicaMove, after bytes: Int) {
    let now = Int64(clamping: loop.now.uptimeNanoseconds)
    let (name, rate) = (move.partition.name, bytesPerSecond())
    let isNow = state.withLock { state -> Bool in
      guard !state.isStopped, state.moves[name] === move else { return false }
      guard rate < .max else { return true }
      let delayNs = state.pace.moved(bytes: bytes, bytesPerSecond: Double(rate), nowNs: now)
      guard delayNs > 0 else { return true }
      state.timers[name] = loop.scheduleTask(in: .nanoseconds(delayNs)) {
        self.offload.submit(.housekeeping) { self.turn(move) }
      }
      return false
    }
    if isNow { offload.submit(.housekeeping) { self.turn(move) } }
  }

  /// Puts the copy in the log's place, unless more has come than fits in the last step.
  private func finish(_ move: ReplicaMove) {
    let now = nowMs()
    let (partition, source) = (move.partition, move.partition.directory)
    do throws(LogCopyError) {
      let isDone = try move.copy.withLock { copy throws(LogCopyError) -> Bool in
        guard let held = copy else { return false }
        nonisolated(unsafe) let unshared = held
        let isReplaced = try partition.replaceLog(in: move.target) { log, directory, marks throws(LogCopyError) in
          try unshared.replace(
            log, in: directory, maxBytes: Limits.moveTurnBytes, highWatermark: marks.highWatermark, nowMs: now)
        }
        if isReplaced { copy = nil }
        return isReplaced
      }
      guard isDone else {
        // A deleted partition has no log to move any more.
        guard (try? partition.withLog { _, _ throws(PartitionError) in true }) == true else { return forget(move) }
        return goOn(move, after: 0)
      }
    } catch { return giveUp(move, error) }
    let whenMoved = state.withLock { state in
      if state.moves[partition.name] === move { state.moves[partition.name] = nil }
      return state.whenMoved
    }
    log.info("a replica has been moved", metadata: move.metadata)
    let delayMs = (try? partition.withLog { log, _ throws(PartitionError) in log.config.fileDeleteDelayMs }) ?? 0
    if let source { whenMoved(partition, source, delayMs) }
  }

  // MARK: Ends

  private func giveUp(_ move: ReplicaMove, _ error: LogCopyError) {
    log.error(
      "a replica cannot be moved to another log directory, and stays where it is",
      metadata: move.metadata.merging(["error": "\(error)"]) { $1 })
    if case .committed = error {
      let whenFailed = state.withLock { state in
        if state.moves[move.partition.name] === move { state.moves[move.partition.name] = nil }
        return state.whenFailed
      }
      return whenFailed(
        move.partition, DiskError("move", move.target.directory(of: move.partition.name), code: DiskError.unexpectedEnd)
      )
    }
    forget(move)
  }

  private func forget(_ move: ReplicaMove) {
    state.withLock { state in
      if state.moves[move.partition.name] === move { state.moves[move.partition.name] = nil }
    }
    discard(move)
  }

  /// Removes what was copied; on the housekeeping lane.
  private func discard(_ move: ReplicaMove) {
    move.copy.withLock { $0 = nil }
    // A later move to the same directory has a copy there by now, or begins with the removal itself.
    let isTaken = state.withLock { state in
      state.isStopped || state.moves[move.partition.name].map { $0.target === move.target } ?? false
    }
    guard !isTaken else { return }
    do throws(LogDirectoryError) { try move.target.removeCopy(of: move.partition.name) } catch {
      log.error(
        "the copy of a replica that was not moved stays in its directory",
        metadata: move.metadata.merging(["error": "\(error)"]) { $1 })
    }
  }
}
