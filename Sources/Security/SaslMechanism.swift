/// The SASL mechanisms that are served, by their registered names.
package enum SaslMechanism: String, CaseIterable, Sendable {
  case plain = "PLAIN"
  case scramSHA256 = "SCRAM-SHA-256"
  case scramSHA512 = "SCRAM-SHA-512"
  case oauthBearer = "OAUTHBEARER"

  /// The hash of a SCRAM mechanism; nil for the others.
  package var scramHash: ScramHash? {
    switch self {
    case .scramSHA256: .sha256
    case .scramSHA512: .sha512
    case .plain, .oauthBearer: nil
    }
  }
}

/// Who has authenticated, and for how long.
package struct Authentication: Sendable, Hashable {
  package var principal: Principal
  /// Nil: by a certificate.
  package var mechanism: SaslMechanism?
  /// After so many milliseconds the client must have authenticated again; nil: never.
  package var lifetimeMs: Int64?

  package init(principal: Principal, mechanism: SaslMechanism?, lifetimeMs: Int64?) {
    self.principal = principal
    self.mechanism = mechanism
    self.lifetimeMs = lifetimeMs
  }
}
