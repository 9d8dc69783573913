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
    if directories.online.isEmpty { storageLoss.happened() }
  }

  /// Looks for directories that are not there any more, or in which a log has failed and nothing else can be written
  /// either. A log that fails alone, for damage to its file, is offline alone.
  func lookAtDirectories() {
    for directory in directories.all {
      guard directory.failure == nil else {
        // What was being made there when it failed.
        _ = takeOffline(directory)
        continue
      }
      do throws(DiskError) {
        try hasFailedLog(directory) ? directory.probe() : directory.look()
      } catch {
        if error.isOfDirectory { failed(directory, error) }
      }
    }
  }

  /// What a directory refused: with an error that speaks of the directory it goes offline; any other is logged.
  func refused(_ directory: LogDirectory, _ what: String, _ error: LogDirectoryError) {
    if directory.failure != nil { return }
    if case .disk(let cause) = error, cause.isOfDirectory { return failed(directory, cause) }
    log.error("\(what)", metadata: ["directory": "\(directory.path)", "error": "\(error)"])
  }

  private func hasFailedLog(_ directory: LogDirectory) -> Bool {
    topics.all.contains { topic in
      topic.partitions.contains { partition in
        guard partition.directory === directory else { return false }
        return (try? partition.withLog { log, _ throws(PartitionError) in log.failure != nil }) ?? false
      }
    }
  }

  private func takeOffline(_ directory: LogDirectory) -> Int {
    var count = 0
    for topic in topics.all {
      for partition in topic.partitions where partition.directory === directory {
        count += 1
        for fetch in partition.retire(deleted: false) { fetch.wake(.released) }
      }
    }
    return count
  }
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
