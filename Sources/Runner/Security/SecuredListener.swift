import Experiment

/// The listener of a secured broker that the load uses, beside a plaintext one over which the runner administers the broker.
struct SecuredListener: Sendable, Equatable {
  enum Names {
    /// Listeners; the runner's is the broker's for itself as well.
    static let admin = "ADMIN", load = "LOAD"
    static let user = "load"
    static let password = "no secret at all"
    /// The principal of a client that does not log in, as the runner at its listener.
    static let adminPrincipal = "User:ANONYMOUS"
    /// RFC 7677's least, and Kafka's default.
    static let scramIterations = 4096
  }

  let asked: AskedSecurity
  /// Nil where nothing is encrypted.
  let keys: SecurityKeys?
  let port: Int

  var address: String { "127.0.0.1:\(port)" }

  /// What the broker needs beyond an arm's own settings; they stand behind those of its driver, and so in their place.
  func settings(adminPort: Int) -> [Setting] {
    let listeners = "\(Names.admin)://127.0.0.1:\(adminPort),\(Names.load)://\(address)"
    var pairs = [
      ("listeners", listeners), ("advertised.listeners", listeners),
      (
        "listener.security.protocol.map",
        "\(Names.admin):PLAINTEXT,\(Names.load):\(asked.securityProtocol.rawValue)"
      ), ("inter.broker.listener.name", Names.admin),
    ]
    if let keys { pairs += [("ssl.keystore.type", "PEM"), ("ssl.keystore.location", keys.keyStore)] }
    if asked.securityProtocol.logsIn { pairs.append(("sasl.enabled.mechanisms", "SCRAM-SHA-256")) }
    if asked.acls != nil {
      pairs += [
        ("authorizer.class.name", "kafka.security.authorizer.AclAuthorizer"), ("super.users", Names.adminPrincipal),
      ]
    }
    return pairs.map { Setting(name: $0.0, value: Level($0.1)) }
  }

  /// The load's `--command-config`.
  var clientProperties: String {
    var lines = ["security.protocol=\(asked.securityProtocol.rawValue)"]
    if let keys { lines += ["ssl.truststore.type=PEM", "ssl.truststore.location=\(keys.authority)"] }
    if asked.securityProtocol.logsIn {
      lines += [
        "sasl.mechanism=SCRAM-SHA-256",
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required "
          + "username=\"\(Names.user)\" password=\"\(Names.password)\";",
      ]
    }
    return lines.map { $0 + "\n" }.joined()
  }
}
