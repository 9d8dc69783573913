import Logging
package import NIOCore
import Security
import Storage
import Wire

/// What the configuration allows each connection.
package struct ConnectionLimits: Sendable {
  /// `millrace.requests.in.flight`: a connection with this many is not read.
  package var requestsInFlight: Int
  package var readPath: ReadPath
  /// `millrace.read.copy.buffer.bytes`: what an encrypted connection reads of a segment at a time.
  package var copyBufferBytes = 65_536
}

/// Carries out the decisions of a client's `ConnectionMachine`, between the channel, the received bytes and the handlers.
///
/// Requests are served in place in the receive buffer, in `channelRead` or in a later time slice; responses made during a
/// read share one flush at its end. A request that must wait (a long poll, a flush to disk) gets its response later, through
/// its `ResponseSlot`.
///
/// Confined to its event loop.
package final class Connection: ChannelDuplexHandler {
  package typealias InboundIn = ByteBuffer
  package typealias InboundOut = Never
  package typealias OutboundIn = IOData
  package typealias OutboundOut = IOData
  typealias Machine = ConnectionMachine<OutgoingResponse>

  private let listener: String
  private let principal: Principal
  private let service: any RequestService
  let loop: ConnectionLoop
  private let received: ReceivedBytes
  private let log: Logger

  var machine: Machine
  let writer: ResponseWriter
  private(set) var context: ChannelHandlerContext?
  /// The peer's address and port, for the log.
  private var client = "?"
  /// What requests get to know of their connection; nil while it has no channel.
  private(set) var origin: RequestOrigin?
  /// The way back for responses; nil while the connection has no channel.
  private(set) var port: ConnectionPort?
  /// Requests whose handlers want to know when the connection ends before their responses are given.
  private var onClose: [Machine.Slot: @Sendable () -> Void] = [:]
  /// The client has exceeded a quota.
  private var mutedUntil: NIODeadline?
  /// For the idle sweep.
  private(set) var lastActivity: NIODeadline
  /// When the bytes in hand arrived.
  private(set) var arrivedAt: NIODeadline
  /// Where the time of the requests in flight went; nil where nobody wants to know.
  var times: RequestTimes?

  /// Whether requests may be served together. Not on a connection whose every request is looked at first.
  private let mayServeTogether: Bool

  /// - Parameters:
  ///   - isEncrypted: the pipeline encrypts what is written.
  ///   - mayServeTogether: no request has to be looked at by `service` first.
  init(
    listener: String, principal: Principal = .anonymous, service: any RequestService, loop: ConnectionLoop,
    received: ReceivedBytes, limits: ConnectionLimits, isEncrypted: Bool = false, mayServeTogether: Bool = true,
    log: Logger
  ) {
    self.listener = listener
    self.principal = principal
    self.mayServeTogether = mayServeTogether
    self.service = service
    self.loop = loop
    self.received = received
    self.log = log
    machine = Machine(requestsInFlightMax: limits.requestsInFlight)
    writer =
      isEncrypted
      ? ResponseWriter(encryptedFrom: limits.copyBufferBytes, coldReads: loop.coldReads)
      : ResponseWriter(path: limits.readPath, coldReads: loop.coldReads)
    lastActivity = loop.eventLoop.now
    arrivedAt = lastActivity
    if loop.meter != nil { times = RequestTimes() }
  }

  /// The connection's number on its event loop, in the order of accepting.
  var number: Int { received.number }
  var requestsInFlight: Int { machine.inFlight }
  /// Whether a request has arrived in part and the broker has not muted the connection.
  var isStalling: Bool { machine.isStalling }
  var holdsLargeFrame: Bool { received.isLarge }

  // MARK: The channel's events

  package func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    client = context.channel.remoteAddress.map { "\($0)" } ?? "?"
    origin = RequestOrigin(
      listener: listener, localAddress: context.channel.localAddress?.plainIPAddress,
      peerAddress: context.channel.remoteAddress?.plainIPAddress, principal: principal)
    port = ConnectionPort(self, eventLoop: loop.eventLoop)
    loop.add(self)
  }

  package func channelInactive(context: ChannelHandlerContext) {
    switch machine.peerLeft() {
    case .serveKept: serve(takeKept(), from: loop.eventLoop.now, isLast: true)
    case .end: break
    }
    end()
    context.fireChannelInactive()
  }

  package func handlerRemoved(context: ChannelHandlerContext) {
    end()
    self.context = nil
    port = nil
  }

  package func read(context: ChannelHandlerContext) {
    switch machine.readAsked() {
    case .read: context.read()
    case .wait: break
    }
  }

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let now = loop.eventLoop.now
    lastActivity = now
    arrivedAt = now
    switch machine.bytesArrived() {
    case .serve: serve(arrived(data), from: now, isLast: false)
    case .serveAll: serve(arrived(data), from: now, isLast: true)
    case .drop: received.discard()
    }
  }

  package func channelReadComplete(context: ChannelHandlerContext) { advance(machine.readCompleted()) }

  package func channelWritabilityChanged(context: ChannelHandlerContext) {
    advance(machine.writabilityChanged(takesResponses: context.channel.isWritable))
  }

  package func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A peer that resets its connection is no news; NIO closes the channel.
    log.debug("connection failed", metadata: ["client": "\(client)", "error": "\(error)"])
    context.close(promise: nil)
  }

  // MARK: Requests

  /// All there is to serve, now that a read has brought `data`.
  private func arrived(_ data: NIOAny) -> ByteBuffer {
    let bytes = received.arrived(unwrapInboundIn(data))
    if received.isStartLost { refuse("\(FrameError.startLost)") }
    return bytes
  }

  /// Starts the requests at the front of `bytes`, for as long as a turn lasts, and keeps what is left.
  ///
  /// - Parameters:
  ///   - start: when the turn began.
  ///   - isLast: the client has closed the connection, and no other turn may follow: requests that want no response (acks=0)
  ///     are served beyond the turn's end.
  private func serve(_ bytes: consuming ByteBuffer, from start: NIODeadline, isLast: Bool) {
    var bytes = bytes
    let end = start + .microseconds(Limits.turnMicroseconds)
    var mayPassEnd = true
    // What is left behind requests that were served together begins with one that was not to be.
    var mayRun = mayServeTogether
    while bytes.readableBytes > 0, machine.mayBegin, mayPassEnd || loop.eventLoop.now < end {
      if mayRun, !isLast, let runs = loop.runs {
        mayRun = false
        if serveTogether(&bytes, runs, at: mayPassEnd ? start : nil) {
          mayPassEnd = false
          continue
        }
      }
      mayRun = mayServeTogether
      do {
        let length = try Frame.length(of: bytes, limit: service.requestBytesMax)
        guard let frame = try Frame.next(in: &bytes, limit: service.requestBytesMax) else {
          loop.meter?.turnTaken(from: start, to: loop.eventLoop.now)
          return keep(bytes, .part, frameBytes: length.map { $0 + Frame.prefixBytes })
        }
        let isSilent = begin(frame)
        mayPassEnd = isLast && isSilent
      } catch {
        if loop.tellForeign(bytes, log, listener, origin?.peerAddress) {
          advance(machine.drain())
        } else {
          refuse("no request can have this length: \(error)")
        }
      }
    }
    loop.meter?.turnTaken(from: start, to: loop.eventLoop.now)
    keep(bytes, bytes.readableBytes > 0 ? .requests : .nothing, frameBytes: nil)
  }

  /// Ends a turn that left `rest` in `bytes`.
  private func keep(_ bytes: ByteBuffer, _ rest: Machine.Rest, frameBytes: Int?) {
    switch machine.turnEnded(leaving: rest) {
    case .release: received.served(bytes)
    case .drop: received.discard()
    case .keep:
      guard rest == .part else { return received.keepRequests(bytes) }
      let hasMemory = received.keepPart(bytes, frameBytes: frameBytes) { [port] in
        port?.onEventLoop { connection in connection.advance(connection.machine.fed()) }
      }
      if !hasMemory { machine.starved() }
    }
  }

  private func takeKept() -> ByteBuffer {
    guard let kept = received.takeKept() else { preconditionFailure("requests are to be served that were not kept") }
    return kept
  }

  /// True when the request wants no response.
  private func begin(_ frame: ByteBuffer) -> Bool {
    guard let origin, let port else { preconditionFailure("a request began on a connection without a channel") }
    let slot = machine.begin()
    if times != nil { noteBegun(slot, frame) }
    var isSilent = false
    let served = service.serve(frame, from: origin, ResponseSlot(port: port, slot: slot))
    if times != nil { times?.served(slot, at: loop.eventLoop.now) }
    switch served {
    case .response(let response): complete(slot, .response(response))
    case .silent:
      complete(slot, .silent)
      isSilent = true
    case .pending: break
    case .close: complete(slot, .close)
    case .refuse(let reason):
      complete(slot, .close)
      refuse(reason)
    }
    handOverResponses()
    return isSilent
  }

  /// Hands over the responses that are ready in the midst of a turn. What was handed over counts at once: a read may bring
  /// thousands of small requests with large responses.
  func handOverResponses() {
    guard let context else { return }
    var next = machine.nextResponse()
    while let response = next {
      writer.write(response, to: context)
      next = machine.handedOver(takesResponses: writer.takesMore(context))
    }
  }

  /// The peer sent what no client should: earlier responses leave, then the connection closes; one line says why.
  private func refuse(_ reason: String) {
    log.warning("closing a connection", metadata: ["client": "\(client)", "reason": "\(reason)"])
    advance(machine.drain())
  }

  // MARK: Responses

  /// Ends the request of `slot`, which was left pending.
  func finish(_ slot: Machine.Slot, _ outcome: Machine.Outcome) {
    if !onClose.isEmpty { onClose[slot] = nil }
    complete(slot, outcome)
  }

  /// Passes on how a request ended.
  func complete(_ slot: Machine.Slot, _ outcome: Machine.Outcome) {
    if times != nil { noteFinished(slot, outcome) }
    advance(machine.finish(slot, outcome))
  }

  /// Calls `body` when the connection ends before the response of `slot` was given; soon, if it has ended.
  func whenClosed(_ slot: Machine.Slot, _ body: @escaping @Sendable () -> Void) {
    guard !machine.hasEnded else { return loop.eventLoop.execute(body) }
    onClose[slot] = body
  }

  func hold(for slot: Machine.Slot) { machine.hold(for: slot) }

  func release(_ slot: Machine.Slot) { advance(machine.release(slot)) }

  /// Mutes the connection for a while; a longer one that has begun goes on.
  func mute(for time: TimeAmount) {
    let until = loop.eventLoop.now + time
    guard until > mutedUntil ?? .distantPast, !machine.hasEnded else { return }
    mutedUntil = until
    machine.mute()
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    loop.eventLoop.scheduleTask(deadline: until) { bound.value.unmute(until) }
  }

  private func unmute(_ deadline: NIODeadline) {
    guard mutedUntil == deadline else { return }
    mutedUntil = nil
    lastActivity = loop.eventLoop.now
    advance(machine.unmute())
  }

  // MARK: Steps

  /// Takes all steps of the machine, if `advance` says so.
  private func advance(_ advance: Machine.Advance) {
    guard case .now = advance else { return }
    guard let context else { preconditionFailure("a connection without a channel has steps to take") }
    while let step = machine.next() {
      switch step {
      case .send(let response): writer.write(response, to: context)
      case .flush:
        // Nothing else would notice before the next sweep, and the channel would try all the while.
        guard writer.flush(context) else { return close(.warning, because: "a segment cannot be read") }
        resumeWriting(context)
      case .resumeWriting: resumeWriting(context)
      case .serveKept: serve(takeKept(), from: loop.eventLoop.now, isLast: false)
      case .queueTurn: loop.queueTurn(of: self)
      case .read:
        lastActivity = loop.eventLoop.now
        context.read()
      case .close: closeAfterWrites(context)
      }
    }
    if times != nil { tellLeft() }
  }

  /// Handles this connection's next time slice.
  func takeTurn() { advance(machine.turnTaken()) }

  /// Lets the writer go on with what it holds back, and reports how far the socket took it.
  private func resumeWriting(_ context: ChannelHandlerContext) {
    var pumped = ResponseWriter.Pumped.onward
    var isHeldBack = writer.isWaiting
    if isHeldBack {
      pumped = writer.pump(context, buffer: &loop.copyBuffer)
      isHeldBack = writer.isWaiting
    }
    switch machine.wrote(isHeldBack: isHeldBack, takesResponses: writer.takesMore(context)) {
    case .emptyWriter: return writer.discard()
    case .goOn: break
    }
    switch pumped {
    case .onward: break
    case .cold(let piece): warm(piece)
    case .behind:
      writer.whenDrained = { [port] in
        port?.onEventLoop { connection in connection.advance(connection.machine.rangeRead()) }
      }
    case .unreadable: close(.warning, because: "a segment cannot be read")
    }
  }

  /// Closes if the file being sent has been truncated. Called rarely, because it costs a system call.
  func closeIfCut() {
    if writer.isCut { close(.warning, because: "a segment cannot be read") }
  }

  /// Has a piece of the response read from the disk, off this event loop; the writer goes on with it then.
  private func warm(_ piece: FileRange) {
    loop.meter?.readCold(bytes: piece.length)
    loop.coldReads?.warm(piece) { [port] in
      port?.onEventLoop { connection in
        connection.writer.warmed()
        connection.advance(connection.machine.rangeRead())
      }
    }
  }

  /// Closes behind the pending writes. NIO drops unwritten bytes when it closes, so an empty write is queued last, and its
  /// completion closes the channel.
  private func closeAfterWrites(_ context: ChannelHandlerContext) {
    let channel = context.channel
    let written = context.eventLoop.makePromise(of: Void.self)
    written.futureResult.whenComplete { _ in channel.close(promise: nil) }
    context.writeAndFlush(NIOAny(IOData.byteBuffer(ByteBuffer())), promise: written)
  }

  // MARK: The end

  /// Takes no new request; closes once the responses of those in flight are sent.
  func drain() { advance(machine.drain()) }

  /// Closes at once.
  func close(_ level: Logger.Level = .debug, because reason: String) {
    log.log(level: level, "closing a connection", metadata: ["client": "\(client)", "reason": "\(reason)"])
    context?.close(promise: nil)
  }

  /// Releases everything the connection holds: the socket is gone.
  private func end() {
    switch machine.socketClosed() {
    case .nothing: return
    case .releaseAllButWriter: break
    case .release: writer.discard()
    }
    received.discard()
    times?.drop()
    loop.remove(self)
    let waiting = onClose.sorted { $0.key < $1.key }
    onClose = [:]
    for (_, body) in waiting { body() }
  }
}
