import Base
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// The HTTP listener for those who watch the broker (`millrace.metrics.listener`):
///
/// | path | response |
/// |---|---|
/// | `/metrics` | every metric, in Prometheus' text format; 503 until the broker serves |
/// | `/healthz` | 200 as long as the process answers |
/// | `/readyz` | 200 when the logs are loaded and the broker is registered and in the cluster's metadata; 503 before, and during a stop |
///
/// It is bound before the logs are opened, so that a start that recovers for an hour is seen to be alive, and closed last.
final class MetricsEndpoint: Sendable {
  private let listener: Listener
  private let world: World
  private let log: Logger
  private let state = Mutex(State())
  private let admission = Admission(
    max: Limits.metricsConnections, perIPMax: Limits.metricsConnections, overrides: [:])

  private enum Phase {
    case starting
    case serving(Serving)
    case stopping
  }

  /// What there is to tell of.
  struct Serving: Sendable {
    let broker: LocalBroker
    let server: BrokerServer
    let cleaner: LogCleaner
    let requestLog: RequestLog?
  }

  private struct State {
    var phase = Phase.starting
    var bound: (any BoundListener)?
    /// The open connections, by their numbers in the order of accepting.
    var channels: [Int: any Channel] = [:]
    var accepted = 0
    /// The scrape that is under way.
    var scrape: EventLoopFuture<ByteBuffer>?
    var last: (text: ByteBuffer, at: NIODeadline)?
    var lastSeconds = 0.0
  }

  init(_ listener: Listener, world: World, log: Logger) {
    self.listener = listener
    self.world = world
    self.log = log
  }

  /// Binds the address and accepts connections; fails with `ListenError`.
  func open(on loop: any EventLoop) -> EventLoopFuture<Void> {
    let (admission, log) = (admission, log)
    state.withLock { $0.phase = .starting }
    return world.network.listen(
      listener, SocketOptions(), on: world.loops, admit: { Admitter(admission, log: log) },
      setUp: { [self] channel in try setUp(channel) }
    ).hop(to: loop).flatMap { bound in
      self.state.withLock { $0.bound = bound }
      log.info("serving metrics", metadata: ["address": "\(bound.host ?? "0.0.0.0"):\(bound.port)"])
      return bound.accept()
    }.hop(to: loop)
  }

  /// The port that was bound; nil before.
  var port: UInt16? { state.withLock { $0.bound?.port } }

  /// The broker serves.
  func serve(_ serving: Serving) { state.withLock { $0.phase = .serving(serving) } }

  /// The broker has begun to stop.
  func stopping() { state.withLock { $0.phase = .stopping } }

  /// Closes the listener and its connections.
  func close(on loop: any EventLoop) -> EventLoopFuture<Void> {
    let (bound, channels) = state.withLock { state in
      state.phase = .stopping
      defer {
        state.bound = nil
        state.channels = [:]
        state.last = nil
      }
      return (state.bound, state.channels.sorted { $0.key < $1.key }.map(\.value))
    }
    for channel in channels { channel.close(promise: nil) }
    guard let bound else { return loop.makeSucceededVoidFuture() }
    return bound.close().hop(to: loop).flatMapError { _ in loop.makeSucceededVoidFuture() }
  }

  private func setUp(_ channel: any Channel) throws {
    let number = state.withLock { state in
      state.accepted += 1
      state.channels[state.accepted] = channel
      return state.accepted
    }
    channel.closeFuture.whenComplete { _ in self.state.withLock { $0.channels[number] = nil } }
    let gate = RequestSizeGate()
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(gate)
    try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: true, withErrorHandling: true)
    try pipeline.addHandler(MetricsHandler(self, gate))
  }

  // MARK: Responses

  struct Answer: Sendable {
    var status: HTTPResponseStatus
    var contentType = "text/plain; charset=utf-8"
    var body: ByteBuffer

    init(_ status: HTTPResponseStatus, _ text: String) {
      self.status = status
      body = ByteBuffer(string: text + "\n")
    }
  }

  /// - Parameter path: without a query.
  func answer(_ method: HTTPMethod, _ path: Substring, on loop: any EventLoop) -> EventLoopFuture<Answer> {
    guard method == .GET || method == .HEAD else {
      return loop.makeSucceededFuture(Answer(.methodNotAllowed, "only GET and HEAD"))
    }
    switch path {
    case "/metrics": return metrics(on: loop)
    case "/healthz": return loop.makeSucceededFuture(Answer(.ok, "ok"))
    case "/readyz": return loop.makeSucceededFuture(readiness)
    default: return loop.makeSucceededFuture(Answer(.notFound, "there are /metrics, /healthz and /readyz"))
    }
  }

  private var readiness: Answer {
    switch state.withLock({ $0.phase }) {
    case .starting: return Answer(.serviceUnavailable, "starting: the logs are being opened")
    case .stopping: return Answer(.serviceUnavailable, "stopping")
    case .serving(let serving):
      let broker = serving.broker
      guard broker.image.broker(broker.brokerID) != nil else {
        return Answer(.serviceUnavailable, "the controller has not yet told of this broker")
      }
      return Answer(.ok, "ready")
    }
  }

  private func metrics(on loop: any EventLoop) -> EventLoopFuture<Answer> {
    guard case .serving(let serving) = state.withLock({ $0.phase }) else {
      return loop.makeSucceededFuture(Answer(.serviceUnavailable, "the broker does not serve"))
    }
    return scrape(serving, on: loop).map { text in
      var answer = Answer(.ok, "")
      answer.contentType = Exposition.contentType
      answer.body = text
      return answer
    }
  }

  /// The text of a scrape that is at most `Limits.scrapeSpacingMs` old. One is under way at a time, and all who ask meanwhile get it.
  private func scrape(_ serving: Serving, on loop: any EventLoop) -> EventLoopFuture<ByteBuffer> {
    let (broker, server) = (serving.broker, serving.server)
    let now = loop.now
    let promise = loop.makePromise(of: ByteBuffer.self)
    let present = state.withLock { state -> EventLoopFuture<ByteBuffer>? in
      if let last = state.last, now - last.at < .milliseconds(Limits.scrapeSpacingMs) {
        return loop.makeSucceededFuture(last.text)
      }
      if let scrape = state.scrape { return scrape.hop(to: loop) }
      state.scrape = promise.futureResult
      return nil
    }
    if let present {
      promise.fail(ChannelError.eof)
      return present
    }
    let lastSeconds = state.withLock { $0.lastSeconds }
    let processFigures = world.processFigures
    server.meters().whenComplete { meters in
      broker.offload.submit(.request) {
        let scrape = Scrape(
          broker, loops: (try? meters.get()) ?? [], cleaner: serving.cleaner.figures,
          connections: server.connectionCount, refusals: server.refusals, process: processFigures(),
          droppedLines: serving.requestLog?.dropped ?? 0, lastScrapeSeconds: lastSeconds, version: OwnProgram.version)
        let text = scrape.text()
        let ended = loop.now
        self.state.withLock { state in
          state.scrape = nil
          state.last = (text, ended)
          state.lastSeconds = Double((ended - now).nanoseconds) / 1e9
        }
        promise.succeed(text)
      }
    }
    return promise.futureResult
  }
}

/// Closes a connection to the metrics listener whose request is too large, before HTTP's parser has kept it. On its event loop.
final class RequestSizeGate: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private var bytes = 0

  /// A request has come whole.
  func reset() { bytes = 0 }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes += unwrapInboundIn(data).readableBytes
    guard bytes <= Limits.metricsRequestBytes else { return context.close(promise: nil) }
    context.fireChannelRead(data)
  }
}

/// Answers the requests of one connection to the metrics listener, and closes it when the client takes too long. On its event loop.
final class MetricsHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let endpoint: MetricsEndpoint
  private let gate: RequestSizeGate
  private var head: HTTPRequestHead?
  private var patience: Scheduled<Void>?

  init(_ endpoint: MetricsEndpoint, _ gate: RequestSizeGate) {
    self.endpoint = endpoint
    self.gate = gate
  }

  func handlerAdded(context: ChannelHandlerContext) { wait(Limits.metricsIdleMs, context) }
  func handlerRemoved(context: ChannelHandlerContext) { patience?.cancel() }

  func channelInactive(context: ChannelHandlerContext) {
    patience?.cancel()
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): self.head = head
    case .body: break
    case .end:
      gate.reset()
      guard let head else { return }
      self.head = nil
      wait(Limits.metricsSendMs, context)
      let path = head.uri.prefix { $0 != "?" }
      let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      endpoint.answer(head.method, path, on: context.eventLoop).whenComplete { answer in
        let (handler, context) = bound.value
        handler.send(
          (try? answer.get()) ?? MetricsEndpoint.Answer(.internalServerError, "no figures"), to: head, context)
      }
    }
  }

  private func send(_ answer: MetricsEndpoint.Answer, to head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    guard context.channel.isActive else { return }
    var response = HTTPResponseHead(version: head.version, status: answer.status)
    response.headers.add(name: "content-type", value: answer.contentType)
    response.headers.add(name: "content-length", value: "\(answer.body.readableBytes)")
    if !head.isKeepAlive { response.headers.add(name: "connection", value: "close") }
    context.write(wrapOutboundOut(.head(response)), promise: nil)
    if head.method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(answer.body))), promise: nil) }
    let sent = context.eventLoop.makePromise(of: Void.self)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    sent.futureResult.whenComplete { _ in
      let (handler, context) = bound.value
      if head.isKeepAlive { handler.wait(Limits.metricsIdleMs, context) } else { context.close(promise: nil) }
    }
  }

  /// Closes the connection unless something happens within the time.
  private func wait(_ ms: Int64, _ context: ChannelHandlerContext) {
    patience?.cancel()
    let channel = context.channel
    patience = context.eventLoop.scheduleTask(in: .milliseconds(ms)) { channel.close(promise: nil) }
  }
}
