import Base

/// What a listener knows to authenticate clients by SASL.
package struct SaslRules: Sendable {
  /// `sasl.enabled.mechanisms`, in the order of the configuration.
  package var mechanisms: [SaslMechanism]
  /// The users of PLAIN.
  package var users: [String: Secret] = [:]
  /// The credential of a user of SCRAM.
  package var credential: @Sendable (ScramHash, String) -> ScramCredential? = { _, _ in nil }
  /// Nil without OAUTHBEARER.
  package var tokens: TokenValidator?
  /// From which the salts of unknown users are made; of the broker, and secret.
  package var unknownUserKey: [UInt8] = []
  /// `connections.max.reauth.ms` of each mechanism; none or 0: sessions last as long as their connections, or their tokens.
  package var maxReauthMs: [SaslMechanism: Int64] = [:]

  package init(_ mechanisms: [SaslMechanism]) { self.mechanisms = mechanisms }
}

/// The server's side of one mechanism.
struct SaslServer: Sendable {
  enum Outcome: Equatable {
    case challenge([UInt8])
    /// - Parameter expiresMs: of a token, in milliseconds since 1970.
    case authenticated(user: String, final: [UInt8], expiresMs: Int64?)
    /// `message` is for the client, `reason` for the log.
    case failed(message: String, reason: String)
  }

  private enum State {
    case plain
    case scram(ScramHash, ScramServer)
    case bearer
    /// A token was refused, and the client has been told why; it answers with one byte.
    case bearerRefused(reason: String)
    case ended
  }

  private var state: State

  /// - Parameter nonce: never used before.
  init(_ mechanism: SaslMechanism, _ rules: SaslRules, nonce: String) {
    switch mechanism {
    case .plain: state = .plain
    case .scramSHA256, .scramSHA512:
      let hash: ScramHash = mechanism == .scramSHA256 ? .sha256 : .sha512
      state = .scram(hash, ScramServer(hash, nonce: nonce, unknownUserKey: rules.unknownUserKey))
    case .oauthBearer: state = .bearer
    }
  }

  private static let invalidCredentials =
    "Authentication failed during authentication due to invalid credentials with SASL mechanism "

  mutating func step(_ message: [UInt8], _ rules: SaslRules, wallMs: Int64) -> Outcome {
    let before = state
    state = .ended
    switch before {
    case .plain: return Self.plain(message, rules)
    case .scram(let hash, var server):
      switch server.step(message, { rules.credential(hash, $0) }) {
      case .challenge(let challenge):
        state = .scram(hash, server)
        return .challenge(challenge)
      case .authenticated(let user, let final): return .authenticated(user: user, final: final, expiresMs: nil)
      case .failed:
        return .failed(
          message: Self.invalidCredentials + hash.mechanism.rawValue, reason: "unknown user or wrong password")
      }
    case .bearer: return bearer(message, rules, wallMs)
    case .bearerRefused(let reason): return .failed(message: "{\"status\":\"invalid_token\"}", reason: reason)
    case .ended: return .failed(message: "Authentication has ended", reason: "a message too many")
    }
  }

  /// `authorisation id NUL user NUL password` (RFC 4616).
  private static func plain(_ message: [UInt8], _ rules: SaslRules) -> Outcome {
    let fields = message.split(separator: 0, omittingEmptySubsequences: false)
    guard fields.count == 3 else {
      return .failed(
        message: "Invalid SASL/PLAIN response: expected 3 tokens, got \(min(fields.count, 4))",
        reason: "malformed message")
    }
    let user = String(decoding: fields[1], as: UTF8.self)
    guard !user.isEmpty, !fields[2].isEmpty else {
      return .failed(
        message: "Authentication failed: \(user.isEmpty ? "username" : "password") not specified",
        reason: "malformed message")
    }
    let known = rules.users[user]
    // Compared for an unknown user too, whom the time would tell.
    var isRight = ConstantTime.areEqual(Array(fields[2]), Array((known?.text ?? "").utf8))
    #if DEBUG
    if PlantedFault.acceptsAnyPassword.isPlanted { isRight = true }
    #endif
    guard known != nil, isRight else {
      return .failed(
        message: "Authentication failed: Invalid username or password", reason: "unknown user or wrong password")
    }
    guard fields[0].isEmpty || fields[0] == fields[1] else {
      return .failed(
        message: "Authentication failed: Client requested an authorization id that is different from username",
        reason: "another authorisation id")
    }
    return .authenticated(user: user, final: [], expiresMs: nil)
  }

  /// `n,a=…,` and pairs between bytes of 1, one of them `auth=Bearer TOKEN` (RFC 7628).
  private mutating func bearer(_ message: [UInt8], _ rules: SaslRules, _ wallMs: Int64) -> Outcome {
    let wrong = Outcome.failed(message: "Invalid OAUTHBEARER client first message", reason: "malformed message")
    guard let tokens = rules.tokens, let text = String(validating: message, as: UTF8.self) else { return wrong }
    let parts = text.split(separator: "\u{1}", omittingEmptySubsequences: false)
    guard parts.count >= 3, let (header, nothing) = ScramMessage.Header.split(String(parts[0])), nothing.isEmpty,
      parts[parts.count - 1].isEmpty, parts[parts.count - 2].isEmpty
    else { return wrong }
    let auth = parts.dropFirst().first { $0.hasPrefix("auth=") }?.dropFirst("auth=".count)
    guard let auth, auth.prefix(7).lowercased() == "bearer " else { return wrong }
    let token = String(auth.dropFirst(7).drop { $0 == " " })
    do throws(TokenValidator.Refusal) {
      let valid = try tokens.validate(token, nowMs: wallMs)
      guard header.authorizationID ?? valid.name == valid.name else {
        return .failed(
          message:
            "Authentication failed: Client requested an authorization id that is different from the token's principal name",
          reason: "another authorisation id")
      }
      return .authenticated(user: valid.name, final: [], expiresMs: valid.expiresMs)
    } catch {
      state = .bearerRefused(reason: error.reason)
      return .challenge(Array("{\"status\":\"invalid_token\"}".utf8))
    }
  }
}
