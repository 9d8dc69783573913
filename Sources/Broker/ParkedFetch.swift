import NIOCore
import Synchronization

/// A fetch that found too little and waits for more bytes or for its deadline, whichever comes first.
///
/// It ends once: by the append that gives it enough (on the producer's thread, which only hands the word to the fetch's
/// event loop), by its deadline, or with its connection. At its end it leaves every partition it waits on.
final class ParkedFetch: OffsetWaiter, Sendable {
  enum Reason {
    /// A partition has more: enough, as far as the waiter could count.
    case grown
    case timeIsUp
    /// A partition is gone, or the broker stops: answer with what there is.
    case released
  }

  /// Bytes still lacking; at 0 or less it has been woken.
  private let lacking: Atomic<Int>
  private let isDone = Atomic(false)
  private let eventLoop: any EventLoop
  private let partitions: [Partition]
  private let onWake: @Sendable (Reason) -> Void
  private let timer = Mutex<Scheduled<Void>?>(nil)

  /// - Parameter onWake: reads again and answers, or parks anew; called at most once, on `eventLoop`.
  init(
    lacking: Int, eventLoop: any EventLoop, partitions: [Partition], onWake: @escaping @Sendable (Reason) -> Void
  ) {
    precondition(lacking > 0, "a fetch that lacks nothing does not park")
    self.lacking = Atomic(lacking)
    self.eventLoop = eventLoop
    self.partitions = partitions
    self.onWake = onWake
  }

  /// The timer to stop at the end.
  func setTimer(_ scheduled: Scheduled<Void>) { timer.withLock { $0 = scheduled } }

  func gained(_ bytes: Int) -> Bool {
    let (before, after) = lacking.subtract(bytes, ordering: .relaxed)
    return before > 0 && after <= 0
  }

  /// From any thread.
  func wake(_ reason: Reason) {
    eventLoop.execute { self.finish(reason) }
  }

  /// On the event loop: wakes, unless something else ended the wait before.
  func finish(_ reason: Reason) {
    guard end() else { return }
    onWake(reason)
  }

  /// On the event loop: ends the wait without an answer. False: it had ended.
  func cancel() -> Bool { end() }

  private func end() -> Bool {
    guard isDone.exchange(true, ordering: .relaxed) == false else { return false }
    timer.withLock { $0?.cancel() }
    for partition in partitions { partition.unpark(self) }
    return true
  }
}

/// How many fetches are parked, over all connections, and how many partitions they name: each costs memory for as long as
/// its fetch waits.
final class ParkedFetches: Sendable {
  private let fetches = Atomic(0)
  private let partitions = Atomic(0)
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  var current: Int { fetches.load(ordering: .relaxed) }

  /// False: as many are parked as may be, and this one must be answered at once.
  func enter(partitions count: Int) -> Bool {
    let isWithinLimits =
      fetches.wrappingAdd(1, ordering: .relaxed).newValue <= limit
      && partitions.load(ordering: .relaxed) + count <= Limits.parkedPartitions
    partitions.wrappingAdd(count, ordering: .relaxed)
    if !isWithinLimits { leave(partitions: count) }
    return isWithinLimits
  }

  func leave(partitions count: Int) {
    fetches.wrappingSubtract(1, ordering: .relaxed)
    partitions.wrappingSubtract(count, ordering: .relaxed)
  }
}
