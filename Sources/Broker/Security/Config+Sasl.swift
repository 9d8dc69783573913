import Security

extension Config {
  /// What a listener with SASL lets clients in by.
  ///
  /// - Parameter tokens: the key set of OAUTHBEARER; nil where none is named.
  func saslRules(of listener: String, tokens: KeySetFile?) throws(ConfigError) -> SaslRules {
    var rules = SaslRules(try Self.saslMechanisms(values, listener))
    for mechanism in rules.mechanisms {
      let limit = values.saslText(Keys.security.maxReauthMs.name, of: listener, mechanism).flatMap { Int64($0) } ?? 0
      if limit > 0 { rules.maxReauthMs[mechanism] = limit }
    }
    if rules.mechanisms.contains(.plain) { rules.users = try Self.plainUsers(values, listener) }
    if rules.mechanisms.contains(.oauthBearer) {
      guard let tokens else {
        throw ConfigError(
          "OAUTHBEARER needs \(Keys.security.oauthKeySet.name), the file of the keys that tokens are checked against")
      }
      let audiences = values.text(Keys.security.oauthAudience.name, of: listener).map { ConfigKey.elements($0) }
      rules.tokens = TokenValidator(
        keys: tokens.keys,
        issuer: values.text(Keys.security.oauthIssuer.name, of: listener).flatMap { $0.isEmpty ? nil : $0 },
        audiences: audiences ?? [],
        skewSeconds: values.text(Keys.security.oauthClockSkewSeconds.name, of: listener).flatMap { Int64($0) } ?? 30,
        subjectClaim: values.text(Keys.security.oauthSubjectClaim.name, of: listener) ?? "sub")
    }
    return rules
  }

  static func saslMechanisms(_ values: ConfigValues, _ listener: String) throws(ConfigError) -> [SaslMechanism] {
    let name = Keys.security.saslEnabledMechanisms.name
    var mechanisms: [SaslMechanism] = []
    for element in ConfigKey.elements(values.text(name, of: listener) ?? "") {
      guard let mechanism = SaslMechanism(rawValue: element) else {
        throw ConfigError(
          "\(name): \(element) is not served (listener \(listener)); these are: \(SaslMechanism.allCases.map(\.rawValue).joined(separator: ", "))"
        )
      }
      mechanisms.append(mechanism)
    }
    guard !mechanisms.isEmpty else { throw ConfigError("\(name) names no mechanism (listener \(listener))") }
    return mechanisms
  }

  /// The users that `listener.name.NAME.plain.sasl.jaas.config` has.
  static func plainUsers(_ values: ConfigValues, _ listener: String) throws(ConfigError) -> [String: Secret] {
    let name = Keys.security.saslJaasConfig.name
    guard let text = values.saslText(name, of: listener, .plain) else {
      throw ConfigError(
        "listener.name.\(listener.lowercased()).plain.\(name) is not set: it has the users of PLAIN, as user_NAME=\"password\""
      )
    }
    do throws(SecurityError) {
      let users = try JaasConfig(text, key: "listener.name.\(listener.lowercased()).plain.\(name)").users
      guard !users.isEmpty else { throw SecurityError("\(name) has no user_NAME=\"password\" (listener \(listener))") }
      return users
    } catch { throw ConfigError("\(error)") }
  }
}

extension ConfigValues {
  /// The value of a key for a mechanism of a listener, of the listener, or of all.
  func saslText(_ name: String, of listener: String, _ mechanism: SaslMechanism) -> String? {
    text("\(ConfigKeyNames.listenerPrefix)\(listener.lowercased()).\(mechanism.rawValue.lowercased()).\(name)")
      ?? text(name, of: listener)
  }
}
