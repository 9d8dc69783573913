package import Model
package import Security
package import Wire

/// One right that an API asks for.
package struct AccessNeed: Hashable, Sendable {
  /// What a principal sees that lacks the right.
  package enum Refusal: Hashable, Sendable {
    /// That error in the place of the topic, the group or the transactional id; the rest of the request is served.
    case part(ErrorCode)
    /// The response says nothing of what it is about.
    case leftOut
    /// That error as the only response.
    case whole(ErrorCode)
  }

  /// Any one of them is enough.
  package let operations: [AclOperation]
  package let resource: ResourceType
  package let refusal: Refusal
  /// When the right is asked for; nil: always.
  package let when: String?

  package init(_ operations: AclOperation..., on resource: ResourceType, _ refusal: Refusal, when: String? = nil) {
    self.operations = operations
    self.resource = resource
    self.refusal = refusal
    self.when = when
  }
}

/// One row of the table of rights: what an API asks for. docs/authorization.md shows the table.
package struct AccessRow: Sendable {
  package let needs: [AccessNeed]
  /// What the needs do not say.
  package let note: String?

  package init(_ needs: AccessNeed..., note: String? = nil) {
    self.needs = needs
    self.note = note
  }

  /// Served to everybody.
  package static let open = AccessRow()

  /// For brokers alone.
  package static func ofCluster(_ operation: AclOperation = .clusterAction) -> AccessRow {
    AccessRow(AccessNeed(operation, on: .cluster, .whole(.clusterAuthorizationFailed)))
  }
}

/// What becomes of a request.
package enum AccessCheck<Answer: Response>: Sendable {
  /// It is served as it is.
  case allowed
  /// It is answered so, and no handler sees it.
  case refused(Answer)
  /// It is served without what was taken out of it, and the response is completed.
  case partly(@Sendable (inout Answer) -> Void)

  /// Serves what is left of a request; where nothing is, its handler is not asked.
  static func partly(isEmpty: Bool, _ complete: @escaping @Sendable (inout Answer) -> Void) -> AccessCheck {
    guard isEmpty else { return .partly(complete) }
    var answer = Answer()
    complete(&answer)
    return .refused(answer)
  }
}

/// A request of an API with a row in the table of rights. The handler table takes no other, so that no API is served that asks for nothing by
/// mistake.
protocol GuardedRequest: Request {
  static var access: AccessRow { get }

  /// Takes out of the request what the principal may not ask for. Called only where there is an authorizer.
  mutating func check(_ access: Access, version: Int16) -> AccessCheck<Answer>

  /// Whether the client wants no answer.
  var isUnanswered: Bool { get }

  /// Takes out of the request what makes or removes more partitions than the client's quota allows now.
  ///
  /// - Returns: what completes the response; nil where nothing was taken out.
  mutating func withhold(_ charge: QuotaCharge, version: Int16) -> (@Sendable (inout Answer) -> Void)?

  /// What of it counts against quotas of bytes.
  var quotaBytes: QuotaCharge.Bytes { get }

  /// Whether it comes from a broker, of whom no quota is asked.
  var isByBroker: Bool { get }
}

extension GuardedRequest {
  var isUnanswered: Bool { false }
  mutating func withhold(_ charge: QuotaCharge, version: Int16) -> (@Sendable (inout Answer) -> Void)? { nil }
  var quotaBytes: QuotaCharge.Bytes { .none }
  var isByBroker: Bool { Self.access.needs.contains { $0.operations == [.clusterAction] && $0.when == nil } }
}

/// A request that everybody may make.
protocol OpenRequest: GuardedRequest {}

extension OpenRequest {
  package static var access: AccessRow { .open }
  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<Answer> { .allowed }
}

/// A response with one error for all of it.
protocol WholeError: Response {
  var errorCode: ErrorCode { get set }
}

extension WholeError {
  static func refusing(_ code: ErrorCode) -> Self {
    var response = Self()
    response.errorCode = code
    return response
  }
}

/// A request that is refused whole where one right on the cluster is lacking.
protocol ClusterGuarded: GuardedRequest where Answer: WholeError {}

extension ClusterGuarded {
  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<Answer> {
    for need in Self.access.needs where !need.operations.contains(where: { access.allowsOnCluster($0) }) {
      return .refused(.refusing(.clusterAuthorizationFailed))
    }
    return .allowed
  }
}

/// An `Amendment` of some API.
protocol AnyAmendment: AnyObject, Sendable {}

/// What completes a response that was served in part, before it is written.
final class Amendment<Answer: Response>: AnyAmendment {
  let complete: @Sendable (inout Answer) -> Void

  init(_ complete: @escaping @Sendable (inout Answer) -> Void) { self.complete = complete }
}

extension OperationSet {
  /// What an API tells of each resource where there is no authorizer: everything.
  static func bits(of type: ResourceType) -> Int32 { type.operations.bits }
}
