/// The values of Kafka's `ssl.*` keys for one listener, or for a client's connections: checked as far as that goes without the files that they name.
package struct TLSSettings: Sendable, Equatable {
  /// Where certificates, or a key and its certificates, come from.
  package enum Store: Sendable, Equatable {
    /// A file of the format that `ssl.keystore.type` or `ssl.truststore.type` names.
    case file(path: String, format: Format, password: Secret?)
    /// PEM text in the configuration itself; `key` is empty in a trust store.
    case text(certificates: String, key: Secret?)
  }

  package enum Format: String, Sendable, CaseIterable {
    case pem = "PEM"
    case pkcs12 = "PKCS12"
    /// Kafka's default. Java reads PKCS12 under this name too, so the file's first bytes decide.
    case jks = "JKS"
  }

  package enum ClientAuthentication: String, Sendable, CaseIterable {
    case none, requested, required
  }

  package enum Version: String, Sendable, CaseIterable, Comparable {
    case tls12 = "TLSv1.2"
    case tls13 = "TLSv1.3"

    package static func < (one: Version, other: Version) -> Bool { one == .tls12 && other == .tls13 }
  }

  /// The key and the certificates by which this side is known; nil for a client that has none.
  package var keyStore: Store?
  /// The password of the key itself, where it is another than the store's.
  package var keyPassword: Secret?
  /// The certificates of the authorities that are trusted; nil for those of the machine.
  package var trustStore: Store?
  package var clientAuthentication = ClientAuthentication.none
  package var versions: Set<Version> = [.tls12, .tls13]
  /// Names of RFC 8446 and of the registry; empty enables all that are served.
  package var cipherSuites: [String] = []
  /// Whether a client checks that the certificate is of the host that it connects to (`ssl.endpoint.identification.algorithm`).
  package var checksHost = true

  package init() {}

  /// Reads the values.
  ///
  /// - Parameter value: the text of a key by its name; nil or empty where it is not set.
  package init(_ value: (String) -> String?) throws(SecurityError) {
    func given(_ name: String) -> String? { value(name).flatMap { $0.isEmpty ? nil : $0 } }
    keyPassword = given("ssl.key.password").map { Secret($0) }
    keyStore = try Self.keyStore(given)
    trustStore = try Self.trustStore(given)
    if let text = given("ssl.client.auth") {
      guard let known = ClientAuthentication(rawValue: text) else {
        throw SecurityError("ssl.client.auth is \(text); it can be none, requested or required")
      }
      clientAuthentication = known
    }
    if let text = given("ssl.enabled.protocols") {
      versions = []
      for name in Self.elements(text) {
        guard let version = Version(rawValue: name) else {
          throw SecurityError("ssl.enabled.protocols: \(name) is not served, only TLSv1.2 and TLSv1.3 are")
        }
        versions.insert(version)
      }
      guard !versions.isEmpty else { throw SecurityError("ssl.enabled.protocols names no version of TLS") }
    }
    cipherSuites = Self.elements(given("ssl.cipher.suites") ?? "")
    if let algorithm = value("ssl.endpoint.identification.algorithm") {
      guard algorithm.isEmpty || algorithm.lowercased() == "https" else {
        throw SecurityError("ssl.endpoint.identification.algorithm is \(algorithm); it can be https or empty")
      }
      checksHost = !algorithm.isEmpty
    }
  }

  private static func keyStore(_ given: (String) -> String?) throws(SecurityError) -> Store? {
    let format = try format(given, "ssl.keystore.type")
    if let certificates = given("ssl.keystore.certificate.chain") {
      guard format == .pem else {
        throw SecurityError("ssl.keystore.certificate.chain needs ssl.keystore.type=PEM")
      }
      guard let key = given("ssl.keystore.key") else {
        throw SecurityError("ssl.keystore.certificate.chain is set, but not its private key, ssl.keystore.key")
      }
      guard given("ssl.keystore.location") == nil else {
        throw SecurityError("ssl.keystore.location and ssl.keystore.certificate.chain are both set: give one")
      }
      return .text(certificates: certificates, key: Secret(key))
    }
    guard given("ssl.keystore.key") == nil else {
      throw SecurityError("ssl.keystore.key is set, but not its certificates, ssl.keystore.certificate.chain")
    }
    guard let path = given("ssl.keystore.location") else { return nil }
    return .file(path: path, format: format, password: given("ssl.keystore.password").map { Secret($0) })
  }

  private static func trustStore(_ given: (String) -> String?) throws(SecurityError) -> Store? {
    let format = try format(given, "ssl.truststore.type")
    if let certificates = given("ssl.truststore.certificates") {
      guard format == .pem else { throw SecurityError("ssl.truststore.certificates needs ssl.truststore.type=PEM") }
      guard given("ssl.truststore.location") == nil else {
        throw SecurityError("ssl.truststore.location and ssl.truststore.certificates are both set: give one")
      }
      return .text(certificates: certificates, key: nil)
    }
    guard let path = given("ssl.truststore.location") else { return nil }
    return .file(path: path, format: format, password: given("ssl.truststore.password").map { Secret($0) })
  }

  private static func format(_ given: (String) -> String?, _ key: String) throws(SecurityError) -> Format {
    guard let text = given(key) else { return .jks }
    guard let format = Format(rawValue: text.uppercased()) else {
      throw SecurityError("\(key) is \(text); it can be PEM or PKCS12")
    }
    return format
  }

  private static func elements(_ text: String) -> [String] {
    text.split(separator: ",").map { String($0.filter { $0 != " " && $0 != "\t" }) }.filter { !$0.isEmpty }
  }
}

/// A password, a key or a token: what must not be in a log. It describes itself as `[hidden]`.
package struct Secret: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
  package let text: String

  package init(_ text: String) { self.text = text }

  package var description: String { "[hidden]" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
