import Logging
import Model
import Synchronization

/// Makes appends durable before they are acknowledged, off the event loops, with group commit: while one fdatasync of a
/// partition runs, the appends that arrive meanwhile gather and share the next.
final class Flusher: Sendable {
  /// Called with true when the flush succeeded.
  private typealias Waiter = @Sendable (Bool) -> Void

  private let offload: any Offload
  /// By partition while one of its flushes runs: who waits for the next.
  private let running = Mutex<[ObjectIdentifier: [Waiter]]>([:])
  private let log: Logger
  private let nowMs: @Sendable () -> Int64

  init(offload: any Offload, log: Logger, nowMs: @escaping @Sendable () -> Int64) {
    self.offload = offload
    self.log = log
    self.nowMs = nowMs
  }

  /// Flushes what is in the partitions' logs now. `done` gets those whose flush failed, on any thread.
  func flush(_ partitions: [Partition], done: @escaping @Sendable (Set<TopicPartition>) -> Void) {
    let left = Countdown(partitions.count, done)
    for partition in partitions {
      enqueue(partition) { flushed in left.arrived(failed: flushed ? nil : partition.name) }
    }
  }

  private func enqueue(_ partition: Partition, _ waiter: @escaping Waiter) {
    let key = ObjectIdentifier(partition)
    let isFirst = running.withLock { running in
      if running[key] != nil {
        running[key]!.append(waiter)
        return false
      }
      running[key] = [waiter]
      return true
    }
    guard isFirst else { return }
    offload.submit(.flush) { self.run(partition, key) }
  }

  private func run(_ partition: Partition, _ key: ObjectIdentifier) {
    while true {
      let waiters = running.withLock { running -> [Waiter] in
        let waiters = running[key] ?? []
        running[key] = waiters.isEmpty ? nil : []
        return waiters
      }
      if waiters.isEmpty { return }
      let flushed = partition.flush(nowMs: nowMs())
      if !flushed { log.error("a flush failed", metadata: ["partition": "\(partition.name)"]) }
      for waiter in waiters { waiter(flushed) }
    }
  }
}

/// Counts the flushes of one request down.
private final class Countdown: Sendable {
  private let state: Mutex<(left: Int, failed: Set<TopicPartition>)>
  private let done: @Sendable (Set<TopicPartition>) -> Void

  init(_ count: Int, _ done: @escaping @Sendable (Set<TopicPartition>) -> Void) {
    state = Mutex((count, []))
    self.done = done
  }

  func arrived(failed: TopicPartition?) {
    let finished = state.withLock { state -> Set<TopicPartition>? in
      if let failed { state.failed.insert(failed) }
      state.left -= 1
      return state.left == 0 ? state.failed : nil
    }
    if let finished { done(finished) }
  }
}
