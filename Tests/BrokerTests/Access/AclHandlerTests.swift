import Model
import NIOCore
import Security
import Testing
import Wire

@testable import Broker

extension TestClient {
  func createAcls(_ acls: [Acl]) throws -> [ErrorCode] {
    try ask(
      CreateAclsRequest.with {
        $0.creations = acls.map { acl in
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
      }, version: 3
    ).results.map(\.errorCode)
  }

  /// All ACLs: `Topic LITERAL t: User:alice Allow Read`.
  func describeAcls() throws -> [String] {
    let answer = try ask(
      DescribeAclsRequest.with {
        ($0.resourceTypeFilter, $0.patternTypeFilter, $0.operation, $0.permissionType) = (1, 1, 1, 1)
      }, version: 3)
    #expect(answer.errorCode == .none)
    return answer.resources.flatMap { resource in
      resource.acls.map { acl in
        "\(ResourceType(rawValue: resource.resourceType)!.name) \(ResourcePattern.Kind(rawValue: resource.patternType)!.constantName) \(resource.resourceName): \(acl.principal) \(AclEntry.Permission(rawValue: acl.permissionType)!.name) \(AclOperation(rawValue: acl.operation)!.name)"
      }
    }
  }
}

@Suite struct AclHandlerTests {
  private static let authorizer = [
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer", "super.users": "User:admin;User:ANONYMOUS",
  ]
  private let alice = Principal(name: "alice")

  private func acl(_ name: String, _ kind: ResourcePattern.Kind = .literal, _ operation: AclOperation = .read) -> Acl {
    Acl(ResourcePattern(.topic, name, kind), AclEntry(.allow, alice, operation))
  }

  @Test func `without an authorizer every API of ACLs says so`() throws {
    try withBroker { broker in
      let client = try broker.connect()
      #expect(try client.createAcls([acl("t")]) == [.securityDisabled])
      #expect(try client.ask(DescribeAclsRequest(), version: 3).errorCode == .securityDisabled)
      let deleted = try client.ask(DeleteAclsRequest.with { $0.filters = [.init()] }, version: 3)
      #expect(deleted.filterResults.map(\.errorCode) == [.securityDisabled])
    }
  }

  @Test func `ACLs that were created are described, until they are deleted`() throws {
    try withBroker(Self.authorizer) { broker in
      let client = try broker.connect()
      #expect(
        try client.createAcls([acl("t"), acl("t", .literal, .write), acl("p-", .prefixed)]) == [.none, .none, .none])
      // The same again changes nothing.
      #expect(try client.createAcls([acl("t")]) == [.none])
      #expect(
        try client.describeAcls() == [
          "Topic PREFIXED p-: User:alice Allow Read", "Topic LITERAL t: User:alice Allow Read",
          "Topic LITERAL t: User:alice Allow Write",
        ])
      let deleted = try client.ask(
        DeleteAclsRequest.with {
          $0.filters = [
            .with {
              ($0.resourceTypeFilter, $0.resourceNameFilter, $0.patternTypeFilter, $0.operation, $0.permissionType) = (
                2, "t", 1, 3, 1
              )
            },
            .with {
              ($0.resourceTypeFilter, $0.resourceNameFilter, $0.patternTypeFilter, $0.operation, $0.permissionType) = (
                2, "p-x", 2, 1, 1
              )
            },
            .with { ($0.resourceTypeFilter, $0.patternTypeFilter, $0.operation, $0.permissionType) = (3, 1, 1, 1) },
          ]
        }, version: 3)
      #expect(deleted.filterResults.map { $0.matchingAcls.map(\.resourceName) } == [["t"], ["p-"], []])
      #expect(try client.describeAcls() == ["Topic LITERAL t: User:alice Allow Write"])
    }
  }

  @Test func `ACLs that cannot be are refused one by one`() throws {
    try withBroker(Self.authorizer) { broker in
      let client = try broker.connect()
      let wrong = [
        acl(""), acl("a/b"), Acl(ResourcePattern(.cluster, "other"), AclEntry(.allow, alice, .read)), acl("good"),
      ]
      #expect(try client.createAcls(wrong) == [.invalidRequest, .invalidRequest, .invalidRequest, .none])
      let unknown = try client.ask(
        CreateAclsRequest.with {
          $0.creations = [
            .with {
              ($0.resourceType, $0.resourceName, $0.principal, $0.host, $0.operation, $0.permissionType) = (
                2, "t", "alice", "*", 3, 3
              )
            },
            .with {
              ($0.resourceType, $0.resourceName, $0.principal, $0.host, $0.operation, $0.permissionType) = (
                2, "t", "User:a", "*", 1, 3
              )
            },
            .with {
              ($0.resourceType, $0.resourceName, $0.principal, $0.host, $0.operation, $0.permissionType) = (
                99, "t", "User:a", "*", 3, 3
              )
            },
          ]
        }, version: 3)
      #expect(unknown.results.map(\.errorCode) == [.invalidRequest, .invalidRequest, .invalidRequest])
      let filter = try client.ask(DescribeAclsRequest.with { $0.patternTypeFilter = 9 }, version: 3)
      #expect(filter.errorCode == .invalidRequest)
      #expect(try client.describeAcls() == ["Topic LITERAL good: User:alice Allow Read"])
    }
  }

  @Test func `ACLs are there after a restart`() throws {
    try withDirectory { directory in
      var broker = try TestBroker.start(in: directory, Self.authorizer)
      #expect(try broker.connect().createAcls([acl("t"), acl("p-", .prefixed)]) == [.none, .none])
      broker.running.stop()
      broker = try TestBroker.start(in: directory, Self.authorizer)
      defer { broker.running.stop() }
      #expect(try broker.connect().describeAcls().count == 2)
    }
  }

  @Test func `a topic that may not be described is hidden, and told as refused when it is named`() throws {
    try withBroker(
      ["authorizer.class.name": "kafka.security.authorizer.AclAuthorizer", "super.users": "User:admin"]
    ) { broker in
      let access = try #require(broker.broker.access)
      func allow(_ acls: [Acl]) { access.replace { $0.replacingAll(acls) } }
      func entry(_ operation: AclOperation, _ type: ResourceType, _ name: String) -> Acl {
        Acl(ResourcePattern(type, name), AclEntry(.allow, .anonymous, operation))
      }
      allow([entry(.create, .cluster, ResourcePattern.clusterName), entry(.describeConfigs, .topic, "*")])
      let client = try broker.connect()
      for name in ["seen", "hidden"] { try client.createTopic(name) }
      allow([entry(.describe, .topic, "seen"), entry(.read, .topic, "seen")])
      #expect(try client.ask(MetadataRequest(), version: 9).topics.map(\.name) == ["seen"])
      let named = try client.ask(
        MetadataRequest.with {
          $0.topics = [.with { $0.name = "hidden" }, .with { $0.name = "seen" }, .with { $0.name = "new" }]
          $0.includeTopicAuthorizedOperations = true
        }, version: 9
      ).topics
      #expect(named.map(\.name) == ["seen", "hidden", "new"])
      #expect(named.map(\.errorCode) == [.none, .topicAuthorizationFailed, .topicAuthorizationFailed])
      #expect(named[0].topicAuthorizedOperations == OperationSet([.read, .describe]).bits)
      let batch = try Batches.of([String(repeating: "x", count: 10)])
      #expect(try client.produce(batch, to: "seen").errorCode == .topicAuthorizationFailed)
      #expect(try client.fetch("seen", from: 0).errorCode == .none)
      #expect(try client.fetch("hidden", from: 0).errorCode == .topicAuthorizationFailed)
      // The decision is made anew when the ACLs change, also where requests are served together.
      allow([entry(.write, .topic, "seen")])
      #expect(try client.produce(batch, to: "seen").errorCode == .none)
      #expect(try client.produce(batch, to: "seen").errorCode == .none)
      #expect(try client.fetch("seen", from: 0).errorCode == .topicAuthorizationFailed)
      allow([])
      #expect(try client.produce(batch, to: "seen").errorCode == .topicAuthorizationFailed)
      // Who wants no answer learns it by the end of the connection.
      try client.send(ProduceRequest.producing(batch, to: "seen", 0, acks: 0), version: 9)
      #expect(try client.isClosed())
    }
  }

  @Test func `every broker of a cluster hears of changed ACLs and quotas`() throws {
    try withDirectory { directory in
      let cluster = TestCluster(in: directory, Self.authorizer) { _ in [:] }
      defer { cluster.stopAll() }
      for id in [1, 2] as [BrokerID] { try cluster.start(id) }
      let (one, other) = (try cluster.connect(to: 1), try cluster.connect(to: 2))
      #expect(try one.createAcls([acl("t"), acl("p-", .prefixed)]) == [.none, .none])
      try one.alterQuotas(["user": "u"], ["producer_byte_rate": 1e6])
      try cluster.waitUntil("the other broker has both") {
        try other.describeAcls().count == 2 && other.describeQuotas().count == 1
      }
      #expect(try other.createAcls([acl("t", .literal, .write)]) == [.none])
      try cluster.waitUntil("the first broker has the other's") { try one.describeAcls().count == 3 }
      // What changes while a broker's session has ended is read when it joins again.
      cluster.cutFromTree(2, true)
      #expect(try one.createAcls([acl("later")]) == [.none])
      try one.alterQuotas(["user": "u"], ["producer_byte_rate": nil])
      cluster.expireSession(of: 2)
      cluster.cutFromTree(2, false)
      try cluster.waitUntil("the broker that was away has all") {
        try other.describeAcls().count == 4 && other.describeQuotas().isEmpty
      }
    }
  }
}
