import Model
import NIOCore
import Security
import Testing
import Wire

@testable import Broker

/// Walks the table of rights with a principal that may do everything but one thing.
@Suite struct AccessTableTests {
  /// A right: an operation on the resources of a type.
  private struct Right: Hashable, CustomStringConvertible {
    let operation: AclOperation
    let type: ResourceType

    init(_ operation: AclOperation, _ type: ResourceType) {
      self.operation = operation
      self.type = type
    }

    static let all = ResourceType.allCases.flatMap { type in
      AclOperation.allCases.filter { type.operations.contains($0) }.map { Right($0, type) }
    }

    var pattern: ResourcePattern {
      ResourcePattern(type, type == .cluster ? ResourcePattern.clusterName : ResourcePattern.wildcard)
    }

    var denied: Acl { Acl(pattern, AclEntry(.deny, .anonymous, operation)) }
    var description: String { "\(operation.name) on \(type.name)" }
  }

  private static let everything = ResourceType.allCases.map { type in
    Acl(Right(.all, type).pattern, AclEntry(.allow, .anonymous, .all))
  }

  private func deny(_ rights: [Right], _ broker: TestBroker) throws {
    let access = try #require(broker.broker.access)
    access.replace { $0.replacingAll(Self.everything + rights.map(\.denied)) }
  }

  /// The errors of authorisation anywhere in a response.
  private static func refusals(in value: Any) -> Set<ErrorCode> {
    if let code = value as? ErrorCode {
      return code.name.hasSuffix("AUTHORIZATION_FAILED") ? [code] : []
    }
    if value is ByteBuffer || value is String { return [] }
    return Mirror(reflecting: value).children.reduce(into: []) { $0.formUnion(refusals(in: $1.value)) }
  }

  private func ask<R: GuardedRequest>(_ request: R, _ version: Int16, _ client: TestClient) throws -> Set<ErrorCode> {
    Self.refusals(in: try client.ask(request, version: version))
  }

  /// A broker with an authorizer whose tree other brokers could share, so that it serves the APIs between brokers too.
  private func withGuardedBroker(_ body: (TestBroker, TestClient) throws -> Void) throws {
    try withDirectory { directory in
      let cluster = TestCluster(
        in: directory,
        [
          "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer", "default.replication.factor": "9",
          "group.initial.rebalance.delay.ms": "0",
        ]
      ) { _ in [:] }
      defer { cluster.stopAll() }
      try cluster.start(1)
      try body(try cluster.broker(1), try cluster.connect(to: 1))
    }
  }

  @Test func `every API that is served has a row, and a request by which the row is walked`() throws {
    try withGuardedBroker { broker, _ in
      let served = Set(broker.broker.makeHandlerTable().handlers.map(\.api.key))
      #expect(served.subtracting(AccessSample.all.map(\.key)) == [])
    }
  }

  @Test func `a principal that lacks one right sees just what the table says refused`() throws {
    try withGuardedBroker { broker, client in
      var seen: [Int16: Set<String>] = [:]
      for sample in AccessSample.all where sample.isSent {
        let lacking = sample.lacking.map { Right($0, $1) }
        try deny(lacking, broker)
        let before = try ask(sample.request, sample.version, client)
        #expect(before == [], "\(type(of: sample.request)) v\(sample.version) of who may do all")
        for right in Right.all where !lacking.contains(right) {
          try deny(lacking + [right], broker)
          let found = try ask(sample.request, sample.version, client)
          let expected = Set(
            sample.row.needs.filter { $0.resource == right.type && $0.operations.contains(right.operation) }
              .compactMap(\.refusal.code))
          #expect(
            found.isSubset(of: expected),
            "\(type(of: sample.request)) v\(sample.version) without \(right): \(found), and the table says \(expected)")
          for code in found { seen[sample.key, default: []].insert("\(right): \(code.name)") }
        }
      }
      // Each row is walked to its end: what the table says is refused was seen refused.
      for sample in AccessSample.all {
        for need in sample.row.needs {
          guard let code = need.refusal.code else { continue }
          // Nobody is in a group here: an API's own test sees what it says of members.
          if need.when?.hasPrefix("a member of the group") == true { continue }
          for operation in need.operations {
            let right = "\(Right(operation, need.resource)): \(code.name)"
            #expect(seen[sample.key]?.contains(right) == true, "\(type(of: sample.request)) is served without \(right)")
          }
        }
      }
    }
  }

  @Test func `a stranger gets nothing but the versions of APIs and the brokers`() throws {
    try withGuardedBroker { broker, client in
      for sample in AccessSample.all where !sample.row.needs.isEmpty {
        let asks = sample.row.needs.contains { $0.refusal.code != nil }
        let found = try ask(sample.request, sample.version, client)
        if asks, sample.mentionsSomething {
          #expect(found != [], "\(type(of: sample.request)) v\(sample.version)")
        }
      }
    }
  }
}

extension AccessNeed.Refusal {
  fileprivate var code: ErrorCode? {
    switch self {
    case .part(let code), .whole(let code): code
    case .leftOut: nil
    }
  }
}

extension AccessSample {
  /// Whether there is something in the request to be refused: who asks for all topics gets an empty list.
  fileprivate var mentionsSomething: Bool {
    switch request {
    case let metadata as MetadataRequest: metadata.topics?.isEmpty == false
    case let partitions as DescribeTopicPartitionsRequest: !partitions.topics.isEmpty
    default: true
    }
  }
}
