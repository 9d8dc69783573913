import Logging
import NIOCore
import Synchronization

/// Counts open connections, over all and by address. Beyond a limit a new one is closed at once; one of an address that connects too often is closed
/// after a while, as in Kafka.
final class Admission: Sendable {
  /// What becomes of a connection.
  enum Outcome: Equatable {
    case admitted
    /// It is closed at once.
    case refused
    /// Its address connects too often (`connection_creation_rate`): it is closed after so many milliseconds, and nothing of it is read.
    case kept(ms: Int64)
  }

  /// Connections that were not admitted, since the start.
  struct Refusals: Sendable {
    /// `max.connections` and `max.connections.per.ip`.
    var tooMany = 0
    /// `connection_creation_rate` of the address.
    var tooOften = 0
    var withoutDescriptor = 0
  }

  private struct Counts {
    var all = 0
    var byAddress: [String: Int] = [:]
    var refusals = Refusals()
  }

  private let counts = Mutex(Counts())
  private let max: Int
  private let perIPMax: Int
  private let overrides: [String: Int]
  private let hasDescriptors: @Sendable () -> Bool
  private let waitMs: @Sendable (_ address: String) -> Int64
  /// Connections that may be refused at a time and still hold a descriptor.
  let refusalsMax: Int

  /// - Parameters:
  ///   - hasDescriptors: whether one more connection leaves the descriptors that the logs need.
  ///   - waitMs: counts a connection of an address, and returns 0 where its quota allows it now.
  init(
    max: Int, perIPMax: Int, overrides: [String: Int], refusalsMax: Int = Limits.refusalsInProgress,
    hasDescriptors: @escaping @Sendable () -> Bool = { true },
    waitMs: @escaping @Sendable (_ address: String) -> Int64 = { _ in 0 }
  ) {
    self.waitMs = waitMs
    self.max = max
    self.perIPMax = perIPMax
    self.overrides = overrides
    self.refusalsMax = refusalsMax
    self.hasDescriptors = hasDescriptors
  }

  var count: Int { counts.withLock { $0.all } }
  var refusals: Refusals { counts.withLock { $0.refusals } }

  /// Counts a connection, until `leave` where it is admitted.
  func enter(_ address: String) -> Outcome {
    guard hasDescriptors() else {
      counts.withLock { $0.refusals.withoutDescriptor += 1 }
      return .refused
    }
    let wait = waitMs(address)
    return counts.withLock { counts in
      guard wait == 0 else {
        counts.refusals.tooOften += 1
        return .kept(ms: wait)
      }
      let here = counts.byAddress[address, default: 0]
      guard counts.all < max, here < overrides[address] ?? perIPMax else {
        counts.refusals.tooMany += 1
        return .refused
      }
      counts.all += 1
      counts.byAddress[address] = here + 1
      return .admitted
    }
  }

  func leave(_ address: String) {
    counts.withLock { counts in
      counts.all -= 1
      let left = counts.byAddress[address, default: 1] - 1
      counts.byAddress[address] = left == 0 ? nil : left
    }
  }
}

/// At a listening socket: lets accepted connections through while there is room, and closes the others.
///
/// A connection that is refused has a descriptor until its own event loop has closed it. So the next is accepted only while few
/// refused connections are still open: a thousand clients at once must not take the descriptors that the logs need. Worked case: of 300
/// descriptors 150 are for connections; 500 clients came, the listener's loop accepted 300 before the others had closed one,
/// and a segment that was about to roll could not open its files.
///
/// Where `max.connection.creation.rate` is set, connections are accepted one by one, each after the time that the rate demands.
///
/// Lives on its channel's event loop and is used nowhere else.
final class Admitter: ChannelDuplexHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel
  typealias OutboundIn = Never

  private let admission: Admission
  private let batch: Int
  private let acceptWaitMs: () -> Int64?
  private let log: Logger
  /// Refused, and not closed yet.
  private var closing = 0
  /// Kept for a while, and then closed.
  private var kept = 0
  /// Whether as many connections as `batch` are accepted at a time, not one.
  private var acceptsBatches = true
  /// No connection is accepted before.
  private var pausedUntil: NIODeadline?
  /// The channel asked for the next connection meanwhile.
  private var isReadOwed = false
  /// When the log last told of a refusal, and the refusals since.
  private var told: NIODeadline?
  private var untold = 0

  /// - Parameters:
  ///   - batch: the most connections that the channel accepts at a time.
  ///   - acceptWaitMs: counts an accepted connection, and returns for how long no other is to be accepted; nil where that is not limited.
  init(
    _ admission: Admission, batch: Int = Limits.refusalsInProgress, acceptWaitMs: @escaping () -> Int64? = { nil },
    log: Logger
  ) {
    self.admission = admission
    self.batch = max(1, batch)
    self.acceptWaitMs = acceptWaitMs
    self.log = log
  }

  func read(context: ChannelHandlerContext) {
    if closing < admission.refusalsMax, pausedUntil == nil {
      context.read()
    } else {
      isReadOwed = true
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let accepted = unwrapInboundIn(data)
    let address = accepted.remoteAddress?.plainIPAddress ?? "unknown"
    pace(context)
    switch admission.enter(address) {
    case .admitted:
      let admission = admission
      accepted.closeFuture.whenComplete { _ in admission.leave(address) }
      context.fireChannelRead(data)
    case .kept(let ms) where kept < admission.refusalsMax:
      tell(address, at: context.eventLoop.now)
      kept += 1
      context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(ms)) {
        self.kept -= 1
        self.close(accepted, context)
      }
    case .refused, .kept:
      tell(address, at: context.eventLoop.now)
      close(accepted, context)
    }
  }

  private func close(_ accepted: any Channel, _ context: ChannelHandlerContext) {
    closing += 1
    accepted.closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
      self.closing -= 1
      self.readIfOwed(context)
    }
    accepted.close(promise: nil)
  }

  private func readIfOwed(_ context: ChannelHandlerContext) {
    guard isReadOwed, pausedUntil == nil, closing < admission.refusalsMax else { return }
    isReadOwed = false
    context.read()
  }

  /// Counts what was accepted against the rates of connections.
  private func pace(_ context: ChannelHandlerContext) {
    let wait = acceptWaitMs()
    if acceptsBatches != (wait == nil) {
      acceptsBatches = wait == nil
      try? context.channel.syncOptions?.setOption(
        ChannelOptions.maxMessagesPerRead, value: UInt(acceptsBatches ? batch : 1))
    }
    guard let wait, wait > 0 else { return }
    let until = context.eventLoop.now + .milliseconds(wait)
    pausedUntil = until
    context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(wait)) {
      // A later one has set another time where several were accepted at once.
      guard self.pausedUntil == until else { return }
      self.pausedUntil = nil
      self.readIfOwed(context)
    }
  }

  /// One line for the first refusal, and one for all of each `Limits.refusalsToldMs` that follows.
  private func tell(_ address: String, at now: NIODeadline) {
    if let told, now - told < .milliseconds(Limits.refusalsToldMs) {
      untold += 1
      return
    }
    log.warning(
      "refusing a connection: too many, too often, or too few descriptors for it",
      metadata: ["client": "\(address)", "refused before": "\(untold)"])
    told = now
    untold = 0
  }
}

/// Tells the log of clients that were not let in: the first, and then one line for all of each `Limits.refusalsToldMs`, for strangers choose how often
/// they try. Of one event loop.
final class FailureLog {
  private var told: NIODeadline?
  private var untold = 0

  func tell(_ log: Logger, _ address: String, _ reason: String, _ now: NIODeadline) {
    if let told, now - told < .milliseconds(Limits.refusalsToldMs) {
      untold += 1
      return
    }
    log.info(
      "a client was not let in",
      metadata: ["client": "\(address)", "reason": "\(reason.prefix(300))", "before, untold": "\(untold)"])
    told = now
    untold = 0
  }
}
