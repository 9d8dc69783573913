import SwiftASN1

/// The certificates and the private key of a PKCS#12 file (RFC 7292), as keytool and OpenSSL write it: encrypted by a password with PBES2, or not
/// encrypted. Its checksum is not looked at: what a wrong password makes of the bytes is no store.
package struct PKCS12: Sendable, Equatable {
  /// DER, in the file's order.
  package private(set) var certificates: [[UInt8]] = []
  /// PKCS#8, DER; nil in a trust store.
  package private(set) var key: [UInt8]?

  private enum OID {
    static let data: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 7, 1]
    static let encryptedData: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 7, 6]
    static let keyBag: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 12, 10, 1, 1]
    static let shroudedKeyBag: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 12, 10, 1, 2]
    static let certificateBag: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 12, 10, 1, 3]
    static let safeContentsBag: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 12, 10, 1, 6]
    static let x509: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 9, 22, 1]
  }

  /// - Parameters:
  ///   - password: of the file.
  ///   - keyPassword: of the key, where it is another.
  package init(_ bytes: [UInt8], password: Secret?, keyPassword: Secret?) throws(SecurityError) {
    do {
      let file = try DERReader(bytes).sequence()
      var fields = file
      _ = try fields.next()
      var content = try fields.next().sequence()
      guard try content.next().identifier() == OID.data else {
        throw SecurityError("is signed with a key and not by a password")
      }
      var contents = try DERReader(content.next().only().octets()).sequence()
      while let part = contents.nextIfAny() { try read(part.sequence(), password, keyPassword) }
    } catch let error as SecurityError { throw error } catch {
      throw SecurityError("is not a PKCS#12 file, or is damaged")
    }
  }

  private mutating func read(_ part: DERReader, _ password: Secret?, _ keyPassword: Secret?) throws {
    var part = part
    switch try part.next().identifier() {
    case OID.data: try readBags(DERReader(part.next().only().octets()).sequence(), password, keyPassword, depth: 0)
    case OID.encryptedData:
      var encrypted = try part.next().only().sequence()
      _ = try encrypted.next()
      var info = try encrypted.next().sequence()
      guard try info.next().identifier() == OID.data else { return }
      let algorithm = try info.next()
      let bytes = try PBES2.read(algorithm).decrypt(info.next().primitiveBytes(), password)
      try readBags(DERReader(bytes).sequence(), password, keyPassword, depth: 0)
    default: throw SecurityError("is encrypted with a key and not by a password")
    }
  }

  private mutating func readBags(
    _ bags: DERReader, _ password: Secret?, _ keyPassword: Secret?, depth: Int
  ) throws {
    // Bags may hold bags; a hostile file must not exhaust the stack.
    guard depth < 4 else { throw SecurityError("has bags in bags in bags") }
    var bags = bags
    while let bag = bags.nextIfAny() {
      var fields = try bag.sequence()
      let kind = try fields.next().identifier()
      let value = try fields.next().only()
      switch kind {
      case OID.certificateBag:
        var certificate = try value.sequence()
        guard try certificate.next().identifier() == OID.x509 else { continue }
        certificates.append(try certificate.next().only().octets())
      case OID.keyBag: key = key ?? value.encoded
      case OID.shroudedKeyBag:
        guard key == nil else { continue }
        key = try Self.decrypted(value, keyPassword ?? password)
      case OID.safeContentsBag: try readBags(value.sequence(), password, keyPassword, depth: depth + 1)
      default: continue
      }
    }
  }

  /// Decrypts an EncryptedPrivateKeyInfo of PKCS#8 (RFC 5958); returns PKCS#8, DER.
  package static func decryptKey(_ bytes: [UInt8], password: Secret?) throws(SecurityError) -> [UInt8] {
    do { return try decrypted(DERReader(bytes), password) } catch let error as SecurityError { throw error } catch {
      throw SecurityError("is not an encrypted PKCS#8 key, or is damaged")
    }
  }

  private static func decrypted(_ info: DERReader, _ password: Secret?) throws -> [UInt8] {
    var fields = try info.sequence()
    let algorithm = try fields.next()
    let key = try PBES2.read(algorithm).decrypt(fields.next().octets(), password)
    // What a wrong password makes of the bytes is, rarely, padded rightly.
    do { _ = try DERReader(key).sequence() } catch { throw PBES2.wrongPassword }
    return key
  }
}
