import Model
import Security
import Synchronization

/// Holds listeners to `max.connection.creation.rate`: that of the broker, which does not count connections between brokers where these have a listener
/// of their own, and that of the listener. As in Kafka, a connection is counted when it is accepted, and the next waits, for one sample of the window at
/// most.
///
/// Any thread may call.
final class ConnectionRates: Sendable {
  private struct State {
    var all: QuotaWindow
    var listeners: [String: QuotaWindow] = [:]
  }

  private let size: QuotaWindowSize
  private let config: @Sendable () -> Config
  private let nowMs: @Sendable () -> Int64
  private let state: Mutex<State>

  /// - Parameters:
  ///   - config: as it is now: the rates are dynamic, the windows are not.
  ///   - nowMs: milliseconds since the start.
  init(config: @escaping @Sendable () -> Config, nowMs: @escaping @Sendable () -> Int64) {
    size = QuotaWindowSize(config())
    self.config = config
    self.nowMs = nowMs
    state = Mutex(State(all: QuotaWindow(size)))
  }

  /// Counts a connection that a listener has accepted.
  ///
  /// - Returns: for how many milliseconds the listener is to accept no other; nil where no rate is limited.
  func accepted(on listener: String) -> Int64? {
    let config = config()
    let ofAll = config.isBetweenBrokers(listener) ? nil : config.connectionRate
    let ofListener = config.connectionRate(of: listener)
    guard ofAll != nil || ofListener != nil else { return nil }
    let now = nowMs()
    return state.withLock { state in
      var wait: Int64 = 0
      if let ofAll { wait = Self.count(in: &state.all, ofAll, size, now) }
      if let ofListener {
        wait = max(wait, Self.count(in: &state.listeners[listener, default: QuotaWindow(size)], ofListener, size, now))
      }
      return wait
    }
  }

  private static func count(
    in window: inout QuotaWindow, _ rate: Double, _ size: QuotaWindowSize, _ nowMs: Int64
  ) -> Int64 {
    window.record(1, nowMs: nowMs)
    return min(window.throttleMs(limit: rate, nowMs: nowMs), size.sampleMs)
  }
}

extension QuotaWindowSize {
  /// `quota.window.num` and `quota.window.size.seconds`.
  init(_ config: Config) {
    self.init(samples: config.quotaWindowCount, sampleMs: config.quotaWindowSeconds.millisecondsClamped)
  }
}

extension Config {
  /// `max.connection.creation.rate` of the broker; nil where it limits nothing.
  fileprivate var connectionRate: Double? {
    self.connectionCreationRateMax < Int(Int32.max) ? Double(self.connectionCreationRateMax) : nil
  }

  /// That of a listener itself.
  fileprivate func connectionRate(of listener: String) -> Double? {
    let name = Keys.limits.connectionCreationRateMax.name
    let own = values.text("\(ConfigKeyNames.listenerPrefix)\(listener.lowercased()).\(name)")
    return own.flatMap { Int($0) }.flatMap { $0 < Int(Int32.max) ? Double($0) : nil }
  }

  /// Whether a listener is for brokers alone, as far as one can tell.
  fileprivate func isBetweenBrokers(_ listener: String) -> Bool {
    listeners.count > 1 && interBrokerListener?.name == listener
  }
}
