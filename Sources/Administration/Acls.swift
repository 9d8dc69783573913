import Base
import Model
package import Security
import Wire

/// Which resources a command about ACLs is about.
package struct AclResources: Sendable {
  package var topics: [String] = []
  package var groups: [String] = []
  package var transactionalIDs: [String] = []
  package var isCluster = false
  /// `literal`, `prefixed`, `any` or `match`.
  package var patternType: String

  package init(patternType: String) { self.patternType = patternType }

  var isEmpty: Bool { topics.isEmpty && groups.isEmpty && transactionalIDs.isEmpty && !isCluster }

  private var named: [(ResourceType, String)] {
    topics.map { (.topic, $0) } + groups.map { (.group, $0) } + transactionalIDs.map { (.transactionalID, $0) }
      + (isCluster ? [(.cluster, ResourcePattern.clusterName)] : [])
  }

  func patterns() throws -> [ResourcePattern] {
    guard
      let kind = [ResourcePattern.Kind.literal, .prefixed].first(where: { $0.constantName.lowercased() == patternType })
    else {
      throw AdministrationError.argument(
        "--resource-pattern-type \(patternType): ACLs are added to literal or prefixed names")
    }
    let patterns = named.map { ResourcePattern($0, $1, $0 == .cluster ? .literal : kind) }
    guard !patterns.isEmpty else {
      throw AdministrationError.argument("give some of --topic, --group, --transactional-id and --cluster")
    }
    for pattern in patterns { if let problem = pattern.problem { throw AdministrationError.argument(problem) } }
    return patterns
  }

  /// - Returns: one filter that finds all, where no resource is named.
  func filters() throws -> [ResourceFilter] {
    let kinds: [String: ResourceFilter.Kind] = [
      "any": .any, "match": .match, "literal": .literal, "prefixed": .prefixed,
    ]
    guard let kind = kinds[patternType] else {
      throw AdministrationError.argument(
        "--resource-pattern-type \(patternType): literal, prefixed, match or any is needed")
    }
    if isEmpty { return [ResourceFilter(kind: kind == .literal ? .any : kind)] }
    return named.map { ResourceFilter(type: $0, name: $1, kind: $0 == .cluster ? .any : kind) }
  }
}

/// The entries that `acls add` makes, and `acls remove` removes, for each resource.
package struct AclEntries: Sendable {
  package var allowed: [Principal] = []
  package var denied: [Principal] = []
  package var allowedHosts: [String] = []
  package var deniedHosts: [String] = []
  package var operations: [AclOperation] = []

  /// - Parameters:
  ///   - operations: by Kafka's names, in any case.
  ///   - allowed: principals, as `User:alice`.
  package init(
    operations: [String], allowed: [String], denied: [String], allowedHosts: [String], deniedHosts: [String]
  ) throws {
    self.operations = try operations.map { name in
      guard let operation = AclOperation(named: name) else {
        let known = AclOperation.allCases.map(\.name)
        throw AdministrationError.argument(
          "--operation \(name): one of \(known.joined(separator: ", ")) is needed\(Refusal.hint(name, known))")
      }
      return operation
    }
    self.allowed = try Self.principals(allowed)
    self.denied = try Self.principals(denied)
    self.allowedHosts = allowedHosts
    self.deniedHosts = deniedHosts
  }

  private static func principals(_ texts: [String]) throws -> [Principal] {
    try texts.map { text in
      guard let principal = Principal(parsing: text) else {
        throw AdministrationError.argument("\(text) is no principal: one is written User:name")
      }
      return principal
    }
  }

  var isEmpty: Bool { allowed.isEmpty && denied.isEmpty }

  /// All of them, with every operation where none is named, from every host where none is named.
  var all: [AclEntry] {
    func entries(_ permission: AclEntry.Permission, _ principals: [Principal], _ hosts: [String]) -> [AclEntry] {
      principals.flatMap { principal in
        (hosts.isEmpty ? [AclEntry.anyHost] : hosts).flatMap { host in
          (operations.isEmpty ? [.all] : operations).map { AclEntry(permission, principal, $0, host: host) }
        }
      }
    }
    return entries(.allow, allowed, allowedHosts) + entries(.deny, denied, deniedHosts)
  }
}

extension ClusterSession {
  /// The number that stands for any value in a filter.
  private static let any: Int8 = 1

  /// Lists the ACLs of resources.
  ///
  /// - Parameter principals: those whose entries are shown; empty: all.
  package func listAcls(_ resources: AclResources, principals: [String]) async throws -> Answer {
    var found: [Acl] = []
    for filter in try resources.filters() { found += try await acls(matching: filter) }
    let shown = principals.isEmpty ? found : found.filter { principals.contains($0.entry.principal.description) }
    return AclText.list(shown)
  }

  /// Adds entries to the ACLs of resources.
  package func addAcls(_ wanted: [(resources: AclResources, entries: AclEntries)]) async throws -> Answer {
    guard wanted.allSatisfy({ !$0.entries.isEmpty }) else {
      throw AdministrationError.argument("give --allow-principal or --deny-principal")
    }
    let acls = try wanted.flatMap { resources, entries in
      try resources.patterns().flatMap { pattern in entries.all.map { Acl(pattern, $0) } }
    }
    for acl in acls {
      guard acl.entry.operation == .all || acl.pattern.type.operations.contains(acl.entry.operation) else {
        throw AdministrationError.argument(
          "\(acl.entry.operation.name) is no operation on a resource of the type \(acl.pattern.type.name)")
      }
    }
    var request = CreateAclsRequest()
    request.creations = acls.map { acl in
      .with {
        $0.resourceType = acl.pattern.type.rawValue
        $0.resourceName = acl.pattern.name
        $0.resourcePatternType = acl.pattern.kind.rawValue
        $0.principal = acl.entry.principal.description
        $0.host = acl.entry.host
        $0.operation = acl.entry.operation.rawValue
        $0.permissionType = acl.entry.permission.rawValue
      }
    }
    let results = try await call(request).results
    var refused: [(Acl, ErrorCode, String?)] = []
    for (acl, result) in zip(acls, results) where result.errorCode != .none {
      refused.append((acl, result.errorCode, result.errorMessage))
    }
    return AclText.changed("Adding", "added", acls, refused)
  }

  /// Removes entries from the ACLs of resources: those that are named, or all.
  package func removeAcls(_ resources: AclResources, _ entries: AclEntries) async throws -> Answer {
    guard !resources.isEmpty else {
      throw AdministrationError.argument("give some of --topic, --group, --transactional-id and --cluster")
    }
    let wanted: [AclEntry?] = entries.isEmpty ? [nil] : entries.all
    var request = DeleteAclsRequest()
    for filter in try resources.filters() {
      request.filters += wanted.map { entry in
        .with {
          $0.resourceTypeFilter = filter.type?.rawValue ?? Self.any
          $0.resourceNameFilter = filter.name
          $0.patternTypeFilter = filter.kind.rawValue
          $0.principalFilter = entry?.principal.description
          $0.hostFilter = entry?.host
          $0.operation = entry?.operation.rawValue ?? Self.any
          $0.permissionType = entry?.permission.rawValue ?? Self.any
        }
      }
    }
    var removed: [Acl] = []
    for result in try await call(request).filterResults {
      try check(result.errorCode, message: result.errorMessage, "removing ACLs")
      for match in result.matchingAcls {
        try check(match.errorCode, message: match.errorMessage, "removing an ACL")
        guard
          let acl = Acl(
            type: match.resourceType, name: match.resourceName, kind: match.patternType, principal: match.principal,
            host: match.host, operation: match.operation, permission: match.permissionType)
        else { continue }
        removed.append(acl)
      }
    }
    return AclText.changed("Removing", "removed", removed, [])
  }

  private func acls(matching filter: ResourceFilter) async throws -> [Acl] {
    var request = DescribeAclsRequest()
    request.resourceTypeFilter = filter.type?.rawValue ?? Self.any
    request.resourceNameFilter = filter.name
    request.patternTypeFilter = filter.kind.rawValue
    request.operation = Self.any
    request.permissionType = Self.any
    let answer = try await call(request)
    try check(answer.errorCode, message: answer.errorMessage, "listing ACLs")
    return answer.resources.flatMap { resource in
      resource.acls.compactMap { acl in
        Acl(
          type: resource.resourceType, name: resource.resourceName, kind: resource.patternType,
          principal: acl.principal, host: acl.host, operation: acl.operation, permission: acl.permissionType)
      }
    }
  }
}

extension Acl {
  /// Nil for numbers that this program does not know.
  fileprivate init?(
    type: Int8, name: String, kind: Int8, principal: String, host: String, operation: Int8, permission: Int8
  ) {
    guard let type = ResourceType(rawValue: type), let kind = ResourcePattern.Kind(rawValue: kind),
      let principal = Principal(parsing: principal), let operation = AclOperation(rawValue: operation),
      let permission = AclEntry.Permission(rawValue: permission)
    else { return nil }
    self.init(ResourcePattern(type, name, kind), AclEntry(permission, principal, operation, host: host))
  }
}

/// ACLs as kafka-acls prints them, and as JSON.
enum AclText {
  static func list(_ acls: [Acl]) -> Answer {
    Answer(lines("Current ACLs", acls), json: .array(sorted(acls).map { json($0) }))
  }

  /// - Parameters:
  ///   - doing: the beginning of the heading.
  ///   - done: the member of the JSON document.
  static func changed(_ doing: String, _ done: String, _ acls: [Acl], _ refused: [(Acl, ErrorCode, String?)]) -> Answer
  {
    let kept = acls.filter { acl in !refused.contains { $0.0 == acl } }
    return Answer(
      lines("\(doing) ACLs", kept),
      json: .object([
        done: .array(sorted(kept).map { json($0) }),
        "refused": .array(
          refused.map { acl, code, message in
            .object(["acl": json(acl), "error": .string(code.name), "message": .text(message)])
          }),
      ]),
      notes: refused.map { "\(name($0.pattern)): \(entry($0.entry)): \(Refusal.text($1, $2))" },
      isRefused: !refused.isEmpty)
  }

  private static func sorted(_ acls: [Acl]) -> [Acl] {
    Set(acls).sorted { one, other in
      let (a, b) = (one.pattern, other.pattern)
      guard a == b else {
        return (a.type.rawValue, a.name, a.kind.rawValue) < (b.type.rawValue, b.name, b.kind.rawValue)
      }
      return AclEntry.precedes(one.entry, other.entry)
    }
  }

  private static func lines(_ heading: String, _ acls: [Acl]) -> [String] {
    var lines: [String] = []
    var last: ResourcePattern?
    for acl in sorted(acls) {
      if acl.pattern != last {
        lines.append("\(heading) for resource `\(name(acl.pattern))`:")
        last = acl.pattern
      }
      lines.append("  \(entry(acl.entry))")
    }
    return lines
  }

  private static func name(_ pattern: ResourcePattern) -> String {
    "ResourcePattern(resourceType=\(pattern.type.constantName), name=\(pattern.name), patternType=\(pattern.kind.constantName))"
  }

  private static func entry(_ entry: AclEntry) -> String {
    "(principal=\(entry.principal), host=\(entry.host), operation=\(entry.operation.constantName), permissionType=\(entry.permission.name.uppercased()))"
  }

  private static func json(_ acl: Acl) -> JSON {
    .object([
      "resource_type": .string(acl.pattern.type.name), "resource_name": .string(acl.pattern.name),
      "pattern_type": .string(acl.pattern.kind.constantName.lowercased()),
      "principal": .string(acl.entry.principal.description), "host": .string(acl.entry.host),
      "operation": .string(acl.entry.operation.name), "permission": .string(acl.entry.permission.name),
    ])
  }
}
