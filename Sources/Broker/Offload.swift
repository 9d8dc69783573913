package import NIOCore
import Synchronization

/// Runs work that may wait for the disk, off every event loop.
package protocol Offload: Sendable {
  /// Runs `work` once, later, on a thread of `lane`. Work of one lane begins in the order it was submitted; `Lane.isSerial`
  /// says whether it also ends before the next begins.
  func submit(_ lane: OffloadLane, _ work: @escaping @Sendable () -> Void)

  /// Calls `body` with every number below `count`, on up to `threads` threads at once, and returns when all calls have.
  /// Only work that was submitted may call it: it waits.
  func parallel(_ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Void)
}

/// A kind of work; work of one lane does not wait for that of another.
package enum OffloadLane: Int, Sendable, CaseIterable {
  /// Starts and stops, and the effects of the controller, in the order of its decisions.
  case control
  /// Retention, checkpoints, removal of deleted files.
  case housekeeping
  /// Requests that take too long for an event loop: they read or write files, or name more than `Limits.servedOnLoop` things.
  case request
  /// Decompression and checks of large produced batches, apart from other requests.
  case unpack
  /// Flushes to disk that acknowledgements wait for.
  case flush
  /// Reads from disk of ranges that the page cache lacks, for consumers that lag behind.
  case coldRead
  /// Reads of internal topics whose partitions this broker has begun to coordinate.
  case coordinatorLoad
  /// Compaction of logs, in turns.
  case clean
  /// Lines of the request log, whose reader may be slow.
  case log
  /// Appends of much that followers have fetched, and truncations of their logs.
  case follow

  /// Whether work of the lane runs one at a time.
  package var isSerial: Bool { threads == 1 }

  /// The number of the lane's threads in `RealWorld`.
  package var threads: Int {
    switch self {
    case .control, .housekeeping, .coordinatorLoad, .log: 1
    case .request: Limits.requestThreads
    case .unpack: Limits.unpackThreads
    case .flush: Limits.flushThreads
    case .coldRead: Limits.coldReadThreads
    case .follow: Limits.followThreads
    // By default; `log.cleaner.threads` says how many.
    case .clean: 1
    }
  }
}

/// Passes one node's work on to the world's offload, and counts what has not ended, so that a stop can wait for it.
package final class NodeOffload: Offload {
  private struct State {
    var underWay = 0
    var whenIdle: [EventLoopPromise<Void>] = []
  }

  private let offload: any Offload
  private let state = Mutex(State())

  package init(_ offload: any Offload) { self.offload = offload }

  package func submit(_ lane: OffloadLane, _ work: @escaping @Sendable () -> Void) {
    state.withLock { $0.underWay += 1 }
    offload.submit(lane) {
      work()
      self.ended()
    }
  }

  package func parallel(_ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
    offload.parallel(count, threads: threads, body)
  }

  /// Returns a future of `loop` that completes when all work has ended, work submitted by other work included.
  package func whenIdle(on loop: any EventLoop) -> EventLoopFuture<Void> {
    let promise = loop.makePromise(of: Void.self)
    let isIdle = state.withLock { state in
      if state.underWay > 0 { state.whenIdle.append(promise) }
      return state.underWay == 0
    }
    if isIdle { promise.succeed() }
    return promise.futureResult
  }

  private func ended() {
    let told = state.withLock { state -> [EventLoopPromise<Void>] in
      state.underWay -= 1
      guard state.underWay == 0 else { return [] }
      defer { state.whenIdle = [] }
      return state.whenIdle
    }
    for promise in told { promise.succeed() }
  }
}
