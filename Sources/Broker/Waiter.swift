import NIOCore
import Synchronization

/// A request that waits for partitions: a delayed fetch for bytes, a produce with acks=all for its replicas, both for no longer than
/// their deadline.
///
/// It ends once: by the event that gives it what it lacks (on any thread, which only hands the word to the request's event loop), by its
/// deadline, by a partition that is gone, or with its connection. At its end it leaves every partition it waits on.
///
/// Made, parked and ended on its event loop.
final class Waiter: AwaitsPartitions, Sendable {
  enum Reason {
    /// It has what it lacked, as far as could be counted.
    case satisfied
    case timeIsUp
    /// A partition is gone or led by another, or the broker stops: answer with what there is.
    case released
  }

  /// What is lacking, bytes or partitions; at 0 it has been woken.
  private let lacking: Atomic<Int>
  private let isDone = Atomic(false)
  private let eventLoop: any EventLoop
  private let onEnd: @Sendable (Reason) -> Void
  private let held = Mutex(Held())

  /// The places and the timer that a waiter gives up at its end.
  private struct Held {
    var places: [(partition: Partition, ticket: Waiters<Waiter>.Ticket)] = []
    var timer: Scheduled<Void>?
  }

  /// - Parameters:
  ///   - lacking: bytes for a fetch, partitions for a produce.
  ///   - onEnd: answers, or parks anew; called at most once, on `eventLoop`.
  init(lacking: Int, eventLoop: any EventLoop, onEnd: @escaping @Sendable (Reason) -> Void) {
    precondition(lacking > 0, "one that lacks nothing does not wait")
    self.lacking = Atomic(lacking)
    self.eventLoop = eventLoop
    self.onEnd = onEnd
  }

  /// Waits on one more partition, where `ticket` is its place.
  func holds(_ ticket: Waiters<Waiter>.Ticket, in partition: Partition) {
    held.withLock { $0.places.append((partition, ticket)) }
  }

  /// Waits until `deadline` at most: call it when it is parked everywhere.
  func start(until deadline: NIODeadline) {
    guard !isDone.load(ordering: .relaxed) else { return }
    let timer = eventLoop.scheduleTask(deadline: deadline) { self.finish(.timeIsUp) }
    held.withLock { $0.timer = timer }
  }

  func gained(_ amount: Int) -> Bool {
    var before = lacking.load(ordering: .relaxed)
    while before > 0 {
      let left = amount < before ? before - amount : 0
      let (exchanged, original) = lacking.compareExchange(expected: before, desired: left, ordering: .relaxed)
      if exchanged { return left == 0 }
      before = original
    }
    return false
  }

  /// Ends the wait from any thread: hands `reason` to the event loop.
  func wake(_ reason: Reason) {
    eventLoop.execute { self.finish(reason) }
  }

  /// On the event loop: ends the wait, unless something else ended it before.
  func finish(_ reason: Reason) {
    guard end() else { return }
    onEnd(reason)
  }

  /// On the event loop: ends the wait without an answer. False: it had ended.
  func cancel() -> Bool { end() }

  private func end() -> Bool {
    guard isDone.exchange(true, ordering: .relaxed) == false else { return false }
    let held = held.withLock { held in
      defer { held = Held() }
      return held
    }
    held.timer?.cancel()
    for place in held.places { place.partition.unpark(place.ticket) }
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
