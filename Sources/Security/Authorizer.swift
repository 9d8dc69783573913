import Base

/// Who asks: the principal of a connection, and the address from which it came.
package struct Requester: Hashable, Sendable {
  package var principal: Principal
  /// An IP address as text.
  package var host: String

  package init(_ principal: Principal, host: String) {
    self.principal = principal
    self.host = host
  }
}

/// Decides who may do what, by Kafka's rules: super users may everything; a deny counts before an allow; a resource that no ACL is about is
/// for super users alone, or for everyone where `allow.everyone.if.no.acl.found` says so.
///
/// An immutable snapshot: a change of ACLs makes another one, which takes the place of the old one whole.
package struct Authorizer: Sendable {
  private let superUsers: Set<Principal>
  /// `allow.everyone.if.no.acl.found`.
  private let allowsEveryoneWithoutAcl: Bool
  private var acls: [ResourcePattern: ResourceAcls]
  private var prefixed: [ResourceType: PrefixIndex<ResourceAcls>] = [:]

  package init(superUsers: Set<Principal> = [], allowsEveryoneWithoutAcl: Bool = false, _ acls: [Acl] = []) {
    self.superUsers = superUsers
    self.allowsEveryoneWithoutAcl = allowsEveryoneWithoutAcl
    var entries: [ResourcePattern: Set<AclEntry>] = [:]
    for acl in acls { entries[acl.pattern, default: []].insert(acl.entry) }
    self.acls = entries.mapValues { ResourceAcls($0) }
    for type in ResourceType.allCases { index(type) }
  }

  private mutating func index(_ type: ResourceType) {
    prefixed[type] = PrefixIndex(
      acls.compactMap { pattern, acls in
        pattern.type == type && pattern.kind == .prefixed ? (pattern.name, acls) : nil
      })
  }

  /// Returns the snapshot after changes; a pattern without entries has no ACL.
  package func replacing(_ changes: [ResourcePattern: Set<AclEntry>]) -> Authorizer {
    var changed = self
    for (pattern, entries) in changes { changed.acls[pattern] = entries.isEmpty ? nil : ResourceAcls(entries) }
    for type in Set(changes.keys.lazy.filter { $0.kind == .prefixed }.map(\.type)) { changed.index(type) }
    return changed
  }

  /// Returns the snapshot with these ACLs and no others.
  package func replacingAll(_ acls: [Acl]) -> Authorizer {
    Authorizer(superUsers: superUsers, allowsEveryoneWithoutAcl: allowsEveryoneWithoutAcl, acls)
  }

  // MARK: Decisions

  package func isSuperUser(_ principal: Principal) -> Bool { superUsers.contains(principal) }

  /// The operations that a requester may carry out on a resource.
  package func operations(_ requester: Requester, on type: ResourceType, _ name: String) -> OperationSet {
    guard !isSuperUser(requester.principal) else { return .every }
    #if DEBUG
    if PlantedFault.asksNoAcl.isPlanted { return .every }
    #endif
    var rights = ResourceAcls.Rights()
    var hasAcl = false
    func add(_ acls: ResourceAcls?) {
      guard let acls else { return }
      hasAcl = true
      acls.add(requester.principal, at: requester.host, to: &rights)
    }
    add(acls[ResourcePattern(type, name)])
    if name != ResourcePattern.wildcard { add(acls[ResourcePattern(type, ResourcePattern.wildcard)]) }
    prefixed[type]?.forEachPrefix(of: name) { add($0) }
    guard hasAcl else { return allowsEveryoneWithoutAcl ? .every : [] }
    return rights.allowed.granted(except: rights.denied)
  }

  package func allows(
    _ requester: Requester, _ operation: AclOperation, on type: ResourceType, _ name: String
  ) -> Bool {
    operations(requester, on: type, name).contains(operation)
  }

  /// Whether there is a resource of the type, by whatever name, on which the requester may carry out the operation: a producer without
  /// a transactional id needs the right to write to some topic.
  package func allowsOnAny(_ requester: Requester, _ operation: AclOperation, of type: ResourceType) -> Bool {
    guard !isSuperUser(requester.principal) else { return true }
    let asked = OperationSet([operation, .all])
    var denied: [ResourcePattern] = []
    var allowed: [ResourcePattern] = []
    for (pattern, acls) in acls where pattern.type == type {
      var rights = ResourceAcls.Rights()
      acls.add(requester.principal, at: requester.host, to: &rights)
      if !rights.denied.isDisjoint(with: asked) { denied.append(pattern) }
      if rights.allowed.granted(except: []).contains(operation) { allowed.append(pattern) }
    }
    if denied.contains(where: { $0.kind == .literal && $0.name == ResourcePattern.wildcard }) { return false }
    if allowsEveryoneWithoutAcl { return true }
    let deniedPrefixes = denied.filter { $0.kind == .prefixed }.map(\.name)
    let deniedNames = Set(denied.filter { $0.kind == .literal }.map(\.name))
    return allowed.contains { pattern in
      if pattern.kind == .literal, pattern.name == ResourcePattern.wildcard { return true }
      if pattern.kind == .literal, deniedNames.contains(pattern.name) { return false }
      return !deniedPrefixes.contains { pattern.name.utf8.starts(with: $0.utf8) }
    }
  }

  // MARK: The ACLs

  package var count: Int { acls.values.reduce(0) { $0 + $1.entries.count } }

  package func entries(of pattern: ResourcePattern) -> Set<AclEntry> { acls[pattern]?.entries ?? [] }

  package var patterns: [ResourcePattern] { Array(acls.keys) }

  /// The patterns that a filter is about, in the order of their types, names and kinds.
  package func patterns(matching filter: ResourceFilter) -> [ResourcePattern] {
    if let only = filter.onlyPattern { return acls[only] == nil ? [] : [only] }
    return acls.keys.filter { filter.matches($0) }.sorted {
      ($0.type.rawValue, $0.name, $0.kind.rawValue) < ($1.type.rawValue, $1.name, $1.kind.rawValue)
    }
  }

  /// The ACLs that a filter is about, in the order of their patterns, each pattern's in that of their principals.
  package func acls(matching filter: AclFilter) -> [(pattern: ResourcePattern, entries: [AclEntry])] {
    patterns(matching: filter.resource).compactMap { pattern in
      let found = entries(of: pattern).filter { filter.matches($0) }
      return found.isEmpty ? nil : (pattern, found.sorted(by: AclEntry.precedes))
    }
  }
}

extension AclEntry {
  /// An order in which entries are written and shown, the same every time.
  package static func precedes(_ one: AclEntry, _ other: AclEntry) -> Bool {
    (one.principal.description, one.host, one.operation.rawValue, one.permission.rawValue)
      < (other.principal.description, other.host, other.operation.rawValue, other.permission.rawValue)
  }
}
