import Coordination
import Security

/// The entries of a pattern before and after a change.
struct AclChange: Sendable {
  var before: Set<AclEntry>
  var after: Set<AclEntry>
}

extension ZNodeTree {
  /// Makes what is missing of the nodes that exist before any ACL. Other brokers may make them at the same time.
  func makeAclRoots() throws(ZNodeError) {
    for (path, node) in zip(AclZNode.roots, try get(all: AclZNode.roots)) where node == nil {
      do throws(ZNodeError) { try create(path) } catch {
        guard error.code == .nodeExists else { throw error }
      }
    }
  }

  /// Reads all ACLs.
  ///
  /// - Throws: also for an entry that is none: an ACL that is passed over might be the one that denies.
  func acls() throws -> [Acl] {
    var patterns: [ResourcePattern] = []
    for kind in ResourcePattern.Kind.allCases {
      for type in ResourceType.allCases {
        let parent = AclZNode.parent(kind, type)
        // A cluster of before a type existed has no node for it.
        guard try exists(parent) != nil else { continue }
        patterns += try children(of: parent).map { ResourcePattern(type, $0, kind) }
      }
    }
    return try acls(of: patterns).flatMap { pattern, entries in entries.map { Acl(pattern, $0) } }
  }

  /// Reads the entries of patterns; none of one that has no node.
  func acls(of patterns: [ResourcePattern]) throws -> [ResourcePattern: Set<AclEntry>] {
    var found: [ResourcePattern: Set<AclEntry>] = [:]
    let paths = patterns.map { AclZNode.path($0) }
    for (index, node) in try get(all: paths).enumerated() {
      found[patterns[index]] = try node.map { try AclZNode.entries(paths[index], data: $0.data) } ?? []
    }
    return found
  }

  /// Changes the entries of patterns, each with a notification to other brokers, as many in one write as it takes. A pattern that another
  /// broker changes at the same time is changed after it.
  func changeAcls(
    _ patterns: [ResourcePattern], _ change: (ResourcePattern, inout Set<AclEntry>) -> Void
  ) throws -> [ResourcePattern: AclChange] {
    var done: [ResourcePattern: AclChange] = [:]
    var left = patterns
    for _ in 0..<Limits.securityAttempts {
      var write = AclWrite()
      let paths = left.map { AclZNode.path($0) }
      do {
        for (index, node) in try get(all: paths).enumerated() {
          let pattern = left[index]
          let before = try node.map { try AclZNode.entries(paths[index], data: $0.data) } ?? []
          var after = before
          change(pattern, &after)
          let operations = AclWrite.operations(pattern, node, AclChange(before: before, after: after))
          if write.bytes + operations.bytes > largestMulti { try write.perform(self, &done) }
          write.add(pattern, AclChange(before: before, after: after), operations)
        }
        try write.perform(self, &done)
        return done
      } catch let error as ZNodeError {
        switch error.code {
        case .badVersion, .nodeExists, .noNode: left.removeAll { done[$0] != nil }
        default: throw error
        }
      }
    }
    throw ZNodeError(.badVersion, "/kafka-acl", detail: "other brokers change the same ACLs again and again")
  }

  /// Removes the notifications that every broker has read by now: those older than Kafka keeps them.
  func sweepAclChanges(nowMs: Int64) throws(ZNodeError) {
    for kind in ResourcePattern.Kind.allCases {
      for name in try children(of: AclChangeZNode.parent(kind)) {
        let path = "\(AclChangeZNode.parent(kind))/\(name)"
        // They are in the order of their making.
        guard let stat = try exists(path), stat.ctime < nowMs - AclChangeZNode.keptMs else { break }
        do throws(ZNodeError) { try delete(path) } catch {
          guard error.code == .noNode else { throw error }
        }
      }
    }
  }
}

/// The changes of one write of the tree.
private struct AclWrite {
  private var changes: [ResourcePattern: AclChange] = [:]
  private var operations: [ZNodeOperation] = []
  private(set) var bytes = 0

  static func operations(_ pattern: ResourcePattern, _ node: ZNode?, _ change: AclChange) -> [ZNodeOperation] {
    guard change.after != change.before else { return [] }
    let path = AclZNode.path(pattern)
    let data = AclZNode.data(change.after)
    let write: ZNodeOperation =
      if let node {
        change.after.isEmpty
          ? .delete(path: path, version: node.stat.version) : .set(path: path, data: data, version: node.stat.version)
      } else {
        .create(path: path, data: data)
      }
    return [
      write,
      .create(
        path: AclChangeZNode.prefix(pattern.kind), data: AclChangeZNode.data(pattern), mode: .persistentSequential),
    ]
  }

  mutating func add(_ pattern: ResourcePattern, _ change: AclChange, _ operations: [ZNodeOperation]) {
    changes[pattern] = change
    self.operations += operations
    bytes += operations.bytes
  }

  mutating func perform(_ tree: any ZNodeTree, _ done: inout [ResourcePattern: AclChange]) throws(ZNodeError) {
    if !operations.isEmpty { try tree.multi(operations) }
    done.merge(changes) { $1 }
    self = AclWrite()
  }
}

extension [ZNodeOperation] {
  fileprivate var bytes: Int { reduce(0) { $0 + $1.bytes } }
}
