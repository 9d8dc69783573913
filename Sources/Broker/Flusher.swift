import Base
import Logging
import Model
import NIOCore
import Synchronization

/// Makes appends durable before they are acknowledged, off the event loops, with group commit: while one fdatasync of a
/// partition runs, the appends that arrive meanwhile gather and share the next.
final class Flusher: Sendable {
  private let offload: any Offload
  private let log: Logger
  private let nowMs: @Sendable () -> Int64
  /// Whose clock measures how long flushes take.
  private let loop: any EventLoop
  private let figures = Mutex(Figures())

  /// What flushes have taken.
  struct Figures: Sendable {
    var flushes = 0
    var ns: Int64 = 0
  }

  init(offload: any Offload, log: Logger, nowMs: @escaping @Sendable () -> Int64, loop: any EventLoop) {
    self.loop = loop
    self.offload = offload
    self.log = log
    self.nowMs = nowMs
  }

  /// The flushes so far.
  var taken: Figures { figures.withLock { $0 } }

  /// The partitions whose flush failed, each with the error for the response.
  typealias Failures = [TopicPartition: ErrorCode]

  /// Flushes the logs of `partitions` up to their present end.
  ///
  /// - Parameter done: receives the partitions whose flush failed; called once, on any thread.
  func flush(_ partitions: [Partition], done: @escaping @Sendable (Failures) -> Void) {
    let left = Countdown(partitions.count, done)
    for partition in partitions {
      enqueue(partition) { flushed in
        switch flushed {
        case .durable: left.arrived()
        case .deleted: left.arrived(partition.name, .unknownTopicOrPartition)
        case .failed: left.arrived(partition.name, .kafkaStorageError)
        }
      }
    }
  }

  private func enqueue(_ partition: Partition, _ waiter: @escaping Partition.FlushWaiter) {
    #if DEBUG
    if PlantedFault.acknowledgesBeforeFlush.isPlanted { return waiter(.durable) }
    #endif
    let isFirst = partition.flushWaiters.withLock { waiters in
      guard waiters == nil else {
        waiters?.append(waiter)
        return false
      }
      waiters = [waiter]
      return true
    }
    guard isFirst else { return }
    offload.submit(.flush) { self.run(partition) }
  }

  private func run(_ partition: Partition) {
    while true {
      let waiters = partition.flushWaiters.withLock { present in
        let waiters = present ?? []
        present = waiters.isEmpty ? nil : []
        return waiters
      }
      if waiters.isEmpty { return }
      let began = loop.now
      let flushed = partition.flush(nowMs: nowMs())
      let tookNs = (loop.now - began).nanoseconds
      figures.withLock { figures in
        figures.flushes += 1
        figures.ns += tookNs
      }
      switch flushed {
      case .durable: break
      case .deleted: log.debug("a topic was deleted during its flush", metadata: ["partition": "\(partition.name)"])
      case .failed: log.error("a flush failed", metadata: ["partition": "\(partition.name)"])
      }
      for waiter in waiters { waiter(flushed) }
    }
  }
}

/// Counts the flushes that one request waits for, and collects the failed ones.
private final class Countdown: Sendable {
  private let state: Mutex<(left: Int, failed: Flusher.Failures)>
  private let done: @Sendable (Flusher.Failures) -> Void

  init(_ count: Int, _ done: @escaping @Sendable (Flusher.Failures) -> Void) {
    state = Mutex((count, [:]))
    self.done = done
  }

  func arrived(_ failed: TopicPartition? = nil, _ code: ErrorCode = .none) {
    let finished = state.withLock { state -> Flusher.Failures? in
      if let failed { state.failed[failed] = code }
      state.left -= 1
      return state.left == 0 ? state.failed : nil
    }
    if let finished { done(finished) }
  }
}
