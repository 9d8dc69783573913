/// The entries of one pattern, for quick answers: however many principals have entries, a look at two of them decides.
struct ResourceAcls: Sendable {
  /// The operations that entries of one principal and one host deny and allow.
  struct Rights: Sendable {
    var denied: OperationSet = []
    var allowed: OperationSet = []

    mutating func formUnion(_ other: Rights) {
      denied.formUnion(other.denied)
      allowed.formUnion(other.allowed)
    }
  }

  let entries: Set<AclEntry>
  private let rights: [Principal: [String: Rights]]

  init(_ entries: Set<AclEntry>) {
    self.entries = entries
    var rights: [Principal: [String: Rights]] = [:]
    for entry in entries {
      let operation = OperationSet(entry.operation)
      switch entry.permission {
      case .deny: rights[entry.principal, default: [:]][entry.host, default: Rights()].denied.formUnion(operation)
      case .allow: rights[entry.principal, default: [:]][entry.host, default: Rights()].allowed.formUnion(operation)
      }
    }
    self.rights = rights
  }

  /// Adds what entries say of a principal at a host.
  func add(_ principal: Principal, at host: String, to sum: inout Rights) {
    for who in [principal, AclEntry.anyPrincipal] {
      guard let hosts = rights[who] else { continue }
      if let here = hosts[host] { sum.formUnion(here) }
      if host != AclEntry.anyHost, let anywhere = hosts[AclEntry.anyHost] { sum.formUnion(anywhere) }
    }
  }
}
