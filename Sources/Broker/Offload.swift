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

/// Kinds of work that do not wait for each other.
package enum OffloadLane: Int, Sendable, CaseIterable {
  /// Starting and stopping, and changes of topics: their order is that of the cluster's decisions.
  case control
  /// Retention, checkpoints, removal of deleted files.
  case housekeeping
  /// Requests that take too long for an event loop: they touch the disk, or name very much.
  case request
  /// Unpacking and checking of large produced batches: other requests do not wait behind it.
  case unpack
  /// Flushes that acknowledgements wait for.
  case flush
  /// Reads that consumers far behind wait for.
  case coldRead

  /// At most one piece of the lane's work runs at a time.
  package var isSerial: Bool { threads == 1 }

  /// Threads of the lane in a real world.
  package var threads: Int {
    switch self {
    case .control, .housekeeping: 1
    case .request: Limits.requestThreads
    case .unpack: Limits.unpackThreads
    case .flush: Limits.flushThreads
    case .coldRead: Limits.coldReadThreads
    }
  }
}

/// One node's share of an offload: counts the work that is under way, so that a stop can wait for its end.
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

  /// Completes on `loop` when no work is under way. Work that ends may submit more, which is waited for too.
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
