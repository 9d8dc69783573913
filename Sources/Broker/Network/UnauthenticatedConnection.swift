import Base
import Logging
import Model
import NIOCore
import NIOTLS
import Security
import TLS
import Wire

/// A connection of a secured listener whose client is not known yet: it completes the TLS handshake and the SASL exchange, and is then replaced in the
/// pipeline by a `Connection`. No byte of it reaches a handler before, save ApiVersions requests.
///
/// It holds no more than one small frame (`Limits.unauthenticatedFrameBytes`), takes no longer than `Limits.authenticationMs`, and is among the
/// `Limits.unauthenticatedConnections` that the event loops hold at most.
///
/// Confined to its event loop.
final class UnauthenticatedConnection: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = IOData
  typealias OutboundOut = ByteBuffer

  private enum Phase {
    case handshake
    case sasl
    /// The last response is on its way, or waits for its delay; nothing is read any more.
    case leaving
    case gone
  }

  private let door: ListenerDoor
  private let loop: ConnectionLoop
  private let service: any RequestService
  private let begin: (any Channel, Authentication) throws -> Void
  private let log: Logger
  private var phase: Phase
  private var exchange = SaslExchange()
  /// What has arrived of the next frame.
  private var arrived = ByteBuffer()
  private var isReadOwed = false
  private var context: ChannelHandlerContext?
  /// In front of TLS; nil on a listener without.
  private let gate: HandshakeGate?
  /// When it was accepted, for the sweep.
  let began: NIODeadline
  private(set) var peerAddress = "?"

  /// - Parameters:
  ///   - gate: the connection's first handler, on a listener with TLS.
  ///   - service: answers ApiVersions.
  ///   - begin: puts what takes this handler's place at the end of the pipeline.
  init(
    _ door: ListenerDoor, gate: HandshakeGate? = nil, loop: ConnectionLoop, service: any RequestService, log: Logger,
    begin: @escaping (any Channel, Authentication) throws -> Void
  ) {
    self.door = door
    self.gate = gate
    self.loop = loop
    self.service = service
    self.log = log
    self.begin = begin
    phase = door.security.isEncrypted ? .handshake : .sasl
    began = loop.eventLoop.now
  }

  // MARK: The channel's events

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    peerAddress = context.channel.remoteAddress?.plainIPAddress ?? "?"
    loop.add(self)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    loop.remove(self)
  }

  func channelInactive(context: ChannelHandlerContext) {
    phase = .gone
    loop.remove(self)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if phase == .handshake {
      loop.failures.tell(log, peerAddress, TLSContext.reason(error) ?? "\(error)", loop.eventLoop.now)
    }
    phase = .gone
    context.close(promise: nil)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent, phase == .handshake else {
      return context.fireUserInboundEventTriggered(event)
    }
    gate?.open()
    guard !door.security.usesSASL else {
      phase = .sasl
      return
    }
    let subject = TLSContext.peerCertificate(of: context.channel)
    guard let principal = door.principal(of: subject) else { return fail("no rule names the client's certificate") }
    phase = .leaving
    pass(Authentication(principal: principal, mechanism: nil, lifetimeMs: nil))
  }

  func read(context: ChannelHandlerContext) {
    if phase == .leaving { isReadOwed = true } else { context.read() }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard phase == .sasl else { return }
    var bytes = unwrapInboundIn(data)
    if arrived.readableBytes == 0 { arrived = bytes } else { arrived.writeBuffer(&bytes) }
    while phase == .sasl {
      do {
        guard let frame = try Frame.next(in: &arrived, limit: door.frameBytesMax) else { break }
        serve(frame)
      } catch {
        if loop.tellForeign(arrived, log, door.listener, peerAddress) { return close() }
        return fail("\(error)")
      }
    }
    arrived.discardReadBytes()
  }

  // MARK: Frames

  private func serve(_ frame: ByteBuffer) {
    if exchange.expectsRaw {
      return carryOut(step(.raw(Array(frame.readableBytesView))), header: nil)
    }
    var body = frame
    guard let header = try? RequestHeader(reading: &body) else { return fail("malformed request header") }
    switch header.apiKey {
    case Api.apiVersionsKey:
      guard step(.versions) == .answerVersions else { return fail("ApiVersions out of its place") }
      answerVersions(frame)
    case SaslHandshakeRequest.api.key where SaslHandshakeRequest.api.versions.contains(header.apiVersion):
      guard let request = try? SaslHandshakeRequest(reading: &body, version: header.apiVersion) else {
        return fail("malformed SaslHandshake")
      }
      carryOut(step(.handshake(request.mechanism, version: header.apiVersion)), header: header)
    case SaslAuthenticateRequest.api.key where SaslAuthenticateRequest.api.versions.contains(header.apiVersion):
      guard let request = try? SaslAuthenticateRequest(reading: &body, version: header.apiVersion) else {
        return fail("malformed SaslAuthenticate")
      }
      carryOut(step(.authenticate(Array(request.authBytes.readableBytesView))), header: header)
    default:
      #if DEBUG
      if PlantedFault.servesStrangers.isPlanted { return answerVersions(frame) }
      #endif
      carryOut(step(.other), header: header)
    }
  }

  private func step(_ event: SaslExchange.Event) -> SaslExchange.Action {
    exchange.step(event, door.rules, wallMs: door.wallMs(), nonce: door.makeNonce)
  }

  private func answerVersions(_ frame: ByteBuffer) {
    guard let context else { return }
    let origin = RequestOrigin(
      listener: door.listener, localAddress: context.channel.localAddress?.plainIPAddress,
      peerAddress: context.channel.remoteAddress?.plainIPAddress)
    let slot = ResponseSlot(port: NoResponsePort(loop.eventLoop), slot: 0)
    guard case .response(.bytes(let bytes)) = service.serve(frame, from: origin, slot) else {
      return fail("malformed ApiVersions")
    }
    send(bytes)
  }

  /// - Parameter header: of the request; nil for a raw message.
  private func carryOut(_ action: SaslExchange.Action, header: RequestHeader?) {
    let answers = SaslAnswers(header: header, note: { [loop] in loop.meter?.note($0) })
    switch action {
    case .answerVersions: break
    case .agree: send(answers.handshake(.none, door.rules))
    case .disagree(let reason): leave(after: answers.handshake(.unsupportedSaslMechanism, door.rules), reason)
    case .challenge(let bytes): send(answers.message(bytes))
    case .authenticated(let authentication, let final):
      phase = .leaving
      // What was sent before the client was known is nobody's.
      guard arrived.readableBytes == 0 else { return fail("requests behind the last message of an authentication") }
      send(answers.message(final, lifetimeMs: authentication.lifetimeMs)) { self.pass(authentication) }
    case .fail(let error, let message, let reason): leave(after: answers.failure(error, message), reason)
    case .close(let reason): fail(reason)
    }
  }

  /// Answers and closes, after the time that makes guessing slow (`connection.failed.authentication.delay.ms`).
  private func leave(after answer: ByteBuffer?, _ reason: String) {
    phase = .leaving
    arrived.clear()
    loop.failures.tell(log, peerAddress, reason, loop.eventLoop.now)
    // Once the channel has let go of this, as when the node stops, there is nobody to answer: the node is not held open for it.
    loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(door.failureDelayMs)) { [weak self] in
      guard let self, self.phase == .leaving else { return }
      guard let answer else { return self.close() }
      self.send(answer) { self.close() }
    }
  }

  private func fail(_ reason: String) {
    arrived.clear()
    loop.failures.tell(log, peerAddress, reason, loop.eventLoop.now)
    close()
  }

  /// - Parameter written: called when the channel has written it; not if it fails.
  private func send(_ bytes: ByteBuffer, written: (() -> Void)? = nil) {
    guard let context else { return }
    guard let written else { return context.writeAndFlush(wrapOutboundOut(bytes), promise: nil) }
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.assumeIsolated().whenSuccess { written() }
    context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
  }

  /// Closes the connection, whose client is not to be served.
  func close() {
    phase = .gone
    context?.close(promise: nil)
  }

  /// Closes it to make room, or because its time is over.
  func close(because reason: String) {
    guard phase != .gone else { return }
    fail(reason)
    gate?.cut()
  }

  /// Gives the connection to its client.
  private func pass(_ authentication: Authentication) {
    guard let context, phase == .leaving else { return }
    phase = .gone
    let channel = context.channel
    do { try begin(channel, authentication) } catch { return close() }
    gate?.leave()
    channel.pipeline.syncOperations.removeHandler(self, promise: nil)
    if isReadOwed { channel.read() }
  }
}

/// For requests whose responses are made at once: nothing is ever given to it.
private final class NoResponsePort: ResponsePort {
  let eventLoop: any EventLoop
  init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  func finish(_ slot: ConnectionMachine<OutgoingResponse>.Slot, _ outcome: ConnectionMachine<OutgoingResponse>.Outcome)
  {}
  func whenClosed(_ slot: ConnectionMachine<OutgoingResponse>.Slot, _ body: @escaping @Sendable () -> Void) {}
  func hold(for slot: ConnectionMachine<OutgoingResponse>.Slot) {}
  func release(_ slot: ConnectionMachine<OutgoingResponse>.Slot) {}
  func mute(for time: TimeAmount) {}
}
