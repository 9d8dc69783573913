import Cluster
import Synchronization

/// A coordinator's answer that may be there already, or come later.
final class LaterAnswer: Sendable {
  private enum State {
    case open
    case awaited(@Sendable (Transactions.Response) -> Void)
    case given(Transactions.Response)
  }

  private let state = Mutex(State.open)

  var now: Transactions.Response? { state.withLock { if case .given(let response) = $0 { response } else { nil } } }

  func give(_ response: Transactions.Response) {
    let then = state.withLock { state -> (@Sendable (Transactions.Response) -> Void)? in
      defer { state = .given(response) }
      if case .awaited(let then) = state { return then }
      return nil
    }
    then?(response)
  }

  /// Calls `then` once, with the answer: at once when it is there.
  func whenGiven(_ then: @escaping @Sendable (Transactions.Response) -> Void) {
    let response = state.withLock { state -> Transactions.Response? in
      if case .given(let response) = state { return response }
      state = .awaited(then)
      return nil
    }
    if let response { then(response) }
  }
}
