import Cluster
import Coordination
import Logging
import Model
import Security

// ACLs in the tree. Every broker changes them itself, as in Kafka with ZooKeeper, and hears of others' changes by notifications.

extension ControllerRunner {
  /// Changes the entries of patterns, in the tree and then here.
  ///
  /// - Parameters:
  ///   - patterns: says, on the control lane, which patterns are concerned by what is in force then.
  ///   - then: gets the changes, on the control lane.
  func changeAcls(
    _ access: AccessControl, _ patterns: @escaping @Sendable (Authorizer) -> [ResourcePattern],
    _ change: @escaping @Sendable (ResourcePattern, inout Set<AclEntry>) -> Void,
    then: @escaping @Sendable (Result<[ResourcePattern: AclChange], ApiError>) -> Void
  ) {
    enqueue(
      .work { runner, state in
        do {
          let changes = try state.tree.changeAcls(patterns(access.snapshot.authorizer), change)
          access.replace { $0.replacing(changes.mapValues(\.after)) }
          then(.success(changes))
          try? state.tree.sweepAclChanges(nowMs: runner.nowMs())
        } catch {
          runner.log.error("ACLs cannot be changed", metadata: ["reason": "\(error)"])
          then(.failure(ApiError(.unknownServerError, "The ACLs cannot be changed: \(error)")))
        }
      })
  }

  /// Reads the patterns that notifications name which came since the last look; all patterns, where the session is new.
  func lookAtAcls(_ kind: ResourcePattern.Kind, isNew: Bool = false, _ state: inout State) throws {
    guard let access else { return }
    let watch: Membership.Watch = kind == .literal ? .acls : .prefixedAcls
    let parent = AclChangeZNode.parent(kind)
    let names = try read(watch, .aclsChanged(kind), &state) { (tree, watch) throws(ZNodeError) in
      try tree.children(of: parent, watch: watch)
    }
    let last = state.membership.lastAclChange[kind] ?? ""
    if let newest = names.last { state.membership.lastAclChange[kind] = newest }
    if isNew {
      let acls = try state.tree.acls()
      return access.replace { $0.replacingAll(acls) }
    }
    var patterns: Set<ResourcePattern> = []
    for (name, node) in zip(names, try state.tree.get(all: names.map { "\(parent)/\($0)" })) where name > last {
      guard let node, let pattern = AclChangeZNode.pattern(kind, data: node.data) else { continue }
      patterns.insert(pattern)
    }
    guard !patterns.isEmpty else { return }
    do {
      let changed = try state.tree.acls(of: Array(patterns))
      access.replace { $0.replacing(changed) }
    } catch let error as AclZNodeError {
      // What was in force stays so.
      log.error("a changed ACL cannot be read", metadata: ["reason": "\(error)"])
    }
  }
}

extension LocalBroker {
  /// Reads the ACLs before anybody is served. Waits for the tree.
  func readAcls(_ tree: any ZNodeTree) throws {
    guard let access else { return }
    do {
      try tree.makeAclRoots()
      let acls = try tree.acls()
      access.replace { $0.replacingAll(acls) }
    } catch let error as ZNodeError {
      throw StartRefusal(error)
    } catch {
      throw RegistryError("the ACLs cannot be read: \(error)")
    }
  }
}
