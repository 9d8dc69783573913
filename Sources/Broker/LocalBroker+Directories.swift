import Glibc
import Logging
import Model
import Storage
import Synchronization

/// Log directories that fail under a running broker.
extension LocalBroker {
  /// Takes a directory offline: says so once, and makes requests for its partitions get KAFKA_STORAGE_ERROR.
  func failed(_ directory: LogDirectory, _ cause: DiskError) {
    guard directory.fail(cause) else { return }
    let count = takeOffline(directory)
    log.error(
      "a log directory is offline, and its partitions with it, until it can be used and the broker is started again",
      metadata: ["directory": "\(directory.path)", "partitions": "\(count)", "error": "\(cause)"])
    if directories.online.isEmpty { storageLoss.happened() } else { controller.tellDirectoryFailed() }
  }

  /// Looks for directories that are not there any more, or in which a log has failed and nothing else can be written
  /// either. A log that fails alone, for damage to its file, is offline alone.
  ///
  /// - Parameter paths: the directories that have a log that has failed; nil to look at every log.
  func lookAtDirectories(withFailedLogs paths: Set<String>? = nil) {
    for directory in directories.all {
      guard directory.failure == nil else {
        // What was being made there when it failed.
        _ = takeOffline(directory)
        continue
      }
      do throws(DiskError) {
        try paths?.contains(directory.path) ?? hasFailedLog(directory) ? directory.probe() : directory.look()
      } catch {
        if error.isOfDirectory { failed(directory, error) }
      }
    }
  }

  /// What a directory refused: with an error that speaks of the directory it goes offline; any other is logged.
  func refused(_ directory: LogDirectory, _ what: String, _ error: LogDirectoryError) {
    if directory.failure != nil { return }
    guard case .disk(let cause) = error else {
      return log.error("\(what)", metadata: ["directory": "\(directory.path)", "error": "\(error)"])
    }
    if cause.isOfDirectory { return failed(directory, cause) }
    tell(what, cause, in: directory)
  }

  /// Takes in that an append was refused for its files. Where they cannot be used, the partition goes offline, with one line
  /// that says why; a directory that has failed as a whole is found out at once. On a full disk, or without descriptors, the
  /// partition stays, and a line a minute counts the appends. In a cluster a directory that is full goes offline, as Kafka's does: while
  /// this broker refused records, nobody else could take them.
  @inline(never)
  func appendFailed(_ partition: Partition, _ error: PartitionError) {
    switch error {
    case .append(.offline(let cause)): fail(partition, cause)
    case .append(.diskFailed(let cause)) where cause.isOfSpace && controller.isOfCluster:
      if let directory = partition.directory { failed(directory, cause) }
    case .append(.diskFailed(let cause)) where cause.mayPass:
      if let directory = partition.directory { tell("appends are refused", cause, in: directory) }
    case .append(.diskFailed(let cause)): fail(partition, cause)
    // What is offline was told when it went.
    default: break
    }
  }

  /// Takes a partition offline, and says so once.
  func fail(_ partition: Partition, _ cause: DiskError) {
    guard let released = partition.fail(cause) else { return }
    for waiter in released { waiter.wake(.released) }
    log.error(
      "a partition is offline until its files can be used and the broker is started again",
      metadata: ["partition": "\(partition.name)", "error": "\(cause)"])
    offload.submit(.housekeeping) { self.lookAtDirectories() }
    controller.tellDirectoryFailed()
  }

  /// Takes in that a partition has another log directory now.
  func hasMoved(_ partition: Partition, from source: LogDirectory, delayMs: Int64) {
    do { try source.forget([partition.name]) } catch {
      refused(source, "a checkpoint still names a replica that was moved to another directory", error)
    }
    deletedFiles(delayMs: delayMs)
  }

  /// Begins the moves anew that the last stop or a crash has interrupted.
  func continueMoves() {
    for directory in directories.online {
      let copies: [TopicPartition]
      do { copies = try directory.copies() } catch {
        refused(directory, "interrupted moves of replicas are not continued", error)
        continue
      }
      for name in copies {
        if let partition = replicas.partition(name), partition.isOnline, partition.directory !== directory {
          moves.move(partition, to: directory)
        } else {
          do { try directory.removeCopy(of: name) } catch {
            refused(directory, "the copy of a replica that is not moved any more stays", error)
          }
        }
      }
    }
  }

  /// Says what a disk refuses again and again: once a minute, with the number of times since the last line.
  private func tell(_ what: String, _ cause: DiskError, in directory: LogDirectory) {
    let now = nowMs()
    let key = "\(what) \(cause.code) \(directory.path)"
    guard let untold = refusals.withLock({ $0.refused(key, nowMs: now) }) else { return }
    log.error(
      "\(what)",
      metadata: ["directory": "\(directory.path)", "error": "\(cause)", "refused before": "\(untold)"])
  }

  private func hasFailedLog(_ directory: LogDirectory) -> Bool {
    replicas.all.contains { partition in
      guard partition.directory === directory else { return false }
      return (try? partition.withLog { log, _ throws(PartitionError) in log.failure != nil }) ?? false
    }
  }

  private func takeOffline(_ directory: LogDirectory) -> Int {
    var count = 0
    for partition in replicas.all where partition.directory === directory {
      count += 1
      for fetch in partition.retire(deleted: false) { fetch.wake(.released) }
    }
    return count
  }
}

extension DiskError {
  /// Whether the disk had no space.
  fileprivate var isOfSpace: Bool { code == ENOSPC || code == EDQUOT }
}

/// Tells, once, that the last log directory has gone offline: the broker can store nothing and has nothing to serve.
package final class StorageLoss: Sendable {
  private struct State {
    var hasHappened = false
    var then: [@Sendable () -> Void] = []
  }

  private let state = Mutex(State())

  /// Calls `body` when it has happened: at once, or later on the thread that found out.
  package func whenHappened(_ body: @escaping @Sendable () -> Void) {
    let isOver = state.withLock { state in
      if !state.hasHappened { state.then.append(body) }
      return state.hasHappened
    }
    if isOver { body() }
  }

  func happened() {
    let then = state.withLock { state in
      state.hasHappened = true
      defer { state.then = [] }
      return state.then
    }
    for body in then { body() }
  }
}
