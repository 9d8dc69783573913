import Base
import Synchronization
import Wire

/// The broker's fetch sessions, for all event loops: the cache behind a lock.
final class FetchSessions: Sendable {
  private struct State {
    var cache: FetchSessionCache
    var random: SplitMix
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
}
