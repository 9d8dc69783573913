// The values that pass between a `ConnectionMachine` and its `Connection`: how a request ended, and what to do after an event.

extension ConnectionMachine {
  /// How a request ended.
  package enum Outcome {
    case response(Response)
    /// The client asked for no response (acks=0).
    case silent
    /// The connection closes when the responses of earlier requests have left.
    case close
  }

  /// What the connection does next. Each step is carried out before the next one is asked for.
  package enum Step {
    /// Hand the response to the channel; a flush follows as a step of its own, so that one flush serves many responses.
    case send(Response)
    /// Flush what was handed over, let the writer go on with what it holds back, and report with `wrote`.
    case flush
    /// Let the writer go on with what it holds back, and report with `wrote`.
    case resumeWriting
    /// Serve the kept requests for one turn, and report with `turnEnded`.
    case serveKept
    /// Have the event loop give this connection a turn after its others.
    case queueTurn
    /// Pass the owed read on to the channel.
    case read
    /// Close the socket when the last byte has left. Comes once.
    case close
  }

  /// Whether an event lets steps be taken.
  package enum Advance {
    /// Take the steps of `next` until there is none.
    case now
    /// Take no steps: an event on the stack takes them, or the connection has ended.
    case none
  }

  /// What the connection does when the channel asks to read.
  package enum ReadAction {
    /// Read from the socket.
    case read
    /// Defer the read; `Step.read` resumes it.
    case wait
  }

  /// What the connection does with bytes that a read has brought.
  package enum ArrivalAction {
    /// Serve what is there for one turn, and report with `turnEnded`.
    case serve
    /// Serve as with `serve`, and requests with acks=0 beyond the turn's end: the peer has closed the connection, so this is
    /// the last turn.
    case serveAll
    /// Drop the bytes.
    case drop
  }

  /// What a turn left over.
  package enum Rest {
    case nothing
    /// The start of a request, whose end has not arrived.
    case part
    /// Unserved bytes: the turn has ended, or no request may start.
    case requests
  }

  /// What the connection does with the bytes that a turn left over.
  package enum RestAction {
    /// Everything was served: give the buffer back.
    case release
    /// Keep the rest; report with `starved` when there is no memory for it.
    case keep
    /// Drop the rest: no request starts on this connection any more.
    case drop
  }

  /// What the connection does when the peer has closed it.
  package enum LeaveAction {
    /// Serve what was kept as `ArrivalAction.serveAll` says, report with `turnEnded`, and then `socketClosed`.
    case serveKept
    /// Nothing is left to serve: report `socketClosed`.
    case end
  }

  /// What the connection does when its socket is gone.
  package enum EndAction {
    /// Release everything the connection holds, what the writer holds back too.
    case release
    /// Release everything but the writer, which is in use further down the stack; `wrote` says when to empty it.
    case releaseAllButWriter
    /// Everything has been released before.
    case nothing
  }

  /// What the connection does when a write has returned.
  package enum WrittenAction {
    /// Continue with the next step.
    case goOn
    /// The connection ended during the write: empty the writer.
    case emptyWriter
  }
}

extension ConnectionMachine.Outcome: Sendable where Response: Sendable {}
