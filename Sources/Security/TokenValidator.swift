import Base

/// Checks the bearer tokens of OAUTHBEARER: JSON Web Tokens (RFC 7519), signed by a key of the key set.
package struct TokenValidator: Sendable {
  package var keys: KeySet
  /// `sasl.oauthbearer.expected.issuer`; nil accepts any.
  package var issuer: String?
  /// `sasl.oauthbearer.expected.audience`: a token is for one of these at least; empty accepts any.
  package var audiences: [String]
  /// `sasl.oauthbearer.clock.skew.seconds`.
  package var skewSeconds: Int64
  /// `sasl.oauthbearer.sub.claim.name`: the claim that names the principal.
  package var subjectClaim: String

  package init(
    keys: KeySet, issuer: String? = nil, audiences: [String] = [], skewSeconds: Int64 = 30, subjectClaim: String = "sub"
  ) {
    self.keys = keys
    self.issuer = issuer
    self.audiences = audiences
    self.skewSeconds = skewSeconds
    self.subjectClaim = subjectClaim
  }

  package struct Valid: Sendable, Equatable {
    package var name: String
    /// Milliseconds since 1970.
    package var expiresMs: Int64
  }

  /// A token that is not accepted; the words go to the log, never to the client.
  package struct Refusal: Error, Equatable, Sendable {
    package var reason: String
    init(_ reason: String) { self.reason = reason }
  }

  /// The longest token.
  static let bytesMax = 16_384
  /// The latest time that a claim may name, in seconds since 1970.
  private static let secondsMax: Int64 = 1 << 40

  /// - Parameter nowMs: milliseconds since 1970.
  package func validate(_ token: String, nowMs: Int64) throws(Refusal) -> Valid {
    guard token.utf8.count <= Self.bytesMax else { throw Refusal("the token is too long") }
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let header = Self.json(parts[0]), let claims = Self.json(parts[1]),
      let signature = Base64.decode(parts[2])
    else { throw Refusal("it is not a signed token") }
    guard let algorithm = header["alg"]?.asString, algorithm == "RS256" || algorithm == "ES256" else {
      throw Refusal("it is signed by neither RS256 nor ES256")
    }
    // An extension that must be understood is not.
    guard header["crit"] == nil else { throw Refusal("its header has critical extensions") }
    let id = header["kid"]?.asString
    let candidates = keys.keys.filter { id == nil || $0.id == nil || $0.id == id }
    let signed = Array("\(parts[0]).\(parts[1])".utf8)
    guard candidates.contains(where: { $0.key.hasSigned(signed, signature, algorithm: algorithm) }) else {
      throw Refusal("no key of the key set has signed it")
    }
    return try checked(claims, nowMs: nowMs)
  }

  private static func json(_ part: Substring) -> JSON? {
    Base64.decode(part).flatMap { try? JSON($0) }
  }

  private func checked(_ claims: JSON, nowMs: Int64) throws(Refusal) -> Valid {
    let skewMs = max(0, min(skewSeconds, Self.secondsMax)) * 1000
    guard let expires = Self.milliseconds(claims["exp"]) else { throw Refusal("it has no time of expiry") }
    guard nowMs < expires + skewMs else { throw Refusal("it has expired") }
    if let from = claims["nbf"] {
      guard let from = Self.milliseconds(from), from - skewMs <= nowMs else { throw Refusal("it is not valid yet") }
    }
    if let issued = claims["iat"] {
      guard let issued = Self.milliseconds(issued), issued - skewMs <= nowMs else {
        throw Refusal("it was issued in the future")
      }
    }
    if let issuer {
      guard claims["iss"]?.asString == issuer else { throw Refusal("it is of another issuer") }
    }
    if !audiences.isEmpty {
      let given = claims["aud"].map { $0.asArray?.compactMap(\.asString) ?? [$0.asString].compactMap { $0 } } ?? []
      guard given.contains(where: audiences.contains) else { throw Refusal("it is for another audience") }
    }
    guard let name = claims[subjectClaim]?.asString, !name.isEmpty else {
      throw Refusal("it has no claim \(subjectClaim)")
    }
    return Valid(name: name, expiresMs: expires)
  }

  private static func milliseconds(_ claim: JSON?) -> Int64? {
    switch claim {
    case .int(let seconds) where (0...secondsMax).contains(seconds): seconds * 1000
    case .double(let seconds) where seconds >= 0 && seconds < Double(secondsMax): Int64(seconds * 1000)
    default: nil
    }
  }
}
