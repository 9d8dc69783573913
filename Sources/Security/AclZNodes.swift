import Base

// The z-nodes of ACLs, as Kafka's AclAuthorizer writes them: literal patterns in /kafka-acl, prefixed ones in /kafka-acl-extended, and
// notifications by which other brokers hear of a change.

/// Says what is wrong with the data of a z-node of ACLs.
package struct AclZNodeError: Error, Equatable, CustomStringConvertible {
  package var path: String
  package var reason: String

  package var description: String { "\(path): \(reason)" }
}

/// `/kafka-acl/Topic/T` and `/kafka-acl-extended/prefixed/Topic/T`: the entries of a pattern.
package enum AclZNode {
  package static func parent(_ kind: ResourcePattern.Kind) -> String {
    kind == .literal ? "/kafka-acl" : "/kafka-acl-extended/prefixed"
  }

  package static func parent(_ kind: ResourcePattern.Kind, _ type: ResourceType) -> String {
    "\(parent(kind))/\(type.name)"
  }

  package static func path(_ pattern: ResourcePattern) -> String {
    "\(parent(pattern.kind, pattern.type))/\(pattern.name)"
  }

  /// The nodes that exist before any ACL; parents first.
  package static let roots: [String] = {
    var roots = ["/kafka-acl", "/kafka-acl-extended", "/kafka-acl-extended/prefixed"]
    for kind in ResourcePattern.Kind.allCases {
      roots.append(AclChangeZNode.parent(kind))
      roots += ResourceType.allCases.map { parent(kind, $0) }
    }
    return roots
  }()

  package static func data(_ entries: Set<AclEntry>) -> [UInt8] {
    let acls = entries.sorted(by: AclEntry.precedes).map { entry in
      JSON.object([
        "principal": .string(entry.principal.description), "permissionType": .string(entry.permission.name),
        "operation": .string(entry.operation.name), "host": .string(entry.host),
      ])
    }
    return JSON.object(["version": .int(1), "acls": .array(acls)]).encoded
  }

  package static func entries(_ path: String, data: [UInt8]) throws(AclZNodeError) -> Set<AclEntry> {
    // Kafka's own reader takes an empty node for one without entries.
    guard !data.isEmpty else { return [] }
    let json: JSON
    do { json = try JSON(data) } catch { throw AclZNodeError(path: path, reason: "\(error)") }
    guard json["version"]?.asInt == 1 else { throw AclZNodeError(path: path, reason: "version is not 1") }
    guard let acls = json["acls"]?.asArray else { throw AclZNodeError(path: path, reason: "acls is missing") }
    var entries: Set<AclEntry> = []
    for (index, acl) in acls.enumerated() {
      guard let principal = acl["principal"]?.asString.flatMap({ Principal(parsing: $0) }),
        let permission = acl["permissionType"]?.asString.flatMap({ AclEntry.Permission(named: $0) }),
        let operation = acl["operation"]?.asString.flatMap({ AclOperation(named: $0) }),
        let host = acl["host"]?.asString
      else {
        throw AclZNodeError(path: path, reason: "acls[\(index)] is no principal, permission, operation and host")
      }
      entries.insert(AclEntry(permission, principal, operation, host: host))
    }
    return entries
  }
}

/// `/kafka-acl-changes/acl_changes_NNN` and `/kafka-acl-extended-changes/acl_changes_NNN`: persistent and sequential; names the pattern
/// whose entries have changed.
package enum AclChangeZNode {
  /// Kafka sweeps them after 15 minutes.
  package static let keptMs: Int64 = 15 * 60 * 1000

  package static func parent(_ kind: ResourcePattern.Kind) -> String {
    kind == .literal ? "/kafka-acl-changes" : "/kafka-acl-extended-changes"
  }

  package static func prefix(_ kind: ResourcePattern.Kind) -> String { "\(parent(kind))/acl_changes_" }

  /// For a literal pattern Kafka's text of before there were others, `Topic:T`.
  package static func data(_ pattern: ResourcePattern) -> [UInt8] {
    guard pattern.kind != .literal else { return Array("\(pattern.type.name):\(pattern.name)".utf8) }
    return JSON.object([
      "version": .int(1), "resourceType": .string(pattern.type.constantName), "name": .string(pattern.name),
      "patternType": .string(pattern.kind.constantName),
    ]).encoded
  }

  /// - Returns: nil for data that names no pattern.
  package static func pattern(_ kind: ResourcePattern.Kind, data: [UInt8]) -> ResourcePattern? {
    guard kind != .literal else {
      guard let named = Principal(parsing: String(decoding: data, as: UTF8.self)),
        let type = ResourceType(named: named.type)
      else { return nil }
      return ResourcePattern(type, named.name)
    }
    guard let json = try? JSON(data), let type = json["resourceType"]?.asString.flatMap({ ResourceType(named: $0) }),
      let name = json["name"]?.asString, !name.isEmpty, json["patternType"]?.asString?.lowercased() == "prefixed"
    else { return nil }
    return ResourcePattern(type, name, .prefixed)
  }
}
