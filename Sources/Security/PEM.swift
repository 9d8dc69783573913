import Base

/// The blocks of a PEM text (RFC 7468): what stands between `-----BEGIN label-----` and its end. Line ends may be missing or be spaces, as in a
/// configuration that has the text on one line.
package struct PEM: Sendable {
  package struct Block: Sendable, Equatable {
    package var label: String
    /// The content, decoded.
    package var bytes: [UInt8]
    /// The block with line ends as libraries want them.
    package var text: String
  }

  package private(set) var blocks: [Block] = []

  /// - Throws: where a block has no end, or is not Base64.
  package init(_ text: String) throws(SecurityError) {
    var rest = Substring(text)
    while let begin = rest.range(of: "-----BEGIN ") {
      rest = rest[begin.upperBound...]
      guard let labelEnd = rest.range(of: "-----") else { throw SecurityError("a PEM block's first line has no end") }
      let label = String(rest[..<labelEnd.lowerBound])
      rest = rest[labelEnd.upperBound...]
      guard let end = rest.range(of: "-----END \(label)-----") else {
        throw SecurityError("the PEM block \(label.prefix(40)) has no end")
      }
      let body = rest[..<end.lowerBound]
      rest = rest[end.upperBound...]
      // The headers of keys encrypted in OpenSSL's old way have a colon, which Base64 has not.
      guard !body.utf8.contains(UInt8(ascii: ":")) else {
        throw SecurityError(
          "the PEM block \(label.prefix(40)) is encrypted as OpenSSL did before PKCS#8: convert it with openssl pkcs8 -topk8 -in OLD -out NEW"
        )
      }
      let digits = String(decoding: body.utf8.filter { $0 > 0x20 }, as: UTF8.self)
      guard let bytes = Base64.decode(digits) else {
        throw SecurityError("the PEM block \(label.prefix(40)) is not Base64")
      }
      blocks.append(Block(label: label, bytes: bytes, text: Self.text(label, bytes)))
    }
  }

  package static func text(_ label: String, _ bytes: [UInt8]) -> String {
    let digits = Array(Base64.encode(bytes).utf8)
    var lines = "-----BEGIN \(label)-----\n"
    for start in stride(from: 0, to: digits.count, by: 64) {
      lines += String(decoding: digits[start..<min(start + 64, digits.count)], as: UTF8.self) + "\n"
    }
    return lines + "-----END \(label)-----\n"
  }

  /// The certificates, in the order of the text.
  package var certificates: [[UInt8]] {
    blocks.filter { $0.label == "CERTIFICATE" || $0.label == "TRUSTED CERTIFICATE" }.map(\.bytes)
  }

  /// The first private key.
  package var key: Block? { blocks.first { $0.label.hasSuffix("PRIVATE KEY") } }
}

extension Substring {
  /// The first place of `text`; byte by byte, which needs no Foundation.
  fileprivate func range(of text: String) -> Range<Substring.Index>? {
    let wanted = Array(text.utf8)
    var index = utf8.startIndex
    while index < utf8.endIndex {
      if utf8[index] == wanted[0], utf8[index...].starts(with: wanted) {
        return index..<utf8.index(index, offsetBy: wanted.count)
      }
      index = utf8.index(after: index)
    }
    return nil
  }
}
