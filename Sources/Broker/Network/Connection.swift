import Logging
package import NIOCore
import Storage
import Wire

/// What the configuration allows each connection.
package struct ConnectionLimits: Sendable {
  /// `millrace.requests.in.flight`: at it we stop reading.
  package var requestsInFlight: Int
  package var readPath: ReadPath
}

/// One client's connection: joins the socket to its `ConnectionMachine`, the received bytes and the handlers.
///
/// A request is served to its end inside `channelRead`, from where it lies in the receive buffer; replies made during a
/// read leave together in one flush at its end. What must wait (a long poll, a flush to disk) comes back later through a
/// `PendingReply`.
///
/// Lives on its event loop and is used nowhere else.
package final class Connection: ChannelDuplexHandler {
  package typealias InboundIn = ByteBuffer
  package typealias InboundOut = Never
  package typealias OutboundIn = IOData
  package typealias OutboundOut = IOData

  private let listener: String
  private let service: any RequestService
  private let loop: ConnectionLoop
  private let received: ReceivedBytes
  private let log: Logger

  private var machine: ConnectionMachine<OutgoingReply>
  private let writer: ReplyWriter
  private var context: ChannelHandlerContext?
  private var address = "?"
  /// What requests get to know of their connection; nil while it has no channel.
  private var origin: RequestOrigin?
  /// The way back for replies; nil while the connection has no channel.
  private var port: ConnectionPort?

  /// The channel asked to read while we were muted; the read is owed.
  private var isReadOwed = false
  /// Inside `advance`, which looks again at everything before it returns.
  private var isAdvancing = false
  /// Inside a write to the channel. The writer may be in use: what ends the connection meanwhile leaves it alone.
  private var isWriting = false
  /// A read has come, and its end, `channelReadComplete`, has not.
  private var hasRead = false
  /// The event loop will give another turn.
  private var isTurnQueued = false
  /// Close when the last byte has left.
  private var isClosing = false
  /// The event loop's memory for large frames is spent.
  private var isStarved = false
  /// Inside `channelRead`, whose end flushes.
  private var isReading = false
  private var isFlushOwed = false
  /// Long polls to be told when the connection goes.
  private var onClose: [ConnectionMachine<OutgoingReply>.Slot: @Sendable () -> Void] = [:]

  /// For the idle sweep.
  private(set) var lastActivity: NIODeadline
  private var isWithinFrame = false
  /// Part of a request has come, and we wait for the rest of it (and not the peer for us).
  var isStalling: Bool { isWithinFrame && !isReadOwed }
  var holdsLargeFrame: Bool { received.isLarge }

  init(
    listener: String, service: any RequestService, loop: ConnectionLoop, received: ReceivedBytes,
    limits: ConnectionLimits, log: Logger
  ) {
    self.listener = listener
    self.service = service
    self.loop = loop
    self.received = received
    self.log = log
    machine = ConnectionMachine(requestsInFlightMax: limits.requestsInFlight)
    writer = ReplyWriter(path: limits.readPath, coldReads: loop.coldReads)
    lastActivity = loop.eventLoop.now
  }

  /// The connection's number on its event loop, in the order of accepting.
  var number: Int { received.number }
  package var requestsInFlight: Int { machine.inFlight }
  private var eventLoop: any EventLoop { loop.eventLoop }

  // MARK: The channel's events

  package func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    address = context.channel.remoteAddress.map { "\($0)" } ?? "?"
    origin = RequestOrigin(
      listener: listener, localAddress: context.channel.localAddress?.ipAddress,
      peerAddress: context.channel.remoteAddress?.ipAddress)
    port = ConnectionPort(self, eventLoop: loop.eventLoop)
    loop.add(self)
  }

  package func channelInactive(context: ChannelHandlerContext) {
    // Requests that had come before the client left, and wait for their turn.
    if received.areFramesKept, let kept = received.takeKept() {
      isReading = true
      serve(kept, isLeaving: true)
      isReading = false
    }
    gone()
    context.fireChannelInactive()
  }

  package func handlerRemoved(context: ChannelHandlerContext) {
    gone()
    self.context = nil
    port = nil
  }

  package func read(context: ChannelHandlerContext) {
    if wantsRead {
      context.read()
    } else {
      isReadOwed = true
    }
  }

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    // Asked or not, NIO reads to the last byte when a write has failed: nobody is there any more to answer, and megabytes of
    // requests may have piled up.
    guard !isWriting, !hasRead else { return abandon() }
    hasRead = true
    lastActivity = eventLoop.now
    isReading = true
    // Nobody asks for a read while whole frames are kept. NIO reads all there is when the client has left.
    let isLeaving = received.areFramesKept
    let bytes = received.arrived(unwrapInboundIn(data))
    if received.isStartLost { refuse("\(FrameError.startLost)") }
    serve(bytes, isLeaving: isLeaving)
    send()
    isReading = false
  }

  package func channelReadComplete(context: ChannelHandlerContext) {
    hasRead = false
    advance()
  }

  package func channelWritabilityChanged(context: ChannelHandlerContext) { advance() }

  package func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A peer that resets its connection is no news; NIO closes the channel.
    log.debug("connection failed", metadata: ["client": "\(address)", "error": "\(error)"])
    context.close(promise: nil)
  }

  // MARK: Requests

  /// Starts the requests at the front of `bytes`, for as long as a turn lasts, and keeps what is left.
  ///
  /// - Parameter isLeaving: the client has closed the connection, so there may be no other turn: requests that want no answer
  ///   (acks=0) are all served.
  private func serve(_ bytes: consuming ByteBuffer, isLeaving: Bool = false) {
    var bytes = bytes
    received.areFramesKept = false
    let end = eventLoop.now + .microseconds(Limits.turnMicroseconds)
    var mayPassEnd = true
    while machine.mayBegin, mayPassEnd || eventLoop.now < end {
      do {
        let length = try Frame.length(of: bytes, limit: service.requestBytesMax)
        guard let frame = try Frame.next(in: &bytes, limit: service.requestBytesMax) else {
          isWithinFrame = bytes.readableBytes > 0
          keep(bytes, frameBytes: length.map { $0 + Frame.prefixBytes })
          return
        }
        let isSilent = begin(frame)
        mayPassEnd = isLeaving && isSilent
      } catch {
        refuse("no request can have this length: \(error)")
      }
    }
    guard !machine.isDraining else { return received.discard() }
    isWithinFrame = false
    received.areFramesKept = bytes.readableBytes > 0
    keep(bytes, frameBytes: nil)
  }

  private func keep(_ bytes: ByteBuffer, frameBytes: Int?) {
    guard bytes.readableBytes > 0 else { return received.served(bytes) }
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    isStarved = !received.keep(bytes, frameBytes: frameBytes) {
      bound.eventLoop.execute { bound.value.fed() }
    }
    if isStarved { received.areFramesKept = true }
  }

  /// Memory for large frames may be free again.
  private func fed() {
    isStarved = false
    advance()
  }

  /// True when the request wants no reply.
  private func begin(_ frame: ByteBuffer) -> Bool {
    guard let origin, let port else { preconditionFailure("a request began on a connection without a channel") }
    let slot = machine.begin()
    var isSilent = false
    switch service.serve(frame, from: origin, PendingReply(port: port, slot: slot)) {
    case .reply(let reply): machine.finish(slot, .reply(reply))
    case .silent:
      machine.finish(slot, .silent)
      isSilent = true
    case .later: break
    case .close: machine.finish(slot, .close)
    case .refuse(let reason):
      machine.finish(slot, .close)
      refuse(reason)
    }
    send()
    // What was queued counts at once: a read may bring thousands of small requests with large answers.
    noteWritability()
    return isSilent
  }

  /// The peer sent what no client should: earlier replies leave, then the connection closes; one line says why.
  private func refuse(_ reason: String) {
    log.warning("closing a connection", metadata: ["client": "\(address)", "reason": "\(reason)"])
    machine.drain()
  }

  // MARK: Replies

  func finish(_ slot: ConnectionMachine<OutgoingReply>.Slot, _ outcome: ConnectionMachine<OutgoingReply>.Outcome) {
    guard !machine.isClosed else { return }
    onClose[slot] = nil
    machine.finish(slot, outcome)
    advance()
  }

  /// Tells `body` when the connection goes before the reply of `slot` was given.
  func whenClosed(_ slot: ConnectionMachine<OutgoingReply>.Slot, _ body: @escaping @Sendable () -> Void) {
    onClose[slot] = body
  }

  /// Hands over every reply whose turn has come. Does not flush, so that one flush serves many.
  private func send() {
    guard let context, !isWriting else { return }
    while let step = machine.next() {
      switch step {
      case .send(let reply):
        writer.write(reply, to: context)
        isFlushOwed = true
      case .close:
        isClosing = true
        isFlushOwed = true
      }
    }
  }

  /// After anything that may have opened the way: sends and flushes, serves what was kept, and pays the owed read.
  ///
  /// What was kept is served for one turn. If more is left then, the event loop looks at its other connections first.
  private func advance() {
    guard let context, !isReading, !isAdvancing else { return }
    isAdvancing = true
    defer { isAdvancing = false }
    send()
    guard write(to: context) else { return }
    if mayServeKept, let kept = received.takeKept() {
      isReading = true
      serve(kept)
      isReading = false
      send()
      guard write(to: context) else { return }
      if mayServeKept { return queueTurn() }
    }
    if isReadOwed, wantsRead {
      isReadOwed = false
      lastActivity = eventLoop.now
      context.read()
    }
  }

  private func queueTurn() {
    guard !isTurnQueued else { return }
    isTurnQueued = true
    loop.queueTurn(of: self)
  }

  /// The other connections had theirs.
  func takeTurn() {
    isTurnQueued = false
    advance()
  }

  private var wantsRead: Bool { machine.wantsRead && !isStarved && !received.areFramesKept }
  private var mayServeKept: Bool { received.areFramesKept && machine.mayBegin && !isStarved && !received.isEmpty }

  /// Flushes what is owed and learns whether the socket takes more. False: the connection is closing.
  private func write(to context: ChannelHandlerContext) -> Bool {
    isWriting = true
    if isFlushOwed {
      isFlushOwed = false
      writer.handOver(to: context)
      context.flush()
    }
    let pumped = writer.isWaiting ? writer.pump(context, buffer: &loop.copyBuffer) : .onward
    isWriting = false
    // A write may find the client gone, and `gone` was called in the midst of it.
    guard context.channel.isActive else {
      writer.discard()
      return false
    }
    switch pumped {
    case .onward: break
    case .cold(let piece): warm(piece)
    case .unreadable:
      log.warning("closing a connection", metadata: ["client": "\(address)", "reason": "a segment cannot be read"])
      context.close(promise: nil)
      return false
    }
    noteWritability()
    guard isClosing else { return true }
    if !writer.isWaiting { closeAfterWrites(context) }
    return false
  }

  /// Has a piece of the reply read from the disk, off this event loop, and goes on when it has been.
  private func warm(_ piece: FileRange) {
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    loop.coldReads?.warm(piece) {
      bound.eventLoop.execute {
        bound.value.writer.warmed()
        bound.value.advance()
      }
    }
  }

  private func noteWritability() {
    guard let context else { return }
    machine.writability(context.channel.isWritable && !writer.isWaiting)
  }

  /// NIO drops unwritten bytes when it closes, so an empty write goes behind them and closes when it has left.
  private func closeAfterWrites(_ context: ChannelHandlerContext) {
    let channel = context.channel
    let written = context.eventLoop.makePromise(of: Void.self)
    written.futureResult.whenComplete { _ in channel.close(promise: nil) }
    isWriting = true
    context.writeAndFlush(NIOAny(IOData.byteBuffer(ByteBuffer())), promise: written)
    isWriting = false
  }

  // MARK: The end

  /// The peer is gone, and the channel about to close: what still arrives is dropped.
  private func abandon() {
    machine.drain()
    received.discard()
    received.areFramesKept = false
  }

  /// Takes no new request; closes once those in flight are answered.
  func drain() {
    machine.drain()
    advance()
  }

  /// Closes at once.
  func close(because reason: String) {
    log.debug("closing a connection", metadata: ["client": "\(address)", "reason": "\(reason)"])
    context?.close(promise: nil)
  }

  private func gone() {
    machine.socketClosed()
    if !isWriting { writer.discard() }
    received.discard()
    loop.remove(self)
    let waiting = onClose.sorted { $0.key < $1.key }
    onClose = [:]
    for (_, body) in waiting { body() }
  }
}

/// The way back to a connection for replies that could not be given at once, from any thread.
///
/// Made by its connection when the channel is there; keeps the connection for as long as a reply is to come.
final class ConnectionPort: ReplyPort {
  private let connection: NIOLoopBound<Connection>
  let eventLoop: any EventLoop

  init(_ connection: Connection, eventLoop: any EventLoop) {
    self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
    self.eventLoop = eventLoop
  }

  func finish(_ slot: ConnectionMachine<OutgoingReply>.Slot, _ outcome: ConnectionMachine<OutgoingReply>.Outcome) {
    connection.value.finish(slot, outcome)
  }

  func whenClosed(_ slot: ConnectionMachine<OutgoingReply>.Slot, _ body: @escaping @Sendable () -> Void) {
    connection.value.whenClosed(slot, body)
  }
}
