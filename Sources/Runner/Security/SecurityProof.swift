import Experiment

/// What a broker showed of its security after a run, held against what was asked for. Pure.
struct SecurityProof: Sendable, Equatable {
  var asked: AskedSecurity
  /// Those that let the load through.
  var ownAcls: Int
  /// All that the broker has; nil where none were asked for.
  var acls: Int?
  /// Limits that hold for the load's client id; nil where none were asked for.
  var quotas: Int?
  /// Whether a client that neither encrypts nor logs in was served at the load's listener.
  var servesPlaintext: Bool
  /// Whether a client with the load's properties was: without that a refusal proves nothing.
  var servesLoad: Bool

  enum Limits {
    /// Bytes produced, bytes consumed, and time.
    static let quotas = 3
  }

  /// Reasons the row does not count.
  var faults: [String] {
    var faults: [String] = []
    if let wanted = asked.acls.map({ $0 + ownAcls }), acls != wanted {
      faults.append("\(wanted) ACLs were to be there, and the broker has \(acls.map(String.init) ?? "no authorizer")")
    }
    if asked.hasQuotas, quotas != Limits.quotas {
      faults.append("\(Limits.quotas) quotas were to hold for the load, and the broker has \(quotas ?? 0)")
    }
    let name = asked.securityProtocol.rawValue
    if servesPlaintext != (asked.securityProtocol == .plaintext) {
      faults.append(
        servesPlaintext
          ? "the load's listener was to speak \(name), and served a client that neither encrypts nor logs in"
          : "the load's listener was to speak \(name), and refused a client that neither encrypts nor logs in")
    }
    if !servesLoad { faults.append("the load's listener refused a client with the load's own properties") }
    return faults
  }
}
