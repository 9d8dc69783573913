import Base

/// Decides for a connection that has not authenticated, or that authenticates anew, as a value: what may be asked in which order, and when the
/// client is known. It knows no socket and no clock. (Kafka: SaslServerAuthenticator.)
///
/// - First come ApiVersions, as often as `versionsMax` says, and then SaslHandshake with a mechanism.
/// - After SaslHandshake version 0 the mechanism's messages follow without a request around them, after version 1 within SaslAuthenticate.
/// - Whatever else comes, or comes in another order, ends the connection. So does a failure; nothing follows it.
/// - A client that authenticates anew must do so by the same mechanism, as the same principal.
package struct SaslExchange: Sendable {
  package enum Event: Sendable {
    case versions
    /// SaslHandshake, with the mechanism's name and the request's version.
    case handshake(String, version: Int16)
    /// SaslAuthenticate.
    case authenticate([UInt8])
    /// A frame after SaslHandshake version 0.
    case raw([UInt8])
    /// A request of any other API, or bytes that are no request.
    case other
  }

  package enum Action: Sendable, Equatable {
    /// Answer ApiVersions.
    case answerVersions
    /// Answer SaslHandshake: the mechanism is served.
    case agree
    /// Answer SaslHandshake with UNSUPPORTED_SASL_MECHANISM, then close.
    case disagree(reason: String)
    /// Answer with the mechanism's next message.
    case challenge([UInt8])
    /// Answer with the mechanism's last message: the client is known.
    case authenticated(Authentication, final: [UInt8])
    /// Answer SaslAuthenticate with the error and the message, then close; `reason` is for the log. Of raw frames only close.
    case fail(ErrorName, message: String, reason: String)
    /// Close at once; `reason` is for the log.
    case close(reason: String)
  }

  /// The error codes of a failure.
  package enum ErrorName: Sendable, Equatable { case authenticationFailed, illegalState }

  private enum State {
    case begun
    case agreed(SaslMechanism, isRaw: Bool, SaslServer)
    case authenticated
    case ended
  }

  private let before: Authentication?
  private var state = State.begun
  private var versionsLeft = SaslExchange.versionsMax
  private var messagesLeft = SaslExchange.messagesMax

  /// A client asks at most twice which versions there are: with its own highest version, and with the broker's.
  package static let versionsMax = 4
  /// SCRAM needs two messages of a client.
  package static let messagesMax = 4

  /// - Parameter before: who the connection is of, when it authenticates anew.
  package init(again before: Authentication? = nil) { self.before = before }

  /// Whether the next frame has no request around its message.
  package var expectsRaw: Bool {
    if case .agreed(_, true, _) = state { true } else { false }
  }

  /// - Parameters:
  ///   - wallMs: milliseconds since 1970.
  ///   - nonce: makes a nonce, when one is needed.
  package mutating func step(
    _ event: Event, _ rules: SaslRules, wallMs: Int64, nonce: () -> String
  ) -> Action {
    let now = state
    state = .ended
    #if DEBUG
    if PlantedFault.goesOnAfterAFailure.isPlanted { state = now }
    #endif
    switch (now, event) {
    case (.begun, .versions):
      guard versionsLeft > 0 else { return .close(reason: "ApiVersions again and again") }
      versionsLeft -= 1
      state = .begun
      return .answerVersions
    case (.begun, .handshake(let name, let version)): return handshake(name, version, rules, nonce)
    case (.agreed(let mechanism, false, let server), .authenticate(let message)):
      return take(message, mechanism, isRaw: false, server, rules, wallMs)
    case (.agreed(let mechanism, true, let server), .raw(let message)):
      return take(message, mechanism, isRaw: true, server, rules, wallMs)
    case (.begun, .authenticate), (.authenticated, .authenticate):
      return .fail(
        .illegalState, message: "SaslAuthenticate request received without a SaslHandshake",
        reason: "SaslAuthenticate without SaslHandshake")
    case (.agreed, _): return .close(reason: "something else than the mechanism's next message")
    case (.authenticated, _), (.ended, _): return .close(reason: "a message too many")
    case (.begun, _): return .close(reason: "a request before the client has authenticated")
    }
  }

  private mutating func handshake(
    _ name: String, _ version: Int16, _ rules: SaslRules, _ nonce: () -> String
  ) -> Action {
    guard let mechanism = SaslMechanism(rawValue: name), rules.mechanisms.contains(mechanism) else {
      return .disagree(reason: "SASL mechanism \(name.prefix(40)) is not enabled")
    }
    if let before, before.mechanism != mechanism {
      return .close(reason: "another SASL mechanism than before")
    }
    state = .agreed(mechanism, isRaw: version == 0, SaslServer(mechanism, rules, nonce: nonce()))
    return .agree
  }

  private mutating func take(
    _ message: [UInt8], _ mechanism: SaslMechanism, isRaw: Bool, _ server: SaslServer, _ rules: SaslRules,
    _ wallMs: Int64
  ) -> Action {
    guard messagesLeft > 0 else { return .close(reason: "more messages than a mechanism has") }
    messagesLeft -= 1
    var server = server
    switch server.step(message, rules, wallMs: wallMs) {
    case .challenge(let challenge):
      state = .agreed(mechanism, isRaw: isRaw, server)
      return .challenge(challenge)
    case .failed(let message, let reason):
      return .fail(.authenticationFailed, message: message, reason: reason)
    case .authenticated(let user, let final, let expiresMs):
      let principal = Principal(name: user)
      if let before, before.principal != principal {
        return .fail(
          .authenticationFailed, message: "Cannot change principals during re-authentication",
          reason: "another principal than before")
      }
      state = .authenticated
      return .authenticated(
        Authentication(
          principal: principal, mechanism: mechanism,
          lifetimeMs: Self.lifetime(rules.maxReauthMs[mechanism] ?? 0, expiresMs, wallMs)),
        final: final)
    }
  }

  /// The lesser of the limit and of what is left of a token.
  private static func lifetime(_ limitMs: Int64, _ expiresMs: Int64?, _ wallMs: Int64) -> Int64? {
    let left = expiresMs.map { max(0, $0 &- wallMs) }
    guard limitMs > 0 else { return left }
    return min(limitMs, left ?? limitMs)
  }
}
