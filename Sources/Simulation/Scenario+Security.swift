import Base

extension Scenario {
  /// Puts the node behind SASL and ACLs: its own clients log in, and strangers try what they can.
  mutating func addSecurity(_ random: inout SplitMix) {
    configuration["listeners"] = "SASL_PLAINTEXT://10.0.0.1:9092"
    configuration["sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256"
    configuration["listener.name.sasl_plaintext.plain.sasl.jaas.config"] =
      "M required user_client=\"\(Login.client.password)\" user_guest=\"\(Login.guest.password)\";"
    configuration["connection.failed.authentication.delay.ms"] = "\(random.pick([0, 100]))"
    configuration["authorizer.class.name"] = "kafka.security.authorizer.AclAuthorizer"
    configuration["super.users"] = "User:\(Login.client.user)"
    strangers = 1 + random.below(3)
  }

  /// A user and the right password.
  struct Login {
    var user: String
    var password: String

    /// What the world's clients log in as: it may do everything.
    static let client = Login(user: "client", password: "the clients' own")
    /// A user who is let in, and may do nothing.
    static let guest = Login(user: "guest", password: "welcome")

    /// A message of PLAIN (RFC 4616).
    func plain(password: String? = nil) -> [UInt8] { Array("\0\(user)\0\(password ?? self.password)".utf8) }
  }
}
