/// How the connections of a listener are secured, by Kafka's names (`listener.security.protocol.map`, `security.protocol`).
package enum SecurityProtocol: String, CaseIterable, Sendable {
  case plaintext = "PLAINTEXT"
  case ssl = "SSL"
  case saslPlaintext = "SASL_PLAINTEXT"
  case saslSSL = "SASL_SSL"

  /// Its number in UpdateMetadata.
  package var number: Int16 {
    switch self {
    case .plaintext: 0
    case .ssl: 1
    case .saslPlaintext: 2
    case .saslSSL: 3
    }
  }

  package init?(number: Int16) {
    guard let known = Self.allCases.first(where: { $0.number == number }) else { return nil }
    self = known
  }

  /// Whether bytes travel in TLS.
  package var isEncrypted: Bool { self == .ssl || self == .saslSSL }
  /// Whether clients authenticate by SASL.
  package var usesSASL: Bool { self == .saslPlaintext || self == .saslSSL }
}

/// A value of a configuration that cannot be used. The sentence begins with the key, and never has a password in it.
package struct SecurityError: Error, Equatable, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }
}
