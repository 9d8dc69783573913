import Base
import Crypto
import CryptoExtras
import FoundationEssentials

/// The public keys that tokens are checked against: a JSON Web Key Set (RFC 7517), RSA keys for RS256 and P-256 keys for ES256.
package struct KeySet: Sendable {
  enum Key: Sendable {
    case rsa(_RSA.Signing.PublicKey)
    case p256(P256.Signing.PublicKey)
  }

  /// With the keys' ids, where they have some; in the order of the file.
  private(set) var keys: [(id: String?, key: Key)] = []

  /// Keys of other kinds and uses are left out.
  ///
  /// - Throws: where the bytes are no key set, a key is damaged, or none is left.
  package init(_ bytes: [UInt8]) throws(SecurityError) {
    let json: JSON
    do throws(JSONError) { json = try JSON(bytes) } catch { throw SecurityError("the key set is \(error)") }
    guard let entries = json["keys"]?.asArray else { throw SecurityError("the key set has no member keys") }
    for entry in entries {
      if let use = entry["use"]?.asString, use != "sig" { continue }
      let id = entry["kid"]?.asString
      func bytes(_ name: String) -> [UInt8]? { entry[name]?.asString.flatMap { Base64.decode($0) } }
      let damaged = SecurityError("the key set's key \(id ?? "without an id") is damaged, or too short")
      switch entry["kty"]?.asString {
      case "RSA":
        guard let modulus = bytes("n"), let exponent = bytes("e"), modulus.count >= 256,
          let key = try? _RSA.Signing.PublicKey(n: modulus, e: exponent)
        else { throw damaged }
        keys.append((id, .rsa(key)))
      case "EC" where entry["crv"]?.asString == "P-256":
        guard let x = bytes("x"), let y = bytes("y"), x.count == 32, y.count == 32,
          let key = try? P256.Signing.PublicKey(rawRepresentation: x + y)
        else { throw damaged }
        keys.append((id, .p256(key)))
      default: continue
      }
    }
    guard !keys.isEmpty else { throw SecurityError("the key set has no RSA or P-256 key") }
  }
}

extension KeySet.Key {
  /// Whether the signature, in the form of JSON Web Signatures (RFC 7518), is this key's; false for an algorithm that is not this key's.
  func hasSigned(_ signed: [UInt8], _ signature: [UInt8], algorithm: String) -> Bool {
    switch self {
    case .rsa(let key):
      algorithm == "RS256"
        && key.isValidSignature(
          _RSA.Signing.RSASignature(rawRepresentation: signature), for: SHA256.hash(data: signed),
          padding: .insecurePKCS1v1_5)
    case .p256(let key):
      algorithm == "ES256"
        && ((try? P256.Signing.ECDSASignature(rawRepresentation: signature)).map {
          key.isValidSignature($0, for: signed)
        } ?? false)
    }
  }
}
