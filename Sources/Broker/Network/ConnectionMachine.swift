import DequeModule

/// What one connection may do next, decided in values: it sees requests begin and finish, and says when to read, which
/// reply leaves next and when to close. No socket, no clock, no bytes.
///
/// Requests start in the order they arrive and may finish in any order; replies leave in the order of their requests.
/// With requests 0, 1, 2 where 0 is a fetch that waits: 1 and 2 finish, their replies stay here; when 0 finishes, all
/// three leave. A request without a reply (acks=0) holds its place like any other, so that it cannot be overtaken.
///
/// Owned by its `Connection`; generic over the reply so that tests use strings.
package struct ConnectionMachine<Reply> {
  /// A request's place in the connection's order of replies.
  package typealias Slot = UInt64

  /// How a request ended.
  package enum Outcome {
    case reply(Reply)
    /// The client asked for no reply (acks=0).
    case silent
    /// The connection must close when this request's turn to answer has come: earlier replies still leave.
    case close
  }

  package enum Step {
    case send(Reply)
    /// Nothing more will be sent: close the socket. Comes once.
    case close
  }

  private enum Place {
    case running
    case finished(Outcome)
  }

  private enum Phase {
    case open
    /// No new request; close when the last reply has left.
    case draining
    case closed
  }

  private var phase = Phase.open
  /// `places[i]` belongs to slot `first + i`. The front is the oldest request whose reply has not left.
  private var places = Deque<Place>()
  private var first: Slot = 0
  private let requestsInFlightMax: Int
  /// False while the socket holds more reply bytes than it should.
  private var isWritable = true

  package init(requestsInFlightMax: Int) {
    precondition(requestsInFlightMax > 0, "a connection must be allowed a request")
    self.requestsInFlightMax = requestsInFlightMax
  }

  /// Requests begun whose reply has not left.
  package var inFlight: Int { places.count }

  /// True when the next request may start.
  package var mayBegin: Bool { phase == .open && places.count < requestsInFlightMax && isWritable }

  /// True when the socket should be read: the same condition, because what is read is there to be started.
  package var wantsRead: Bool { mayBegin }

  package var isClosed: Bool { phase == .closed }

  /// No further request will start.
  package var isDraining: Bool { phase != .open }

  /// A whole request has arrived and starts now.
  ///
  /// - Precondition: `mayBegin`.
  package mutating func begin() -> Slot {
    precondition(mayBegin, "a request began while the connection was muted")
    places.append(.running)
    return first + UInt64(places.count - 1)
  }

  /// The request of `slot` ended. Ignored when the connection has closed meanwhile.
  package mutating func finish(_ slot: Slot, _ outcome: Outcome) {
    guard phase != .closed else { return }
    precondition(slot >= first, "request \(slot) finished twice")
    let index = Int(slot - first)
    precondition(index < places.count, "request \(slot) never began")
    guard case .running = places[index] else { preconditionFailure("request \(slot) finished twice") }
    places[index] = .finished(outcome)
  }

  /// What to do next; nil when there is nothing until another event. Call until nil after every event.
  package mutating func next() -> Step? {
    while phase != .closed, case .finished(let outcome)? = places.first {
      places.removeFirst()
      first += 1
      switch outcome {
      case .reply(let reply): return .send(reply)
      case .silent: continue
      case .close: return close()
      }
    }
    if phase == .draining, places.isEmpty { return close() }
    return nil
  }

  /// No further request is taken (the peer sent what cannot be a request, or the broker stops): requests in flight still
  /// finish and their replies leave, then the connection closes.
  package mutating func drain() {
    if phase == .open { phase = .draining }
  }

  /// The socket's own buffer is full, or has drained again.
  package mutating func writability(_ writable: Bool) { isWritable = writable }

  /// The socket is gone: nothing can be sent.
  package mutating func socketClosed() { _ = close() }

  private mutating func close() -> Step {
    phase = .closed
    places.removeAll()
    return .close
  }
}

extension ConnectionMachine.Outcome: Sendable where Reply: Sendable {}
