import Coordination
import Security
import Testing

@testable import Broker

/// The node of a user, which has his quotas and his credentials, changed by several at once.
@Suite("Quotas and credentials of one user")
struct ClientNodeTests {
  private let user = QuotaEntity(user: .named("u"))

  /// As a cluster's tree is before the first quota.
  private func makeTree() throws -> any ZNodeTree {
    let tree = try EmbeddedTree(store: MemoryJournal()) { 1000 }
    for path in ["/config", "/config/users", "/config/changes"] {
      _ = try tree.multi([.create(path: path, data: [])])
    }
    return tree
  }

  @Test("that change at the same instant are both kept, whichever comes first", arguments: [false, true])
  func together(hasNode: Bool) throws {
    let tree = try makeTree()
    if hasNode { _ = try tree.changeQuotas(user, [.consumerByteRate: 5]) }
    var attempts = 0
    let (node, notification) = try tree.change(user) { node in
      attempts += 1
      // Another broker writes between our reading and our writing.
      if attempts == 1 { _ = try tree.changeQuotas(user, [.producerByteRate: 10]) }
      return node.replacing(node.values.merging(["SCRAM-SHA-256": "salt"]) { $1 })
    }
    #expect(attempts == 2, "the first write was of what was not there any more")
    var expected = ["SCRAM-SHA-256": "salt", "producer_byte_rate": "10"]
    if hasNode { expected["consumer_byte_rate"] = "5" }
    #expect(node.values == expected && notification != nil)
    let stored = try #require(try tree.find(QuotaZNode.path(user)))
    #expect(try QuotaZNode("", data: stored.data).values == expected)

    // And the other way round: a credential is set while a quota changes.
    attempts = 0
    let after = try tree.change(user) { node in
      attempts += 1
      if attempts == 1 {
        _ = try tree.change(user) { $0.replacing(["SCRAM-SHA-512": "new"].merging($0.values) { $1 }) }
      }
      return node.changing([.producerByteRate: nil])
    }
    expected["producer_byte_rate"] = nil
    expected["SCRAM-SHA-512"] = "new"
    #expect(attempts == 2 && after.node.values == expected)
  }

  @Test("are given up, and not lost, where others change the node each time")
  func contended() throws {
    let tree = try makeTree()
    var rate = 1.0
    #expect(throws: ZNodeError.self) {
      try tree.change(user) { node in
        rate += 1
        _ = try tree.changeQuotas(user, [.producerByteRate: rate])
        return node.replacing(["SCRAM-SHA-256": "salt"])
      }
    }
    let stored = try #require(try tree.find(QuotaZNode.path(user)))
    #expect(try QuotaZNode("", data: stored.data).values == ["producer_byte_rate": "\(Int(rate))"])
  }
}
