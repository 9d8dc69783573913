import Base
import Synchronization
import Wire

/// The broker's fetch sessions, for all event loops: the cache behind a lock.
final class FetchSessions: Sendable {
  private struct State {
    var cache: FetchSessionCache
    var random: SplitMix
    /// By the sessions' ids.
    var resting: [Int32: (waiter: Waiter, sinceMs: Int64)] = [:]
  }

  private let state: Mutex<State>

  /// - Parameter seed: of the sessions' ids, which are no secrets.
  init(slots: Int, seed: UInt64) {
    state = Mutex(State(cache: FetchSessionCache(slots: slots), random: SplitMix(seed: seed)))
  }

  func begin(_ request: inout FetchRequest, version: Int16, nowMs: Int64) -> FetchSessionCache.Context {
    state.withLock { $0.cache.begin(&request, version: version, nowMs: nowMs) }
  }

  /// Returns false when the response was replaced by an error, without records.
  func finish(
    _ context: FetchSessionCache.Context, _ request: FetchRequest, version: Int16, _ response: inout FetchResponse,
    nowMs: Int64
  ) -> Bool {
    state.withLock { state in
      var random = state.random
      defer { state.random = random }
      return state.cache.finish(context, request, version: version, &response, nowMs: nowMs) {
        Int32(truncatingIfNeeded: random.next() >> 33)
      }
    }
  }

  var count: Int { state.withLock { $0.cache.count } }

  // MARK: Resting waiters

  /// Keeps the waiter of a follower's session in which nothing has come, for the session's next fetch.
  func rest(_ waiter: Waiter, of context: FetchSessionCache.Context, nowMs: Int64) {
    guard case .of(let id, _) = context else { return waiter.wake(.released) }
    let before = state.withLock { $0.resting.updateValue((waiter, nowMs), forKey: id) }
    before?.waiter.wake(.released)
  }

  /// The waiter that rests, which the caller resumes or releases.
  func takeResting(of context: FetchSessionCache.Context) -> Waiter? {
    guard case .of(let id, _) = context else { return nil }
    return state.withLock { $0.resting.removeValue(forKey: id)?.waiter }
  }

  /// Releases the waiters of sessions that nobody goes on with: their connections are closed.
  ///
  /// - Parameter sinceMs: it has rested since then.
  func releaseResting(since sinceMs: Int64) {
    let left = state.withLock { state in
      let left = state.resting.filter { $0.value.sinceMs <= sinceMs }
      for id in left.keys { state.resting[id] = nil }
      return left.values.map(\.waiter)
    }
    for waiter in left { waiter.wake(.released) }
  }
}
