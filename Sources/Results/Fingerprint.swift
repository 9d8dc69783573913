import Crypto

/// SHA-256 of a text: of a definition, kept in the journal before the run starts.
package enum Fingerprint {
  /// 64 hexadecimal digits.
  package static func of(_ text: String) -> String {
    SHA256.hash(data: Array(text.utf8)).map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }
}
