/// Decides for one connection, as a value: each event returns what to do. The machine knows no socket, no clock and no
/// bytes; its `Connection` carries the actions out and reports how they ended.
///
/// Three promises hold whatever the order of events:
///
/// - **Responses leave in the order of their requests.** Of requests 0, 1 and 2, request 0 is a fetch that waits. Requests 1
///   and 2 finish, and their responses stay here; when request 0 finishes, all three leave. A request without a response
///   (acks=0) holds its place like any other, so that no later response overtakes it.
/// - **The socket is read only while another request may start.** At the limit of requests in flight, while the peer takes
///   no more responses, or while whole requests are unserved, the channel's read is deferred (Kafka: the channel is muted) and
///   resumed by `Step.read`. Example, with a limit of two: requests 0 and 1 wait, the channel asks to read (`.wait`);
///   request 0 finishes (`.now`), and the steps are `send`, `flush`, `read`.
/// - **Requests are served in time slices** (turns of `Limits.turnMicroseconds`, 5 ms); the rest waits until the event loop's
///   other connections had theirs. Example: a read brings 900 requests and the turn ends after 400. The steps at the read's
///   completion are `flush` and `queueTurn`; each later turn is `serveKept`, `flush` and `queueTurn`, until the last request
///   has started and `read` follows.
///
/// A request that is worked on elsewhere and must be done before the next one may hold the connection (`hold`): nothing starts
/// behind it until its `release`. Only a peer that has left is not waited for: what it had sent is served at once.
///
/// A client that has exceeded a quota is muted (`mute`): nothing of it is read, and nothing starts, until `unmute`.
///
/// Each event returns an `Advance`; `.now` means: call `next` until nil. During a write to the channel it is `.none`, because
/// NIO may re-enter. Example: a flush finds the peer gone; NIO reports the end of the connection from inside that flush. The
/// event is recorded, and the step after the flush is nil.
///
/// Owned by its `Connection`; generic over the response so that tests use strings. Events that cannot come trap.
package struct ConnectionMachine<Response> {
  /// A request's place in the connection's order of responses.
  package typealias Slot = UInt64

  /// How far the connection has come from open to gone.
  private enum Phase {
    case open
    /// No new request starts; the connection closes when the last response has left.
    case draining
    /// The last response was handed over; the socket closes when the writer holds nothing back.
    case closing
    /// The step `close` was taken.
    case closed
    /// The peer has closed the connection, and what it sent before is being served; responses are dropped.
    case leaving
    /// The socket is gone.
    case gone
  }

  /// Received bytes that were not served.
  private enum Input {
    case nothing
    /// The start of a request; the next read continues it.
    case part
    /// The start of a large request; no memory is left for large requests.
    case starved
    /// Bytes that may hold whole requests; the socket is not read.
    case requests
    /// The bytes are being served, further down the stack.
    case inHand
  }

  /// The reads of the socket: the channel asks for each, and each ends with a completion.
  private enum Reading {
    case idle
    /// The channel's read is deferred.
    case owed
    /// The socket is being read.
    case asked
    /// Bytes have come; the completion has not.
    case arrived
    /// Bytes have arrived, and another read is deferred.
    case arrivedOwing
  }

  /// Responses on their way to the socket.
  private enum Output {
    /// The channel has everything, flushed.
    case written
    /// The channel has responses that were not flushed.
    case unflushed
    /// The writer holds back parts until the socket takes more, or until a range has been read from the disk.
    case heldBack
    /// The writer holds back parts, and may try again.
    case resumable
  }

  /// The time slice in which the connection serves requests.
  private enum Turn {
    case free
    /// The turn has been used up since the connection was last idle.
    case taken
    /// The event loop will give another.
    case queued
  }

  /// What of this connection is on the stack, apart from the serving of requests (`Input.inHand`).
  private enum Activity {
    case idle
    /// Steps are being taken.
    case advancing
    /// A step writes to the channel, which may come back with any event.
    case writing
  }

  private var phase = Phase.open
  private var input = Input.nothing
  private var reading = Reading.idle
  private var output = Output.written
  private var turn = Turn.free
  private var activity = Activity.idle
  /// The socket holds no more response bytes than it should, and the writer holds back none.
  private var takesResponses = true
  /// The requests begun whose response has not left.
  private var requests = RequestQueue()
  private let requestsInFlightMax: Int
  /// With as many requests in flight none starts: `requestsInFlightMax`, or 0 while a request holds the connection, or while it is muted.
  private var requestsMax: Int
  /// The request that holds the connection.
  private var holder: Slot?
  /// Whether the client has exceeded a quota.
  private var isMuted = false

  package init(requestsInFlightMax: Int) {
    precondition(requestsInFlightMax > 0, "a connection must be allowed a request")
    self.requestsInFlightMax = requestsInFlightMax
    requestsMax = requestsInFlightMax
  }

  // MARK: What may be asked

  /// Requests begun whose response has not left.
  package var inFlight: Int { requests.count }

  /// True when the next of the requests in hand may start.
  package var mayBegin: Bool { input == .inHand && hasRoom }

  /// How many of the requests in hand may start.
  package var room: Int { mayBegin ? requestsMax - requests.count : 0 }

  /// Whether the response of a request that starts now may leave at once: no earlier one waits, and no write is on the stack.
  package var answersAtOnce: Bool { requests.count == 0 && activity != .writing }

  /// The responses of all requests below this slot were given to the socket; nil while the writer or the channel holds some back.
  package var leftBefore: Slot? { output == .written ? requests.first : nil }

  /// The socket is gone.
  package var hasEnded: Bool { phase == .gone }

  /// Whether a request has arrived in part and the broker has not muted the connection.
  package var isStalling: Bool { input == .part && !isReadOwed }

  private var hasRoom: Bool {
    guard requests.count < requestsMax else { return false }
    return phase == .open ? takesResponses : phase == .leaving
  }

  private var isReadOwed: Bool { reading == .owed || reading == .arrivedOwing }

  private var wantsRead: Bool { (input == .nothing || input == .part) && phase == .open && hasRoom }
}

// MARK: - Receiving

extension ConnectionMachine {
  /// The channel asks to read.
  package mutating func readAsked() -> ReadAction {
    switch reading {
    case .arrived, .arrivedOwing:
      reading = .arrivedOwing
    case .idle, .owed, .asked:
      // What the socket took is known when the write has ended; a read that was held back is paid then.
      if activity != .writing, wantsRead {
        reading = .asked
        return .read
      }
      reading = .owed
    }
    return .wait
  }

  /// A read has brought bytes.
  ///
  /// NIO drains the socket after a failed write, even when muted; megabytes of requests may have piled up. So bytes that
  /// arrive during a write, or before the previous read has completed, are dropped, and no further request starts.
  package mutating func bytesArrived() -> ArrivalAction {
    let isCompletionMissing = reading == .arrived || reading == .arrivedOwing
    reading = isReadOwed ? .arrivedOwing : .arrived
    guard phase == .open, !isCompletionMissing, activity != .writing, input != .inHand else {
      if phase == .open { phase = .draining }
      if input != .inHand { input = .nothing }
      return .drop
    }
    // Nobody reads behind kept requests, but a channel whose peer has left reads all there is.
    let isLeaving = input == .requests || input == .starved
    input = .inHand
    return isLeaving ? .serveAll : .serve
  }

  /// Everything that the read has brought was reported.
  package mutating func readCompleted() -> Advance {
    switch reading {
    case .arrived: reading = .idle
    case .arrivedOwing: reading = .owed
    // The end of the stream completes a read that brought nothing.
    case .idle, .owed, .asked: break
    }
    return advance()
  }

  /// The next of the requests in hand starts now.
  ///
  /// - Precondition: `mayBegin`.
  package mutating func begin() -> Slot {
    precondition(mayBegin, "a request began while the connection was muted")
    return requests.begin()
  }

  /// The next of several requests in hand that were served together begins: it has been served, whether or not the socket takes responses
  /// meanwhile. Nil when the connection has ended or takes no further request: nothing becomes of its response.
  package mutating func beginServed() -> Slot? {
    guard input == .inHand, phase == .open || phase == .draining else { return nil }
    return requests.begin()
  }

  /// The request of `slot`, which has just begun, lets none start behind it.
  package mutating func hold(for slot: Slot) {
    guard phase != .leaving, phase != .gone else { return }
    holder = slot
    requestsMax = 0
  }

  /// The request of `slot` lets others start, if it held the connection.
  package mutating func release(_ slot: Slot) -> Advance {
    guard holder == slot else { return .none }
    endHold()
    return advance()
  }

  private mutating func endHold() {
    holder = nil
    requestsMax = isMuted ? 0 : requestsInFlightMax
  }

  /// No request starts until `unmute`: the client has exceeded a quota. Requests in flight go on.
  package mutating func mute() {
    guard phase != .leaving, phase != .gone else { return }
    isMuted = true
    requestsMax = 0
  }

  /// Requests may start again.
  package mutating func unmute() -> Advance {
    guard isMuted else { return .none }
    isMuted = false
    if holder == nil { requestsMax = requestsInFlightMax }
    return advance()
  }

  /// The serving that an action or a step asked for has ended.
  package mutating func turnEnded(leaving rest: Rest) -> RestAction {
    precondition(input == .inHand, "a turn ended that had not begun")
    guard phase == .open else {
      input = .nothing
      return .drop
    }
    switch rest {
    case .nothing:
      input = .nothing
      return .release
    case .part:
      input = .part
    case .requests:
      input = .requests
      // Another could have started, so it was time that ended the turn.
      if hasRoom, turn == .free { turn = .taken }
    }
    return .keep
  }

  /// There is no memory to keep the part of a large request and read the rest of it.
  package mutating func starved() {
    precondition(input == .part, "only the start of a request can lack memory")
    input = .starved
  }

  /// Memory for large requests may be free again.
  package mutating func fed() -> Advance {
    guard input == .starved else { return .none }
    input = .requests
    return advance()
  }

  /// The event loop's other connections had their turns.
  package mutating func turnTaken() -> Advance {
    precondition(turn == .queued, "a turn came that was not queued")
    turn = .free
    return advance()
  }
}

// MARK: - Answering

extension ConnectionMachine {
  /// The request of `slot` ended. Ignored when the connection has ended meanwhile.
  package mutating func finish(_ slot: Slot, _ outcome: Outcome) -> Advance {
    switch phase {
    case .closing, .closed, .gone: return .none
    case .open, .draining, .leaving: break
    }
    requests.finish(slot, outcome)
    if phase == .leaving { requests.removeFinished() }
    return advance()
  }

  /// The next response whose turn to leave has come: to be handed to the channel. Asked for in the midst of a turn too, as
  /// requests finish, so that a read of thousands of small requests cannot make more responses than the socket should hold.
  package mutating func nextResponse() -> Response? {
    guard activity != .writing else { return nil }
    while phase == .open || phase == .draining, let outcome = requests.popFinished() {
      switch outcome {
      case .response(let response):
        output = .unflushed
        return response
      case .silent: continue
      case .close: endResponses()
      }
    }
    return nil
  }

  /// Requests in hand were served together, and their responses are about to be handed to the channel; `handedOver` follows.
  ///
  /// - Precondition: `mayBegin` and `answersAtOnce`.
  package mutating func answerTogether() {
    precondition(mayBegin && answersAtOnce, "responses left before those of earlier requests")
    output = .unflushed
  }

  /// A response was handed to the channel in the midst of a turn; the next one, if there is one, is to follow.
  ///
  /// - Parameter takesResponses: the socket holds no more response bytes than it should, and the writer holds back none.
  package mutating func handedOver(takesResponses: Bool) -> Response? {
    self.takesResponses = takesResponses
    return nextResponse()
  }

  /// The step `flush` or `resumeWriting` was carried out.
  ///
  /// - Parameters:
  ///   - isHeldBack: the writer holds back parts.
  ///   - takesResponses: the socket holds no more response bytes than it should.
  package mutating func wrote(isHeldBack: Bool, takesResponses: Bool) -> WrittenAction {
    precondition(activity == .writing, "a write ended that had not begun")
    activity = .advancing
    guard phase != .gone else { return .emptyWriter }
    output = isHeldBack ? .heldBack : .written
    self.takesResponses = takesResponses && !isHeldBack
    return .goOn
  }

  /// The socket holds more response bytes than it should, or no more than it should.
  package mutating func writabilityChanged(takesResponses: Bool) -> Advance {
    switch output {
    case .written, .unflushed: self.takesResponses = takesResponses
    case .heldBack: if takesResponses { output = .resumable }
    case .resumable: break
    }
    return advance()
  }

  /// A range that the writer waited for has been read from the disk.
  package mutating func rangeRead() -> Advance {
    if output == .heldBack { output = .resumable }
    return advance()
  }

  private mutating func endResponses() {
    phase = .closing
    requests.removeAll()
  }
}

// MARK: - Steps

extension ConnectionMachine {
  /// The next step; nil when nothing is to be done until another event.
  ///
  /// - Precondition: an event returned `.now`, and no step has been nil since.
  package mutating func next() -> Step? {
    precondition(activity == .advancing, "a step was asked for that no event had announced")
    precondition(input != .inHand, "a step was asked for in the midst of a turn")
    if let response = nextResponse() { return .send(response) }
    if phase == .draining, requests.count == 0 { endResponses() }
    if let step = nextWrite() { return step }
    if let step = nextInput() { return step }
    activity = .idle
    if turn == .taken { turn = .free }
    return nil
  }

  private mutating func nextWrite() -> Step? {
    switch phase {
    case .leaving, .closed, .gone: return nil
    case .open, .draining, .closing: break
    }
    switch output {
    case .unflushed:
      activity = .writing
      return .flush
    case .resumable:
      activity = .writing
      return .resumeWriting
    case .heldBack: return nil
    case .written:
      guard phase == .closing else { return nil }
      phase = .closed
      return .close
    }
  }

  private mutating func nextInput() -> Step? {
    guard phase == .open, hasRoom else { return nil }
    if input == .requests {
      switch turn {
      case .free:
        turn = .taken
        input = .inHand
        return .serveKept
      case .taken:
        turn = .queued
        return .queueTurn
      // What else happens to the connection meanwhile gives it no turn before its others.
      case .queued: return nil
      }
    }
    guard reading == .owed, wantsRead else { return nil }
    reading = .asked
    return .read
  }

  /// Takes the steps if nothing of this connection is on the stack: what is there asks for steps at its own end.
  private mutating func advance() -> Advance {
    guard activity == .idle, input != .inHand, phase != .leaving, phase != .gone else { return .none }
    activity = .advancing
    return .now
  }
}

// MARK: - The end

extension ConnectionMachine {
  /// No further request starts (the peer sent what cannot be a request, or the broker stops): requests in flight still
  /// finish and their responses leave, then the connection closes.
  package mutating func drain() -> Advance {
    if phase == .open { phase = .draining }
    return advance()
  }

  /// The peer has closed the connection. What it had sent and waits for its turn is served: a producer that wants no
  /// acknowledgements may leave as soon as it has sent its last record.
  package mutating func peerLeft() -> LeaveAction {
    guard phase == .open, input == .requests || input == .starved else { return .end }
    phase = .leaving
    isMuted = false
    endHold()
    input = .inHand
    requests.removeFinished()
    return .serveKept
  }

  /// The socket is gone: nothing can be sent.
  package mutating func socketClosed() -> EndAction {
    guard phase != .gone else { return .nothing }
    phase = .gone
    requests.removeAll()
    if input != .inHand { input = .nothing }
    return activity == .writing ? .releaseAllButWriter : .release
  }
}
