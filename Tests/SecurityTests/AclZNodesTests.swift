import Security
import Testing

@Suite struct AclZNodesTests {
  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test func `the entries of a pattern are written as Kafka writes them`() throws {
    let entries: Set<AclEntry> = [
      AclEntry(.deny, Principal(name: "bob"), .describeConfigs, host: "192.0.2.1"),
      AclEntry(.allow, Principal(name: "alice"), .all),
    ]
    let data = AclZNode.data(entries)
    #expect(
      text(data)
        == #"{"version":1,"acls":[{"principal":"User:alice","permissionType":"Allow","operation":"All","host":"*"},{"principal":"User:bob","permissionType":"Deny","operation":"DescribeConfigs","host":"192.0.2.1"}]}"#
    )
    #expect(try AclZNode.entries("/kafka-acl/Topic/t", data: data) == entries)
    #expect(try AclZNode.entries("/kafka-acl/Topic/t", data: []) == [])
  }

  @Test func `literal and prefixed patterns have their own trees`() {
    #expect(AclZNode.path(ResourcePattern(.topic, "t")) == "/kafka-acl/Topic/t")
    #expect(AclZNode.path(ResourcePattern(.cluster, "kafka-cluster")) == "/kafka-acl/Cluster/kafka-cluster")
    #expect(
      AclZNode.path(ResourcePattern(.transactionalID, "tx-", .prefixed))
        == "/kafka-acl-extended/prefixed/TransactionalId/tx-")
  }

  @Test(arguments: [
    ResourcePattern(.topic, "t"), ResourcePattern(.group, "a:b"), ResourcePattern(.topic, "t-", .prefixed),
    ResourcePattern(.transactionalID, "x", .prefixed), ResourcePattern(.delegationToken, "d"),
  ])
  func `a notification names the pattern that has changed`(pattern: ResourcePattern) {
    #expect(AclChangeZNode.pattern(pattern.kind, data: AclChangeZNode.data(pattern)) == pattern)
  }

  @Test func `notifications are written as Kafka writes them`() {
    #expect(text(AclChangeZNode.data(ResourcePattern(.topic, "t"))) == "Topic:t")
    #expect(
      text(AclChangeZNode.data(ResourcePattern(.topic, "t-", .prefixed)))
        == #"{"version":1,"resourceType":"TOPIC","name":"t-","patternType":"PREFIXED"}"#)
  }

  @Test(arguments: [
    "x", "{}", #"{"version":2,"acls":[]}"#, #"{"version":1}"#, #"{"version":1,"acls":[{}]}"#,
    #"{"version":1,"acls":[{"principal":"alice","permissionType":"Allow","operation":"All","host":"*"}]}"#,
    #"{"version":1,"acls":[{"principal":"User:a","permissionType":"Allow","operation":"Fly","host":"*"}]}"#,
  ])
  func `entries that make no sense are refused, and not passed over`(data: String) {
    #expect(throws: AclZNodeError.self) { try AclZNode.entries("/kafka-acl/Topic/t", data: Array(data.utf8)) }
  }

  @Test(arguments: ["", "x", "Topic", ":t", "Planet:t"])
  func `a notification that names nothing is passed over`(data: String) {
    #expect(AclChangeZNode.pattern(.literal, data: Array(data.utf8)) == nil)
    #expect(AclChangeZNode.pattern(.prefixed, data: Array(data.utf8)) == nil)
  }

  @Test(arguments: ["", "a/b", "..", String(repeating: "x", count: 600), "a\u{0}b"])
  func `a name that cannot be a z-node's is refused`(name: String) {
    #expect(ResourcePattern(.group, name).problem != nil)
  }

  @Test func `the cluster has one name`() {
    #expect(ResourcePattern(.cluster, "kafka-cluster").problem == nil)
    #expect(
      ResourcePattern(.cluster, "other").problem == "The only valid name for the CLUSTER resource is kafka-cluster")
  }
}
