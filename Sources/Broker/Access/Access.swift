import Model
package import Security
import Synchronization

/// One state of the ACLs, which all that decides by it shares. A change of ACLs makes another object: what was decided by the old one is
/// known to be old because the object is another.
package final class AccessSnapshot: Sendable {
  package let authorizer: Authorizer

  package init(_ authorizer: Authorizer) { self.authorizer = authorizer }
}

/// Holds the ACLs in force; a broker without an authorizer has none, and asks nobody anything. Read under a short lock by requests; replaced
/// on the control lane.
package final class AccessControl: Sendable {
  private let current: Mutex<AccessSnapshot>
  private let metadata: Metadata

  package init(_ authorizer: Authorizer, _ metadata: Metadata) {
    current = Mutex(AccessSnapshot(authorizer))
    self.metadata = metadata
  }

  package var snapshot: AccessSnapshot { current.withLock { $0 } }

  /// What requests of a connection are checked against.
  package func access(of origin: RequestOrigin) -> Access {
    Access(snapshot: snapshot, image: metadata.image, origin: origin)
  }

  /// Called on the control lane alone.
  func replace(_ change: (Authorizer) -> Authorizer) {
    let changed = AccessSnapshot(change(snapshot.authorizer))
    // The old one, perhaps with many ACLs, is freed after the lock.
    let old = current.withLock { current in
      let old = current
      current = changed
      return old
    }
    withExtendedLifetime(old) {}
  }
}

/// What one request may do: the ACLs, and who asks. A request sees one state of both from its beginning to its end.
package struct Access: Sendable {
  let snapshot: AccessSnapshot
  let image: MetadataImage
  let origin: RequestOrigin

  var requester: Requester { origin.requester }

  func operations(on type: ResourceType, _ name: String) -> OperationSet {
    snapshot.authorizer.operations(requester, on: type, name)
  }

  func allows(_ operation: AclOperation, _ type: ResourceType, _ name: String) -> Bool {
    operations(on: type, name).contains(operation)
  }

  /// Whether an operation on the cluster itself is allowed.
  func allowsOnCluster(_ operation: AclOperation) -> Bool { allows(operation, .cluster, ResourcePattern.clusterName) }

  /// Kafka's bit field of what is allowed on a resource, of the operations that its type has.
  func bits(on type: ResourceType, _ name: String) -> Int32 {
    operations(on: type, name).intersection(type.operations).bits
  }

  /// The bit field of the cluster: none for those who may not look at it.
  var clusterBits: Int32 {
    allowsOnCluster(.describe) ? bits(on: .cluster, ResourcePattern.clusterName) : 0
  }

  /// Takes out of a list what an operation is not allowed on, and returns it; both keep their order.
  ///
  /// - Parameter name: the name of an element's resource; one without a name is left in the list.
  func withhold<Element>(
    _ elements: inout [Element], _ operation: AclOperation, _ type: ResourceType, _ name: (Element) -> String?
  ) -> [Element] {
    var refused: [Element] = []
    var kept: [Element] = []
    for element in elements {
      if let name = name(element), !allows(operation, type, name) {
        refused.append(element)
      } else {
        kept.append(element)
      }
    }
    if !refused.isEmpty { elements = kept }
    return refused
  }
}
