import SwiftASN1

/// The subject of an X.509 certificate, in the form of Java's `X500Principal.getName()` (RFC 2253), which is what Kafka's principals and
/// `ssl.principal.mapping.rules` are of: the last part first, `CN=alice,OU=Data,O=Example`.
package struct DistinguishedName: Sendable, Equatable {
  /// The text; empty for a certificate without a subject.
  package private(set) var text: String

  /// The names that Java has for attributes in this form; others are written as numbers.
  private static let keywords: [ASN1ObjectIdentifier: String] = [
    [2, 5, 4, 3]: "CN", [2, 5, 4, 6]: "C", [2, 5, 4, 7]: "L", [2, 5, 4, 8]: "ST", [2, 5, 4, 9]: "STREET",
    [2, 5, 4, 10]: "O", [2, 5, 4, 11]: "OU", [0, 9, 2342, 19_200_300, 100, 1, 1]: "UID",
    [0, 9, 2342, 19_200_300, 100, 1, 25]: "DC",
  ]

  /// - Throws: where the bytes are no certificate.
  package init(subjectOf certificate: [UInt8]) throws(SecurityError) {
    do {
      var outer = try DERReader(certificate).sequence()
      var fields = try outer.next().sequence()
      // The version has a tag, and may be missing.
      var field = try fields.next()
      if field.isContextTag { field = try fields.next() }
      // The serial number is read; the signature's algorithm, the issuer and the times follow.
      for _ in 0..<3 { _ = try fields.next() }
      var parts = try fields.next().sequence()
      var names: [String] = []
      while let part = parts.nextIfAny() {
        var attributes = try part.sequence()
        var joined: [String] = []
        while let attribute = attributes.nextIfAny() { joined.append(try Self.text(of: attribute)) }
        names.append(joined.joined(separator: "+"))
      }
      text = names.reversed().joined(separator: ",")
    } catch { throw SecurityError("a certificate cannot be read") }
  }

  private static func text(of attribute: DERReader) throws -> String {
    var fields = try attribute.sequence()
    let type = try fields.next().identifier()
    let value = try fields.next()
    guard let keyword = keywords[type] else {
      return "\(type)=#" + value.encoded.map { hex($0) }.joined()
    }
    return "\(keyword)=" + escaped(try string(value))
  }

  private static func string(_ value: DERReader) throws -> String {
    let bytes = try value.primitiveBytes()
    if value.tag == .bmpString {
      let units = stride(from: 0, to: bytes.count - bytes.count % 2, by: 2).map {
        UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1])
      }
      return String(decoding: units, as: UTF16.self)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// As RFC 2253 says: `,+"\<>;` have a backslash, `#` at the beginning too, and spaces at both ends.
  private static func escaped(_ text: String) -> String {
    var out = ""
    let characters = Array(text)
    for (index, character) in characters.enumerated() {
      let isAtEnd = index == 0 || index == characters.count - 1
      if #",+"\<>;"#.contains(character) || (index == 0 && character == "#") || (isAtEnd && character == " ") {
        out.append("\\")
      }
      out.append(character)
    }
    return out
  }

  private static func hex(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
  }
}
