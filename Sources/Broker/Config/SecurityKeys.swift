package import Security

/// TLS and SASL of listeners, and of connections between brokers. Each but the first four and the delay can be given for one listener, as
/// `listener.name.NAME.` with the listener's name in lower case and the key behind it. Sources: as in `BrokerKeys.swift`.
package struct SecurityKeys: KeyTable {
  let interBrokerProtocol = Key<String?>(
    "security.inter.broker.protocol", nil,
    .oneOf(SecurityProtocol.allCases.map(\.rawValue)),
    "The security protocol by which brokers reach each other: of the listener with this name. Set inter.broker.listener.name instead where listeners have names of their own."
  )
  let keystoreType = Key(
    "ssl.keystore.type", "JKS", .oneOf(["JKS", "PKCS12", "PEM"]),
    "The file format of the TLS key store. JKS stands for PKCS12 too: a store in Java's own format is refused with the command that converts it."
  ).dynamic(.perBroker)
  let keystoreLocation = Key<String?>(
    "ssl.keystore.location", nil,
    "The path of the TLS key store. A PEM file has the private key, the certificate, and those of the authorities between it and the root. A file that changes is read again within seconds."
  ).dynamic(.perBroker)
  let keystorePassword = Key<Secret?>("ssl.keystore.password", nil, "The password of the TLS key store.")
    .dynamic(.perBroker)
  let keystoreCertificateChain = Key<Secret?>(
    "ssl.keystore.certificate.chain", nil, "The certificate and those of the authorities above it, as PEM text."
  )
  .dynamic(.perBroker)
  let keystoreKey = Key<Secret?>("ssl.keystore.key", nil, "The private key of the certificate, as PEM text (PKCS#8).")
    .dynamic(.perBroker)
  let keyPassword = Key<Secret?>("ssl.key.password", nil, "The password of the private key in the TLS key store.")
    .dynamic(.perBroker)
  let truststoreType = Key(
    "ssl.truststore.type", "JKS", .oneOf(["JKS", "PKCS12", "PEM"]),
    "The file format of the TLS trust store; JKS stands for PKCS12 too."
  ).dynamic(.perBroker)
  let truststoreLocation = Key<String?>(
    "ssl.truststore.location", nil,
    "The path of the TLS trust store: the authorities whose client certificates are accepted. If not set, those of the machine are."
  ).dynamic(.perBroker)
  let truststorePassword = Key<Secret?>("ssl.truststore.password", nil, "The password of the TLS trust store.")
    .dynamic(.perBroker)
  let truststoreCertificates = Key<Secret?>(
    "ssl.truststore.certificates", nil, "The trusted certificates, as PEM text."
  ).dynamic(.perBroker)
  let clientAuth = Key(
    "ssl.client.auth", "none", .oneOf(["required", "requested", "none"]),
    "Whether TLS clients must, may or need not authenticate by a certificate."
  )
  let enabledProtocols = Key(
    "ssl.enabled.protocols", ["TLSv1.2", "TLSv1.3"], .eachOf(["TLSv1.2", "TLSv1.3"]), "The enabled TLS versions."
  ).dynamic(.perBroker)
  let cipherSuites = Key<[String]>(
    "ssl.cipher.suites", [],
    "The enabled cipher suites of TLSv1.2, of those with forward secrecy and authenticated encryption; empty enables all. Those of TLSv1.3 are always enabled with that version."
  ).dynamic(.perBroker)
  let endpointIdentification = Key(
    "ssl.endpoint.identification.algorithm", "https",
    "Whether this broker verifies the host name in the certificates of other brokers: https, or empty for not."
  ).dynamic(.perBroker)
  let principalMappingRules = Key(
    "ssl.principal.mapping.rules", "DEFAULT",
    "The rules that make the subject of a client's certificate into the name of its principal: DEFAULT, or RULE:pattern/replacement/ with L or U behind it, comma-separated; the first that matches counts."
  )
  let saslEnabledMechanisms = Key<[String]>(
    "sasl.enabled.mechanisms", ["GSSAPI"],
    "The enabled SASL mechanisms: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER. GSSAPI, Kafka's default, is not served: a listener with SASL needs another value."
  ).dynamic(.perBroker)
  let saslMechanismInterBroker = Key(
    "sasl.mechanism.inter.broker.protocol", "GSSAPI", "The SASL mechanism by which brokers authenticate to each other.")
  let saslJaasConfig = Key<Secret?>(
    "sasl.jaas.config", nil,
    "The login module of a mechanism, given for one mechanism of a listener: listener.name.NAME.plain.sasl.jaas.config has the users of PLAIN as user_NAME=\"password\"; username and password are what this broker itself logs in to others with."
  ).dynamic(.perBroker)
  let maxReauthMs = Key<Int64>(
    "connections.max.reauth.ms", 0,
    "The time in milliseconds after which a client of a listener with SASL must authenticate again; 0 is never. Can be given for one mechanism of a listener."
  )
  let saslServerMaxReceiveSize = Key(
    "sasl.server.max.receive.size", 524_288, .atLeast(1),
    "The maximum size in bytes of a frame from a client that has not authenticated. More than 65536 is not allowed, whatever this says."
  )
  let failedAuthenticationDelayMs = Key(
    "connection.failed.authentication.delay.ms", 100, .atLeast(0),
    "The time in milliseconds before a client is told that its authentication failed, and its connection is closed.")
  let oauthKeySet = Key<String?>(
    "sasl.oauthbearer.jwks.endpoint.url", nil,
    "The JSON Web Key Set that tokens of OAUTHBEARER are checked against: file:///PATH. A file that changes is read again within seconds."
  )
  let oauthToken = Key<String?>(
    "sasl.oauthbearer.token.endpoint.url", nil,
    "The file of the token by which this broker logs in to others: file:///PATH.")
  let oauthIssuer = Key<String?>(
    "sasl.oauthbearer.expected.issuer", nil, "The issuer that a token must name; if not set, any.")
  let oauthAudience = Key<[String]?>(
    "sasl.oauthbearer.expected.audience", nil, "The audiences, one of which a token must name; if not set, any.")
  let oauthClockSkewSeconds = Key(
    "sasl.oauthbearer.clock.skew.seconds", 30, .between(0, 86_400),
    "The difference in seconds that is allowed between this machine's clock and that of the tokens' issuer.")
  let oauthSubjectClaim = Key(
    "sasl.oauthbearer.sub.claim.name", "sub", .notEmpty, "The claim of a token that names the principal.")
}

extension Secret: ConfigValue {
  package static var kind: ConfigKey.Kind { .password }
  package static func value(of text: String?) -> Secret? { text.map { Secret($0) } }
  package var configText: String? { text }
}

/// Finds a broker key by its name; a key of one listener, `listener.name.NAME.key`, is made from the row of the key.
package struct ConfigKeyNames: Sendable {
  private let rows: [String: ConfigKey]
  static let listenerPrefix = "listener.name."

  init(_ rows: [ConfigKey]) { self.rows = Dictionary(uniqueKeysWithValues: rows.map { ($0.name, $0) }) }

  package subscript(name: String) -> ConfigKey? {
    if let row = rows[name] { return row }
    guard let (_, base) = Self.split(name), let row = rows[base] ?? ofMechanism(base), Self.isOfListener(row.name)
    else {
      return nil
    }
    var own = row
    own.name = name
    own.defaultValue = nil
    own.documentation = "\(base) of one listener. \(row.documentation)"
    return own
  }

  /// The row of a key that is given for one mechanism: of `sasl.jaas.config` for `plain.sasl.jaas.config`.
  private func ofMechanism(_ key: String) -> ConfigKey? {
    for mechanism in SaslMechanism.allCases {
      let prefix = mechanism.rawValue.lowercased() + "."
      if key.hasPrefix(prefix) { return rows[String(key.dropFirst(prefix.count))] }
    }
    return nil
  }

  /// Splits the name of a listener's key; nil for any other name.
  static func split(_ name: String) -> (listener: Substring, key: String)? {
    guard name.hasPrefix(listenerPrefix) else { return nil }
    let rest = name.dropFirst(listenerPrefix.count)
    guard let dot = rest.firstIndex(of: "."), dot != rest.startIndex else { return nil }
    return (rest[..<dot], String(rest[rest.index(after: dot)...]))
  }

  private static func isOfListener(_ key: String) -> Bool {
    key.hasPrefix("ssl.") || key.hasPrefix("sasl.") || key == "connections.max.reauth.ms"
      || key == Keys.limits.connectionCreationRateMax.name
  }
}

extension ConfigValues {
  /// The value of a key for one listener: its own, or else that of all listeners.
  func text(_ name: String, of listener: String) -> String? {
    text("\(ConfigKeyNames.listenerPrefix)\(listener.lowercased()).\(name)") ?? text(name)
  }
}

extension Config {
  /// The `ssl.*` values of a listener.
  package func tlsSettings(of listener: String) throws(ConfigError) -> TLSSettings {
    try Self.tlsSettings(values, listener)
  }

  /// The rules that name the clients of a listener.
  func principalMapping(of listener: String) throws(ConfigError) -> PrincipalMapping {
    do throws(SecurityError) {
      return try PrincipalMapping(values.text(Keys.security.principalMappingRules.name, of: listener) ?? "")
    } catch { throw ConfigError("\(error)") }
  }

  static func tlsSettings(_ values: ConfigValues, _ listener: String) throws(ConfigError) -> TLSSettings {
    do throws(SecurityError) { return try TLSSettings { values.text($0, of: listener) } } catch {
      throw ConfigError("\(error) (listener \(listener))")
    }
  }

  /// Checks what the secured listeners need, as far as that goes without the files.
  static func checkSecurity(_ listeners: [Listener], _ values: ConfigValues) throws(ConfigError) {
    for (key, name) in [
      (Keys.cluster.interBrokerListenerName, values[Keys.cluster.interBrokerListenerName]),
      (Keys.security.interBrokerProtocol, values[Keys.security.interBrokerProtocol]),
    ] {
      guard let name else { continue }
      guard listeners.contains(where: { $0.name == name.uppercased() }) else {
        throw ConfigError("\(key.name) is \(name), which is not in listeners")
      }
    }
    for listener in listeners where listener.security.usesSASL {
      let mechanisms = try saslMechanisms(values, listener.name)
      if mechanisms.contains(.plain) { _ = try plainUsers(values, listener.name) }
    }
    for listener in listeners where listener.security.isEncrypted {
      let settings = try tlsSettings(values, listener.name)
      guard settings.keyStore != nil else {
        throw ConfigError(
          "listeners: \(listener) needs a key and a certificate: set ssl.keystore.type=PEM and ssl.keystore.location")
      }
      do throws(SecurityError) {
        _ = try PrincipalMapping(values.text(Keys.security.principalMappingRules.name, of: listener.name) ?? "")
      } catch { throw ConfigError("\(error)") }
    }
  }
}
