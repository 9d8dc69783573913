import Base
import Client
import Security
import Synchronization

/// How this broker secures its connections to the others: by the certificates of the inter-broker listener, and the user that its login module names.
/// Any thread may call.
final class PeerSecurity: Sendable {
  private struct State {
    var nonces: Nonces?
    var settings: ClientSecurity?
    var security: ConnectionSecurity?
    /// Why the settings or files could not be used, when they were looked at last.
    var failure: String?
  }

  private let state = Mutex(State())

  var current: ConnectionSecurity? { state.withLock { $0.security } }

  /// Reads the certificates for the first time; waits for the disk.
  func begin(_ config: Config, _ nonces: Nonces) throws {
    state.withLock { $0.nonces = nonces }
    try refresh(config)
  }

  /// Reads the certificates, where they or the settings have changed; waits for the disk.
  ///
  /// - Throws: why what there is cannot be used, once for each reason: it is looked at every few seconds.
  func refresh(_ config: Config) throws {
    do {
      try read(config)
      state.withLock { $0.failure = nil }
    } catch {
      let isNew = state.withLock { state in
        defer { state.failure = "\(error)" }
        return state.failure != "\(error)"
      }
      if isNew { throw error }
    }
  }

  private func read(_ config: Config) throws {
    // A broker that is alone connects to nobody.
    guard config.zooKeeperConnect != nil, let listener = config.interBrokerListener, listener.security != .plaintext
    else {
      return
    }
    let settings = try config.clientSecurity(of: listener)
    let (nonces, isFresh) = state.withLock { state in
      (state.nonces, state.settings == settings && state.security?.isStale == false)
    }
    guard let nonces, !isFresh else { return }
    let security = try ConnectionSecurity(settings) { nonces.next() }
    state.withLock { state in
      state.settings = settings
      state.security = security
    }
  }
}

extension Config {
  /// The listener by which brokers reach each other.
  var interBrokerListener: Listener? {
    if let name = self.interBrokerListenerName { return listeners.first { $0.name == name.uppercased() } }
    if let name = self.interBrokerProtocol { return listeners.first { $0.name == name } }
    return listeners.first
  }

  /// How this broker connects to a listener of the others: with its own key of that listener, and the user of its login module.
  func clientSecurity(of listener: Listener) throws(SecurityError) -> ClientSecurity {
    let mechanism = SaslMechanism(rawValue: self.saslMechanismInterBroker)
    return try ClientSecurity { name in
      switch name {
      case "security.protocol": listener.security.rawValue
      case "sasl.mechanism": self.saslMechanismInterBroker
      case "sasl.jaas.config": mechanism.flatMap { values.saslText(name, of: listener.name, $0) }
      case "sasl.oauthbearer.token.endpoint.url": values.text(name, of: listener.name)
      case "ssl.client.auth": nil
      default: values.text(name, of: listener.name)
      }
    }
  }
}

/// Makes nonces of a broker's own randomness. Any thread may call.
final class Nonces: Sendable {
  private let random: Mutex<any RandomNumberGenerator & Sendable>

  init(_ random: any RandomNumberGenerator & Sendable) { self.random = Mutex(random) }

  /// 24 random bytes as text.
  func next() -> String {
    random.withLock { random in
      Base64.encodeForURL((0..<24).map { _ in UInt8.random(in: .min ... .max, using: &random) })
    }
  }
}
