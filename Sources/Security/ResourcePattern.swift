/// The kinds of things that ACLs are about, with Kafka's numbers on the wire and its names in z-nodes.
package enum ResourceType: Int8, CaseIterable, Sendable {
  case topic = 2, group, cluster, transactionalID, delegationToken, user

  /// As in z-nodes: `TransactionalId`.
  package var name: String {
    switch self {
    case .topic: "Topic"
    case .group: "Group"
    case .cluster: "Cluster"
    case .transactionalID: "TransactionalId"
    case .delegationToken: "DelegationToken"
    case .user: "User"
    }
  }

  /// As in the notifications of changed ACLs: `TRANSACTIONAL_ID`.
  package var constantName: String {
    switch self {
    case .transactionalID: "TRANSACTIONAL_ID"
    case .delegationToken: "DELEGATION_TOKEN"
    default: name.uppercased()
    }
  }

  /// Reads a name whatever its case is, with or without underscores.
  package init?(named name: String) {
    let plain = PlainName.of(name)
    guard let found = Self.allCases.first(where: { PlainName.of($0.name) == plain }) else { return nil }
    self = found
  }

  /// The operations that exist for resources of the type.
  package var operations: OperationSet {
    switch self {
    case .topic: OperationSet([.read, .write, .create, .describe, .delete, .alter, .describeConfigs, .alterConfigs])
    case .group: OperationSet([.read, .describe, .delete])
    case .cluster:
      OperationSet([.create, .clusterAction, .describeConfigs, .alterConfigs, .idempotentWrite, .alter, .describe])
    case .transactionalID: OperationSet([.describe, .write])
    case .delegationToken: OperationSet([.describe])
    case .user: OperationSet([.createTokens, .describeTokens])
    }
  }
}

/// Which resources an ACL is about.
package struct ResourcePattern: Hashable, Sendable {
  package enum Kind: Int8, CaseIterable, Sendable {
    /// The resource of that name; `*` stands for all.
    case literal = 3
    /// All resources whose names begin so.
    case prefixed

    /// As in the notifications of changed ACLs: `PREFIXED`.
    package var constantName: String { self == .literal ? "LITERAL" : "PREFIXED" }
  }

  /// The only name of a resource of the type `cluster`.
  package static let clusterName = "kafka-cluster"
  /// The literal name that stands for all resources of a type.
  package static let wildcard = "*"

  package var type: ResourceType
  package var name: String
  package var kind: Kind

  package init(_ type: ResourceType, _ name: String, _ kind: Kind = .literal) {
    self.type = type
    self.name = name
    self.kind = kind
  }

  /// Says why no ACL can be made for it, in Kafka's words; nil where one can.
  package var problem: String? {
    if type == .cluster, name != Self.clusterName {
      return "The only valid name for the CLUSTER resource is \(Self.clusterName)"
    }
    if name.isEmpty { return "Invalid empty resource name" }
    if name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 < 0x20 || $0 == 0x7F }) || name == "." || name == ".."
      || name.utf8.count > SecurityLimits.resourceNameBytes
    {
      return "ACL binding contains invalid resource name: \(name)"
    }
    return nil
  }
}

/// Which patterns a request is about.
package struct ResourceFilter: Hashable, Sendable {
  package enum Kind: Int8, Sendable {
    /// Patterns of either kind with that name.
    case any = 1
    /// The patterns that are about the resource of that name: by their name, by `*`, or by a prefix.
    case match
    case literal, prefixed
  }

  /// nil: any.
  package var type: ResourceType?
  /// nil: any.
  package var name: String?
  package var kind: Kind

  package init(type: ResourceType? = nil, name: String? = nil, kind: Kind = .any) {
    self.type = type
    self.name = name
    self.kind = kind
  }

  package func matches(_ pattern: ResourcePattern) -> Bool {
    if let type, type != pattern.type { return false }
    switch kind {
    case .literal where pattern.kind != .literal: return false
    case .prefixed where pattern.kind != .prefixed: return false
    case .literal, .prefixed, .any: return name == nil || name == pattern.name
    case .match:
      guard let name else { return true }
      switch pattern.kind {
      case .literal: return pattern.name == name || pattern.name == ResourcePattern.wildcard
      case .prefixed: return name.utf8.starts(with: pattern.name.utf8)
      }
    }
  }

  /// The one pattern that it can match; nil where it can match several.
  package var onlyPattern: ResourcePattern? {
    guard let type, let name else { return nil }
    switch kind {
    case .literal: return ResourcePattern(type, name, .literal)
    case .prefixed: return ResourcePattern(type, name, .prefixed)
    case .any, .match: return nil
    }
  }
}
