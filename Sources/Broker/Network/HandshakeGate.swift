import Base
import NIOCore

/// The first handler of a TLS listener's connection until its client is known: holds what arrives until the handshake has its turn. TLS itself is made
/// only then, so that a connection that says nothing costs no more than a socket. A client whose first byte is none of TLS is turned away at once.
///
/// Confined to its event loop.
final class HandshakeGate: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  private let pace: HandshakePace
  private let refuse: (String) -> Void
  /// Nil once TLS is in the pipeline.
  private var makeTLS: (() -> (any ChannelHandler)?)?
  private var held: ByteBuffer?
  private var hasAsked = false
  private var isReadOwed = false
  private var isOpen = false
  private var context: ChannelHandlerContext?
  private(set) var address = "?"

  /// - Parameters:
  ///   - refuse: gets the reason why the client is no client of TLS; called once, and then the connection closes.
  ///   - makeTLS: makes the handler that goes behind this one.
  init(
    _ pace: HandshakePace, refuse: @escaping (String) -> Void, makeTLS: @escaping () -> (any ChannelHandler)?
  ) {
    self.pace = pace
    self.refuse = refuse
    self.makeTLS = makeTLS
  }

  private var holdsBack: Bool {
    #if DEBUG
    if PlantedFault.overtakesWhatIsHeld.isPlanted { return false }
    #endif
    return held != nil
  }

  /// Whether it has something for which it waits.
  var isWaiting: Bool { held != nil && context != nil }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    address = context.channel.remoteAddress?.plainIPAddress ?? "?"
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    held = nil
  }

  func channelInactive(context: ChannelHandlerContext) {
    held = nil
    self.context = nil
    context.fireChannelInactive()
  }

  func read(context: ChannelHandlerContext) {
    if held == nil { context.read() } else { isReadOwed = true }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    // What is held goes first.
    guard !isOpen || holdsBack else { return context.fireChannelRead(data) }
    var bytes = unwrapInboundIn(data)
    if makeTLS != nil, held == nil, let reason = ForeignProtocol.insteadOfTLS(bytes) {
      refuse(reason)
      return context.close(promise: nil)
    }
    if held == nil { held = bytes } else { held?.writeBuffer(&bytes) }
    // A socket that closes gives everything at once, whether it is asked or not.
    if let count = held?.readableBytes, count > Limits.unauthenticatedFrameBytes { context.close(promise: nil) }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    guard held != nil else { return context.fireChannelReadComplete() }
    guard !hasAsked else { return }
    hasAsked = true
    pace.ask(self)
  }

  /// Gives the handshake what was held.
  func goOn() {
    hasAsked = false
    guard let context, let bytes = held else { return }
    held = nil
    if let makeTLS {
      self.makeTLS = nil
      guard let tls = makeTLS(),
        (try? context.pipeline.syncOperations.addHandler(tls, position: .after(self))) != nil
      else { return context.close(promise: nil) }
    }
    context.fireChannelRead(wrapInboundOut(bytes))
    context.fireChannelReadComplete()
    guard isReadOwed else { return }
    isReadOwed = false
    context.read()
  }

  /// The handshake is done: nothing is held any more.
  func open() { isOpen = true }

  /// The client is known.
  func leave() {
    guard let context else { return }
    // In a task of its own: it may be called in the midst of what this handler passes on.
    context.eventLoop.assumeIsolated().execute {
      context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
  }

  /// Closes the socket without a last word of TLS, for which a stranger may keep us waiting.
  func cut() { context?.close(promise: nil) }
}
