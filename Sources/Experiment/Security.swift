extension Arm {
  /// How the load reaches the broker, and what the broker asks of it before it serves it: `security` of a definition.
  ///
  /// Values may be `{name}`s of factors or fixed values, so that what they come to is known for each run (`asked`).
  package struct Security: Sendable, Equatable {
    /// One of `SecurityProtocol`.
    package var securityProtocol: Level
    /// So many ACLs of other principals and topics beside those that let the load through; nil: no authorizer.
    package var acls: Level?
    /// `idle` or `none`; nil: none.
    package var quotas: Level?

    package init(_ securityProtocol: Level, acls: Level? = nil, quotas: Level? = nil) {
      (self.securityProtocol, self.acls, self.quotas) = (securityProtocol, acls, quotas)
    }

    package enum Bounds {
      /// Each ACL is a request's element and a z-node's entry: beyond this many, making them would be most of a run.
      package static let acls = 0...100_000
    }

    /// The values in which placeholders may stand.
    package var values: [Level] { [securityProtocol] + [acls, quotas].compactMap(\.self) }

    /// What this comes to with the values of a run.
    ///
    /// - Parameter fill: the text with its placeholders filled.
    /// - Throws: which key asks for what cannot be, and why.
    package func asked(_ fill: (String) -> String) throws(Fault) -> AskedSecurity {
      let name = fill(securityProtocol.text)
      guard let known = SecurityProtocol(rawValue: name) else {
        let names = SecurityProtocol.allCases.map(\.rawValue).joined(separator: ", ")
        throw Fault(key: "protocol", reason: "`\(name)` is not one of \(names)")
      }
      var asked = AskedSecurity(securityProtocol: known)
      if let text = acls.map({ fill($0.text) }), text != Self.none {
        guard let count = Int(text), Bounds.acls.contains(count) else {
          throw Fault(
            key: "acls",
            reason:
              "`\(text)` is no number of ACLs from \(Bounds.acls.lowerBound) to \(Bounds.acls.upperBound), nor `none`")
        }
        guard known.logsIn else {
          throw Fault(
            key: "acls",
            reason: "needs SASL_PLAINTEXT or SASL_SSL: a load without a name of its own could not be given rights")
        }
        asked.acls = count
      }
      if let text = quotas.map({ fill($0.text) }), text != Self.none {
        guard text == "idle" else { throw Fault(key: "quotas", reason: "`\(text)` is not one of idle, none") }
        asked.hasQuotas = true
      }
      return asked
    }

    private static let none = "none"

    package struct Fault: Error, Equatable {
      /// Within `security`.
      package let key: String
      package let reason: String
    }
  }
}

/// Kafka's names of what a listener speaks. SASL is SCRAM-SHA-256 here.
package enum SecurityProtocol: String, Sendable, CaseIterable {
  case plaintext = "PLAINTEXT"
  case ssl = "SSL"
  case saslPlaintext = "SASL_PLAINTEXT"
  case saslSSL = "SASL_SSL"

  /// Whether clients log in.
  package var logsIn: Bool { self == .saslPlaintext || self == .saslSSL }
  package var isEncrypted: Bool { self == .ssl || self == .saslSSL }
}

/// The security of one run, without placeholders.
package struct AskedSecurity: Sendable, Equatable {
  package var securityProtocol: SecurityProtocol
  /// ACLs beside the load's own; nil: no authorizer.
  package var acls: Int?
  /// Quotas far above what the load uses: reckoned for each request and never reached.
  package var hasQuotas = false

  package init(securityProtocol: SecurityProtocol, acls: Int? = nil, hasQuotas: Bool = false) {
    (self.securityProtocol, self.acls, self.hasQuotas) = (securityProtocol, acls, hasQuotas)
  }

  /// Tells runs apart that leave different things in a broker's data.
  package var trace: String {
    "\(securityProtocol.rawValue) acls=\(acls.map(String.init) ?? "none") quotas=\(hasQuotas)"
  }
}
