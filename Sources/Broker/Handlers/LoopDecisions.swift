import Model
import Security

/// What requesters may do with topics, as far as one event loop has looked it up: a connection that writes to the same topics again and again
/// does not have the ACLs searched each time. Forgotten when the ACLs change.
///
/// Confined to one event loop.
final class LoopDecisions {
  /// The decisions for one requester, in the places of `KnownPartitions`' entries.
  final class OfRequester {
    private struct Decision {
      /// The entry for whose topic it was made; 0: none.
      var entry: UInt64 = 0
      var operations: OperationSet = []
    }

    private let snapshot: AccessSnapshot
    private let requester: Requester
    private var decisions = [Decision](repeating: Decision(), count: KnownPartitions.count)

    fileprivate init(_ snapshot: AccessSnapshot, _ requester: Requester) {
      self.snapshot = snapshot
      self.requester = requester
    }

    func operations(on topic: String, slot: Int, number: UInt64) -> OperationSet {
      if decisions[slot].entry == number { return decisions[slot].operations }
      let operations = snapshot.authorizer.operations(requester, on: .topic, topic)
      decisions[slot] = Decision(entry: number, operations: operations)
      return operations
    }
  }

  private let control: AccessControl
  private var snapshot: AccessSnapshot
  private var requesters: [Requester: OfRequester] = [:]

  init(_ control: AccessControl) {
    self.control = control
    snapshot = control.snapshot
  }

  func of(_ requester: Requester) -> OfRequester {
    let now = control.snapshot
    if now !== snapshot || requesters.count >= Limits.loopRequesters { requesters = [:] }
    snapshot = now
    if let known = requesters[requester] { return known }
    let new = OfRequester(now, requester)
    requesters[requester] = new
    return new
  }
}
