import Crypto
import CryptoExtras
import FoundationEssentials
import SwiftASN1

/// Encryption by a password as of PKCS#5 2.1 (RFC 8018): PBKDF2 makes the key, AES in CBC mode encrypts. It is what OpenSSL 3 and Java since 8u301 write.
struct PBES2 {
  private enum Function { case sha1, sha256, sha384, sha512 }

  private var salt: [UInt8]
  private var rounds: Int
  private var function: Function
  private var keyBytes: Int
  private var vector: [UInt8]

  static let wrongPassword = SecurityError("cannot be decrypted: is the password right?")
  private static let legacy = SecurityError(
    "is encrypted by an algorithm of old: write it anew, with openssl pkcs12 -in OLD -legacy -nodes | openssl pkcs12 -export -out NEW"
  )

  /// The most rounds that a file may ask for: some seconds.
  private static let roundsMax = 10_000_000

  private static let scheme: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 5, 13]
  private static let derivation: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 5, 12]
  private static let functions: [ASN1ObjectIdentifier: Function] = [
    [1, 2, 840, 113549, 2, 7]: .sha1, [1, 2, 840, 113549, 2, 9]: .sha256, [1, 2, 840, 113549, 2, 10]: .sha384,
    [1, 2, 840, 113549, 2, 11]: .sha512,
  ]
  /// AES in CBC mode, by the bytes of its key.
  private static let ciphers: [ASN1ObjectIdentifier: Int] = [
    [2, 16, 840, 1, 101, 3, 4, 1, 2]: 16, [2, 16, 840, 1, 101, 3, 4, 1, 22]: 24, [2, 16, 840, 1, 101, 3, 4, 1, 42]: 32,
  ]

  /// Reads an AlgorithmIdentifier.
  static func read(_ algorithm: DERReader) throws -> PBES2 {
    var fields = try algorithm.sequence()
    guard try fields.next().identifier() == scheme else { throw legacy }
    var parameters = try fields.next().sequence()
    let derived = try readDerivation(parameters.next())
    var cipher = try parameters.next().sequence()
    guard let keyBytes = ciphers[try cipher.next().identifier()] else { throw legacy }
    return PBES2(
      salt: derived.salt, rounds: derived.rounds, function: derived.function, keyBytes: keyBytes,
      vector: try cipher.next().octets())
  }

  private static func readDerivation(
    _ algorithm: DERReader
  ) throws -> (salt: [UInt8], rounds: Int, function: Function) {
    var fields = try algorithm.sequence()
    guard try fields.next().identifier() == derivation else { throw legacy }
    var parameters = try fields.next().sequence()
    let salt = try parameters.next().octets()
    let rounds = try parameters.next().integer()
    guard (1...roundsMax).contains(rounds) else { throw SecurityError("asks for \(rounds) rounds of PBKDF2") }
    // The length of the key may stand before the function, which may be missing.
    while let more = parameters.nextIfAny() {
      guard more.tag == .sequence else { continue }
      var pseudorandom = try more.sequence()
      guard let function = functions[try pseudorandom.next().identifier()] else { throw legacy }
      return (salt, rounds, function)
    }
    return (salt, rounds, .sha1)
  }

  func decrypt(_ bytes: [UInt8], _ password: Secret?) throws -> [UInt8] {
    guard let password else { throw SecurityError("is encrypted, and no password is given") }
    do {
      let key = try KDF.Insecure.PBKDF2.deriveKey(
        from: Array(password.text.utf8), salt: salt, using: Self.hash(function), outputByteCount: keyBytes,
        unsafeUncheckedRounds: rounds)
      return Array(try AES._CBC.decrypt(bytes, using: key, iv: AES._CBC.IV(ivBytes: vector)))
    } catch { throw Self.wrongPassword }
  }

  private static func hash(_ function: Function) -> KDF.Insecure.PBKDF2.HashFunction {
    switch function {
    case .sha1: .insecureSHA1
    case .sha256: .sha256
    case .sha384: .sha384
    case .sha512: .sha512
    }
  }
}
