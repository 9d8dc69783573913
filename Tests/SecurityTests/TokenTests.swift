import Base
import Crypto
import FoundationEssentials
import Testing

@testable import Security

/// Tokens that a test signs with ES256, by a key of its own.
@Suite struct TokenTests {
  private static let key = P256.Signing.PrivateKey()
  private static let now: Int64 = 1_700_000_000_000

  private static func keySet(_ key: P256.Signing.PrivateKey = key, id: String = "a") throws -> KeySet {
    let raw = Array(key.publicKey.rawRepresentation)
    let json = JSON.object([
      "keys": .array([
        .object([
          "kty": .string("EC"), "crv": .string("P-256"), "kid": .string(id),
          "x": .string(Base64.encodeForURL(raw[..<32])),
          "y": .string(Base64.encodeForURL(raw[32...])),
        ])
      ])
    ])
    return try KeySet(json.encoded)
  }

  private static func token(
    _ claims: KeyValuePairs<String, JSON>,
    header: KeyValuePairs<String, JSON> = ["alg": .string("ES256"), "kid": .string("a")],
    signedBy key: P256.Signing.PrivateKey = key
  ) throws -> String {
    let signed =
      "\(Base64.encodeForURL(JSON.object(header).encoded)).\(Base64.encodeForURL(JSON.object(claims).encoded))"
    let signature = try key.signature(for: Array(signed.utf8))
    return "\(signed).\(Base64.encodeForURL(Array(signature.rawRepresentation)))"
  }

  private static func validator() throws -> TokenValidator {
    TokenValidator(keys: try keySet(), issuer: "i", audiences: ["kafka", "other"])
  }

  private func refusal(_ token: String, _ validator: TokenValidator) -> String? {
    do throws(TokenValidator.Refusal) {
      _ = try validator.validate(token, nowMs: Self.now)
      return nil
    } catch { return error.reason }
  }

  @Test func aSignedTokenNamesItsSubjectUntilItExpires() throws {
    let token = try Self.token([
      "sub": .string("carol"), "iss": .string("i"), "aud": .array([.string("x"), .string("kafka")]),
      "exp": .int(Self.now / 1000 + 60),
    ])
    let valid = try Self.validator().validate(token, nowMs: Self.now)
    #expect(valid == .init(name: "carol", expiresMs: Self.now + 60_000))
    #expect(refusal(token, try Self.validator()) == nil)
    // Within the clocks' difference, and beyond it.
    #expect(try Self.validator().validate(token, nowMs: Self.now + 89_000).name == "carol")
    #expect(throws: TokenValidator.Refusal.self) { try Self.validator().validate(token, nowMs: Self.now + 90_000) }
  }

  @Test func everyClaimIsChecked() throws {
    let soon = JSON.int(Self.now / 1000 + 60)
    let late = JSON.int(Self.now / 1000 + 3600)
    let good: [String: JSON] = ["sub": .string("c"), "iss": .string("i"), "aud": .string("kafka"), "exp": soon]
    func token(_ changes: [String: JSON?]) throws -> String {
      var claims = good
      for (name, value) in changes { claims[name] = value }
      return try Self.token(
        [
          "sub": claims["sub"] ?? .null, "iss": claims["iss"] ?? .null, "aud": claims["aud"] ?? .null,
          "exp": claims["exp"] ?? .null, "nbf": claims["nbf"] ?? .int(0),
          "iat": claims["iat"] ?? .int(0),
        ])
    }
    #expect(refusal(try token([:]), try Self.validator()) == nil)
    for (name, value) in [
      ("sub", JSON.string("")), ("sub", .null), ("iss", .string("j")), ("aud", .string("z")), ("aud", .array([])),
      ("exp", .null), ("exp", .int(1)), ("exp", .int(.max)), ("exp", .int(-1)), ("exp", .string("9")), ("nbf", late),
      ("iat", late),
    ] {
      #expect(refusal(try token([name: value]), try Self.validator()) != nil, "\(name) of \(value)")
    }
  }

  @Test func onlyAKeyOfTheSetAndItsAlgorithmCount() throws {
    let claims: KeyValuePairs<String, JSON> = [
      "sub": .string("c"), "iss": .string("i"), "aud": .string("kafka"), "exp": .int(Self.now / 1000 + 60),
    ]
    #expect(refusal(try Self.token(claims, signedBy: P256.Signing.PrivateKey()), try Self.validator()) != nil)
    for header: KeyValuePairs<String, JSON> in [
      ["alg": .string("none")], ["alg": .string("HS256")], ["alg": .string("RS256")], [:],
      ["alg": .string("ES256"), "kid": .string("b")], ["alg": .string("ES256"), "crit": .array([])],
    ] {
      #expect(refusal(try Self.token(claims, header: header), try Self.validator()) != nil, "\(header)")
    }
    let good = try Self.token(claims)
    for changed in [
      "", ".", "..", "a.b.c", String(good.dropLast()), good + "A", good + ".",
      "\(good.split(separator: ".").prefix(2).joined(separator: ".")).",
    ] {
      #expect(refusal(changed, try Self.validator()) != nil, "\(changed.suffix(20))")
    }
  }

  @Test func aDamagedKeySetIsRefused() {
    for text in [
      "", "{}", #"{"keys":1}"#, #"{"keys":[]}"#, #"{"keys":[{"kty":"oct","k":"AA"}]}"#,
      #"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, #"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#,
    ] {
      #expect(throws: SecurityError.self, "\(text)") { try KeySet(Array(text.utf8)) }
    }
  }
}
