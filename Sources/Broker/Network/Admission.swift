import Logging
import NIOCore
import Synchronization

/// Counts open connections, over all and by address. Beyond a limit a new one is closed at once.
final class Admission: Sendable {
  private struct Counts {
    var all = 0
    var byAddress: [String: Int] = [:]
  }

  private let counts = Mutex(Counts())
  private let max: Int
  private let perIPMax: Int
  private let overrides: [String: Int]
  private let hasDescriptors: @Sendable () -> Bool
  private let mayConnect: @Sendable (_ address: String) -> Bool
  /// Connections that may be refused at a time and still hold a descriptor.
  let refusalsMax: Int

  /// - Parameters:
  ///   - hasDescriptors: whether one more connection leaves the descriptors that the logs need.
  ///   - mayConnect: whether the quota of an address allows it another connection now; counts the connection.
  init(
    max: Int, perIPMax: Int, overrides: [String: Int], refusalsMax: Int = Limits.refusalsInProgress,
    hasDescriptors: @escaping @Sendable () -> Bool = { true },
    mayConnect: @escaping @Sendable (_ address: String) -> Bool = { _ in true }
  ) {
    self.mayConnect = mayConnect
    self.max = max
    self.perIPMax = perIPMax
    self.overrides = overrides
    self.refusalsMax = refusalsMax
    self.hasDescriptors = hasDescriptors
  }

  var count: Int { counts.withLock { $0.all } }

  func enter(_ address: String) -> Bool {
    guard hasDescriptors(), mayConnect(address) else { return false }
    return counts.withLock { counts in
      let here = counts.byAddress[address, default: 0]
      guard counts.all < max, here < overrides[address] ?? perIPMax else { return false }
      counts.all += 1
      counts.byAddress[address] = here + 1
      return true
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
/// Lives on its channel's event loop and is used nowhere else.
final class Admitter: ChannelDuplexHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel
  typealias OutboundIn = Never

  private let admission: Admission
  private let log: Logger
  /// Refused, and not closed yet.
  private var closing = 0
  /// The channel asked for the next connection meanwhile.
  private var isReadOwed = false
  /// When the log last told of a refusal, and the refusals since.
  private var told: NIODeadline?
  private var untold = 0

  init(_ admission: Admission, log: Logger) {
    self.admission = admission
    self.log = log
  }

  func read(context: ChannelHandlerContext) {
    if closing < admission.refusalsMax {
      context.read()
    } else {
      isReadOwed = true
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let accepted = unwrapInboundIn(data)
    let address = accepted.remoteAddress?.plainIPAddress ?? "unknown"
    guard !admission.enter(address) else {
      let admission = admission
      accepted.closeFuture.whenComplete { _ in admission.leave(address) }
      return context.fireChannelRead(data)
    }
    tell(address, at: context.eventLoop.now)
    closing += 1
    accepted.closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
      self.closing -= 1
      guard self.isReadOwed else { return }
      self.isReadOwed = false
      context.read()
    }
    accepted.close(promise: nil)
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
