import Base
import DequeModule

extension ConnectionMachine {
  /// Holds the requests of a connection whose response has not left, in the order in which they began.
  ///
  /// A request leaves when it and all before it have finished. Example: of requests 0, 1 and 2, request 1 finishes, then request 0;
  /// `popFinished` returns nil in between, and then the outcomes of 0 and 1.
  struct RequestQueue {
    private enum State {
      case running
      case finished(Outcome)
    }

    /// `states[i]` is the state of slot `first + i`.
    private var states = Deque<State>()
    private(set) var first: Slot = 0

    var count: Int { states.count }

    /// Adds a request, and returns its slot.
    mutating func begin() -> Slot {
      states.append(.running)
      return first + UInt64(states.count - 1)
    }

    /// Records how the request of `slot` ended.
    ///
    /// - Precondition: it has begun and not finished.
    mutating func finish(_ slot: Slot, _ outcome: Outcome) {
      precondition(slot >= first, "request \(slot) finished twice")
      let index = Int(slot - first)
      precondition(index < states.count, "request \(slot) never began")
      guard case .running = states[index] else { preconditionFailure("request \(slot) finished twice") }
      states[index] = .finished(outcome)
    }

    /// Removes the oldest request and returns its outcome; nil when it has not finished, or there is none.
    mutating func popFinished() -> Outcome? {
      #if DEBUG
      if PlantedFault.swapsResponses.isPlanted, states.count > 1, case .finished(.response) = states[0],
        case .finished(.response) = states[1]
      {
        states.swapAt(0, 1)
      }
      #endif
      guard case .finished(let outcome)? = states.first else { return nil }
      states.removeFirst()
      first += 1
      return outcome
    }

    /// Removes the requests that `popFinished` would return.
    mutating func removeFinished() {
      while case .finished? = states.first {
        states.removeFirst()
        first += 1
      }
    }

    mutating func removeAll() { states.removeAll() }
  }
}
