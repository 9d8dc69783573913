/// One entry of an ACL: a principal that comes from a host may, or may not, do something.
package struct AclEntry: Hashable, Sendable {
  package enum Permission: Int8, CaseIterable, Sendable {
    case deny = 2, allow

    /// As in z-nodes.
    package var name: String { self == .deny ? "Deny" : "Allow" }

    package init?(named name: String) {
      let plain = PlainName.of(name)
      guard let found = Self.allCases.first(where: { PlainName.of($0.name) == plain }) else { return nil }
      self = found
    }
  }

  /// The host that stands for all.
  package static let anyHost = "*"
  /// Stands for every principal.
  package static let anyPrincipal = Principal(name: "*")

  package var principal: Principal
  /// An IP address, or `*`.
  package var host: String
  package var operation: AclOperation
  package var permission: Permission

  package init(_ permission: Permission, _ principal: Principal, _ operation: AclOperation, host: String = anyHost) {
    self.principal = principal
    self.host = host
    self.operation = operation
    self.permission = permission
  }
}

/// An entry with the pattern that it belongs to.
package struct Acl: Hashable, Sendable {
  package var pattern: ResourcePattern
  package var entry: AclEntry

  package init(_ pattern: ResourcePattern, _ entry: AclEntry) {
    self.pattern = pattern
    self.entry = entry
  }
}

/// Which ACLs a request is about; what is nil is any.
package struct AclFilter: Hashable, Sendable {
  package var resource: ResourceFilter
  /// As text: a filter may name what is no principal, and then finds nothing.
  package var principal: String?
  package var host: String?
  package var operation: AclOperation?
  package var permission: AclEntry.Permission?

  package init(
    _ resource: ResourceFilter = ResourceFilter(), principal: String? = nil, host: String? = nil,
    operation: AclOperation? = nil, permission: AclEntry.Permission? = nil
  ) {
    self.resource = resource
    self.principal = principal
    self.host = host
    self.operation = operation
    self.permission = permission
  }

  package func matches(_ entry: AclEntry) -> Bool {
    if let host, host != entry.host { return false }
    if let operation, operation != entry.operation { return false }
    if let permission, permission != entry.permission { return false }
    return principal == nil || principal == entry.principal.description
  }
}
