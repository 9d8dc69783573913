import NIOCore
import Synchronization

/// A parked request (Kafka's DelayedOperation): a delayed fetch waits for bytes, a produce with acks=all for replicas, both until a
/// deadline.
///
/// The wait ends once: by the event that meets its need (on any thread, which schedules the end on the event loop), at its deadline,
/// because a partition was deleted or has another leader, or with its connection. The waiter then leaves all its partitions.
///
/// Created, parked and ended on its event loop.
final class Waiter: AwaitsPartitions, Sendable {
  enum Reason {
    /// The need is met, as far as could be counted.
    case satisfied
    case timeIsUp
    /// A partition was deleted or has another leader, or the broker stops. A fetch returns the data there is. A produce gets the
    /// partition's present error (UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER), and REQUEST_TIMED_OUT when the broker stops.
    case released
  }

  /// The bytes (of a fetch) or partitions (of a produce) still missing; 0 once woken.
  private let lacking: Atomic<Int>
  private let isDone = Atomic(false)
  private let lackingAtFirst: Int
  private let eventLoop: any EventLoop
  private let onRest: (@Sendable (Waiter) -> Void)?
  private let held: Mutex<Held>

  /// Holds what a waiter releases at its end.
  private struct Held {
    var parked: [(partition: Partition, ticket: Waiters<Waiter>.Ticket)] = []
    var timer: Scheduled<Void>?
    /// nil while it rests.
    var onEnd: (@Sendable (Reason) -> Void)?
  }

  /// - Parameters:
  ///   - lacking: bytes for a fetch, partitions for a produce.
  ///   - onRest: makes the waiter one that rests when its time is up and nothing has come: it stays in its partitions until it is resumed or
  ///     released, and the next request that would park in the same ones need not. Called before `onEnd`, on `eventLoop`.
  ///   - onEnd: sends the response, or parks again; called at most once, on `eventLoop`.
  init(
    lacking: Int, eventLoop: any EventLoop, onRest: (@Sendable (Waiter) -> Void)? = nil,
    onEnd: @escaping @Sendable (Reason) -> Void
  ) {
    precondition(lacking > 0, "a waiter needs a positive amount")
    lackingAtFirst = lacking
    self.lacking = Atomic(lacking)
    self.eventLoop = eventLoop
    self.onRest = onRest
    held = Mutex(Held(onEnd: onEnd))
  }

  /// Records that the waiter is parked in `partition` under `ticket`.
  func holds(_ ticket: Waiters<Waiter>.Ticket, in partition: Partition) {
    held.withLock { $0.parked.append((partition, ticket)) }
  }

  /// Starts the timer; to be called when the waiter is parked in all its partitions.
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

  /// Ends the wait from any thread, by scheduling its end on the event loop.
  func wake(_ reason: Reason) {
    eventLoop.execute { self.finish(reason) }
  }

  /// Ends the wait unless it has ended before. Called on the event loop.
  func finish(_ reason: Reason) {
    if reason == .timeIsUp, rest() { return }
    end()?(reason)
  }

  /// Ends the wait without a response; returns false if it had ended before, or rests. Called on the event loop.
  func cancel() -> Bool { end() != nil }

  /// Returns what to call; nil where it has ended before, or rests.
  private func end() -> (@Sendable (Reason) -> Void)? {
    guard isDone.exchange(true, ordering: .relaxed) == false else { return nil }
    let held = held.withLock { held in
      defer { held = Held() }
      return held
    }
    held.timer?.cancel()
    for one in held.parked { one.partition.unpark(one.ticket) }
    return held.onEnd
  }

  // MARK: Rest

  private var hasGainedNothing: Bool {
    !isDone.load(ordering: .relaxed) && lacking.load(ordering: .relaxed) == lackingAtFirst
  }

  /// Ends the request, and stays in the partitions; false where the wait is to end as any other.
  private func rest() -> Bool {
    guard let onRest, hasGainedNothing else { return false }
    let onEnd = held.withLock { held in
      defer { (held.timer, held.onEnd) = (nil, nil) }
      return held.onEnd
    }
    guard let onEnd else { return false }
    onRest(self)
    onEnd(.timeIsUp)
    return true
  }

  /// Has a waiter that rests wait for another request; false, and it is to be released, where something has come meanwhile.
  ///
  /// - Parameter eventLoop: that of the request.
  func resume(
    until deadline: NIODeadline, on eventLoop: any EventLoop, onEnd: @escaping @Sendable (Reason) -> Void
  ) -> Bool {
    guard eventLoop === self.eventLoop, hasGainedNothing else { return false }
    held.withLock { $0.onEnd = onEnd }
    start(until: deadline)
    return true
  }
}

/// Counts the parked fetches over all connections, and the partitions that they name; both take memory while the fetch waits.
final class ParkedFetches: Sendable {
  private let fetches = Atomic(0)
  private let partitions = Atomic(0)
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  var current: Int { fetches.load(ordering: .relaxed) }

  /// Counts a fetch of `count` partitions; returns false, and counts nothing, at the limit: the fetch then gets its response at
  /// once.
  ///
  /// - Parameter isFollower: a follower's fetch has no limit, because it would come again at once.
  func enter(partitions count: Int, isFollower: Bool = false) -> Bool {
    let isWithinLimits =
      (fetches.wrappingAdd(1, ordering: .relaxed).newValue <= limit
        && partitions.load(ordering: .relaxed) + count <= Limits.parkedPartitions) || isFollower
    partitions.wrappingAdd(count, ordering: .relaxed)
    if !isWithinLimits { leave(partitions: count) }
    return isWithinLimits
  }

  func leave(partitions count: Int) {
    fetches.wrappingSubtract(1, ordering: .relaxed)
    partitions.wrappingSubtract(count, ordering: .relaxed)
  }
}
