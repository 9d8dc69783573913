import Crypto
import CryptoExtras
import FoundationEssentials

/// The hash function of a SCRAM mechanism (RFC 5802, RFC 7677), with the functions that RFC 5802 builds of it.
package enum ScramHash: Int8, Sendable, CaseIterable {
  // The numbers of Describe- and AlterUserScramCredentials.
  case sha256 = 1
  case sha512 = 2

  package var mechanism: SaslMechanism { self == .sha256 ? .scramSHA256 : .scramSHA512 }

  package var byteCount: Int { self == .sha256 ? 32 : 64 }

  /// `HMAC(key, bytes)`.
  func code(_ key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    let key = SymmetricKey(data: key)
    switch self {
    case .sha256: return Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key))
    case .sha512: return Array(HMAC<SHA512>.authenticationCode(for: bytes, using: key))
    }
  }

  /// `H(bytes)`.
  func hash(_ bytes: [UInt8]) -> [UInt8] {
    switch self {
    case .sha256: Array(SHA256.hash(data: bytes))
    case .sha512: Array(SHA512.hash(data: bytes))
    }
  }

  /// `Hi(password, salt, iterations)`: some milliseconds for a client; the server never does it.
  package func salted(_ password: String, salt: [UInt8], iterations: Int) -> [UInt8] {
    let key = try? KDF.Insecure.PBKDF2.deriveKey(
      from: Array(password.utf8), salt: salt, using: self == .sha256 ? .sha256 : .sha512, outputByteCount: byteCount,
      unsafeUncheckedRounds: max(1, iterations))
    return key?.withUnsafeBytes { Array($0) } ?? []
  }
}

/// Compares secrets in a time that does not tell where they differ, or how long they are.
package enum ConstantTime {
  package static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    // Digests of the same function are compared so by their library.
    SHA256.hash(data: one) == SHA256.hash(data: other)
  }
}
