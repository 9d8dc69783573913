import Model

/// How a client secures its connections: Kafka's client properties `security.protocol`, `sasl.*` and `ssl.*`.
package struct ClientSecurity: Sendable, Equatable {
  package var securityProtocol = SecurityProtocol.plaintext
  /// Of an encrypted protocol.
  package var tls = TLSSettings()
  /// Of a protocol with SASL.
  package var login: SaslClient.Login?

  package init() {}

  /// Reads the properties of a file's text. Others than those of security are left to whoever wants them.
  package init(properties text: String) throws(SecurityError) {
    let values = Dictionary(JavaProperties(text).entries.map { ($0.key, $0.value) }) { _, last in last }
    try self.init { values[$0] }
  }

  /// - Parameter value: the text of a property by its name; nil where it is not set.
  package init(_ value: (String) -> String?) throws(SecurityError) {
    let name = value("security.protocol") ?? "PLAINTEXT"
    guard let known = SecurityProtocol(rawValue: name.uppercased()) else {
      throw SecurityError(
        "security.protocol is \(name); it can be \(SecurityProtocol.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    securityProtocol = known
    if known.isEncrypted { tls = try TLSSettings(value) }
    if known.usesSASL { login = try Self.login(value) }
  }

  private static func login(_ value: (String) -> String?) throws(SecurityError) -> SaslClient.Login {
    let name = value("sasl.mechanism") ?? "GSSAPI"
    guard let mechanism = SaslMechanism(rawValue: name) else {
      throw SecurityError(
        "sasl.mechanism is \(name); it can be \(SaslMechanism.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard let text = value("sasl.jaas.config") else { throw SecurityError("sasl.jaas.config is not set") }
    let jaas = try JaasConfig(text, key: "sasl.jaas.config")
    if mechanism == .oauthBearer {
      let prefix = "file://"
      guard let url = value("sasl.oauthbearer.token.endpoint.url"), url.hasPrefix(prefix) else {
        throw SecurityError("sasl.oauthbearer.token.endpoint.url must name the file with the token: file:///PATH")
      }
      return .bearer(path: String(url.dropFirst(prefix.count)))
    }
    guard let user = jaas.options["username"]?.text, let password = jaas.options["password"] else {
      throw SecurityError("sasl.jaas.config has no username and password")
    }
    if let hash = mechanism.scramHash { return .scram(hash, user: user, password: password) }
    return .plain(user: user, password: password)
  }
}
