import Base
import Cluster
import Model
import TestSupport
import Testing

@Suite("The z-nodes of /admin")
struct AdminZNodesTests {
  @Test("each is Kafka's JSON, byte for byte, and is read back")
  func bytes() throws {
    let reassign = ReassignPartitionsZNode([(TopicPartition("T", 0), [1, 2]), (TopicPartition("U", 3), [3])])
    #expect(
      String(decoding: reassign.data, as: UTF8.self)
        == #"{"version":1,"partitions":[{"topic":"T","partition":0,"replicas":[1,2]},"#
        + #"{"topic":"U","partition":3,"replicas":[3]}]}"#)
    #expect(try ReassignPartitionsZNode(data: reassign.data) == reassign)
    let elect = PreferredReplicaElectionZNode([TopicPartition("T", 0), TopicPartition("U", 3)])
    #expect(
      String(decoding: elect.data, as: UTF8.self)
        == #"{"version":1,"partitions":[{"topic":"T","partition":0},{"topic":"U","partition":3}]}"#)
    #expect(try PreferredReplicaElectionZNode(data: elect.data) == elect)
  }

  @Test("the last of several targets of a partition counts")
  func twice() throws {
    let text = """
      {"version":1,"partitions":[{"topic":"T","partition":0,"replicas":[1]},{"topic":"T","partition":0,"replicas":[2]}]}
      """
    #expect(try ReassignPartitionsZNode(data: Array(text.utf8)) == .init([(TopicPartition("T", 0), [2])]))
  }

  @Test(
    "what is not such JSON is refused with its path",
    arguments: [
      "", "null", "[]", "{}", #"{"partitions":1}"#, #"{"partitions":[1]}"#, #"{"partitions":[{"topic":"T"}]}"#,
      #"{"partitions":[{"topic":"T","partition":2147483648,"replicas":[1]}]}"#,
      #"{"partitions":[{"topic":1,"partition":0,"replicas":[1]}]}"#,
      #"{"partitions":[{"topic":"T","partition":0.5,"replicas":[1]}]}"#, "\u{0}\u{FF}",
    ])
  func malformed(text: String) {
    #expect(throws: ZNodeDataError.self) { try ReassignPartitionsZNode(data: Array(text.utf8)) }
    #expect(throws: ZNodeDataError.self) { try PreferredReplicaElectionZNode(data: Array(text.utf8)) }
    #expect(throws: ZNodeDataError.self) {
      let replicas = #"{"partitions":[{"topic":"T","partition":0,"replicas":[]}]}"#
      return try ReassignPartitionsZNode(data: Array(replicas.utf8))
    }
  }

  @Test("no bytes end the process", arguments: Seed.some(20) + [.fresh])
  func anyBytes(seed: Seed) {
    var seed = seed
    let whole = ReassignPartitionsZNode([(TopicPartition("T", 0), [1, 2]), (TopicPartition("U", 3), [3])]).data
    for _ in 0..<500 {
      var bytes = whole
      for _ in 0...Int.random(in: 0..<4, using: &seed) {
        bytes[Int.random(in: bytes.indices, using: &seed)] = UInt8.random(in: .min ... .max, using: &seed)
      }
      _ = try? ReassignPartitionsZNode(data: bytes)
      _ = try? PreferredReplicaElectionZNode(data: bytes)
    }
  }

  @Test("a reassignment leaves the node when it is done, refused, or replaced by another")
  func progress() {
    var states: [TopicPartition: PartitionDescription] = [:]
    let names = (0..<4).map { TopicPartition("T", $0) }
    for name in names {
      states[name] = PartitionDescription(replicas: [1], leader: 1, leaderEpoch: 0, inSyncReplicas: [1])
    }
    // Partition 1 has its replicas already.
    let node = ReassignPartitionsZNode(zip(names, [[2], [1], [3], [9]] as [[BrokerID]]).map { ($0, $1) })
    var requested = RequestedReassignments()
    let begun = requested.found(node) { states[$0] }
    #expect(begun.map(\.name) == [names[0], names[2], names[3]])
    var unanswered = Set(begun.map(\.name))
    #expect(requested.finish(hasBegun: { !unanswered.contains($0) }) { states[$0] })
    #expect(requested.node?.partitions.map(\.name) == [names[0], names[2], names[3]])

    requested.refused([names[3]])
    unanswered = []
    for (name, target) in [(names[0], 2), (names[2], 3)] as [(TopicPartition, BrokerID)] {
      states[name]?.replicas = [target, 1]
      states[name]?.addingReplicas = [target]
      states[name]?.removingReplicas = [1]
    }
    #expect(!requested.finish(hasBegun: { _ in true }) { states[$0] })
    // One is replaced by another request, and the other is done.
    states[names[0]]?.replicas = [4, 1]
    states[names[0]]?.addingReplicas = [4]
    #expect(requested.finish(hasBegun: { _ in true }) { states[$0] })
    #expect(requested.node == .init([(names[2], [3])]))
    #expect(requested.found(.init([(names[2], [3])])) { states[$0] }.isEmpty, "it goes on")
    states[names[2]] = nil
    #expect(requested.finish(hasBegun: { _ in true }) { states[$0] })
    #expect(requested.node == nil)
  }
}
