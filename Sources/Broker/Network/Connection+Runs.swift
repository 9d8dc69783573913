import NIOCore
import Wire

/// Requests that are served together (`RequestRuns`), and what becomes of their responses.
extension Connection {
  /// Serves the requests at the front of `bytes` that can be served together; returns false when there is none.
  ///
  /// - Parameter now: the time, where it is known.
  func serveTogether(_ bytes: inout ByteBuffer, _ runs: any RequestRuns, at now: NIODeadline?) -> Bool {
    guard let origin, let context else { preconditionFailure("a request began on a connection without a channel") }
    if let meter = loop.meter { return serveTogether(&bytes, runs, origin, context, meter, at: now) }
    let run = runs.serve(bytes, from: origin, requestsMax: machine.room)
    guard run.requests > 0 else { return false }
    bytes.moveReaderIndex(forwardBy: run.byteCount)
    let aftermath = run.takeAftermath()
    if run.outcomes.isEmpty, machine.answersAtOnce {
      answerTogether(run, context)
    } else {
      answerOneByOne(run, context)
    }
    aftermath?.happen()
    return true
  }

  /// As `serveTogether`, and counts the requests.
  private func serveTogether(
    _ bytes: inout ByteBuffer, _ runs: any RequestRuns, _ origin: RequestOrigin, _ context: ChannelHandlerContext,
    _ meter: RequestMeter, at now: NIODeadline?
  ) -> Bool {
    let began = now ?? loop.eventLoop.now
    let run = runs.serve(bytes, from: origin, requestsMax: machine.room)
    guard run.requests > 0 else { return false }
    let (requests, byteCount, aftermath) = (run.requests, run.byteCount, run.takeAftermath())
    for note in run.notes { meter.note(note) }
    if run.outcomes.isEmpty, machine.answersAtOnce {
      let head = RequestTimes.Head(bytes, at: bytes.readerIndex + Frame.prefixBytes, withClientID: meter.log != nil)
      bytes.moveReaderIndex(forwardBy: byteCount)
      let responseBytes = run.responseBytes
      answerTogether(run, context)
      let now = loop.eventLoop.now
      meter.served(
        requests, of: head.apiKey, requestBytes: byteCount, responseBytes: responseBytes, arrived: arrivedAt,
        began: began, ended: now)
      if let log = meter.log, log.isSlow((now - arrivedAt).nanoseconds) {
        let ended = RequestTimes.Ended(
          head, requestBytes: byteCount, responseBytes: responseBytes, arrived: arrivedAt, began: began, ended: now)
        log.take(ended, from: peer, count: requests)
      }
    } else {
      let heads = RequestHeads(bytes, count: requests, withClientIDs: meter.log != nil, began: began)
      bytes.moveReaderIndex(forwardBy: byteCount)
      answerOneByOne(run, context, heads)
    }
    aftermath?.happen()
    return true
  }

  /// Hands over the responses that all of the requests have.
  private func answerTogether(_ run: RequestRun, _ context: ChannelHandlerContext) {
    // The channel may come back with events while something is written.
    if let responses = run.responses.take() {
      machine.answerTogether()
      writer.write(responses, to: context)
    } else if !run.parts.isEmpty {
      machine.answerTogether()
      if !writer.take(&run.parts, to: context) { writer.write(.parts(run.takeParts()), to: context) }
    } else {
      return
    }
    _ = machine.handedOver(takesResponses: writer.takesMore(context))
  }

  /// Tells the machine of each of the requests that were served together.
  ///
  /// - Parameter heads: of the requests, where their times are wanted.
  private func answerOneByOne(
    _ run: RequestRun, _ context: ChannelHandlerContext, _ heads: RequestHeads? = nil
  ) {
    guard let port else { preconditionFailure("a request began on a connection without a channel") }
    // Giving responses may come back to `runs`, too.
    let (requests, parts) = (run.requests, run.takeParts())
    var heads = heads
    var responses = run.responses ?? ByteBuffer()
    var outcomes = run.outcomes[...]
    for _ in 0..<requests {
      guard let slot = machine.beginServed() else { return }
      if heads != nil { noteBegun(slot, heads?.next()) }
      if !parts.isEmpty {
        complete(slot, .response(.parts(parts)))
      } else {
        switch outcomes.popFirst() ?? .response(byteCount: Frame.wholeBytes(of: responses)) {
        case .response(byteCount: 0): complete(slot, .silent)
        case .response(let byteCount):
          guard let frame = responses.readSlice(length: byteCount) else {
            preconditionFailure("a response is shorter than it says")
          }
          complete(slot, .response(.bytes(frame)))
        case .later(let begin): begin(ResponseSlot(port: port, slot: slot))
        case .close: complete(slot, .close)
        }
      }
      handOverResponses()
    }
  }
}

extension RequestRun {
  /// The bytes of all responses that are there.
  fileprivate var responseBytes: Int {
    (responses?.readableBytes ?? 0) + parts.reduce(0) { $0 + $1.byteCount }
  }
}
