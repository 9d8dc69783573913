import Cluster
import Model
import Testing

private func decisions(_ brokers: [BrokerID] = [1, 2, 3]) -> TopicDecisions {
  TopicDecisions(brokers: brokers, partitionCountDefault: 4, replicationFactorDefault: 2)
}

extension TopicDecisions {
  fileprivate func create(_ topic: NewTopic, start: Int = 0) throws(ApiError) -> [[BrokerID]] {
    try create(
      topic,
      existing: { name in
        name == "there" || name == "going"
          ? TopicShape(id: .zero, replicas: [[1]], isBeingDeleted: name == "going") : nil
      },
      colliding: { TopicName.collides($0, with: "a.b") && $0 != "a.b" ? "a.b" : nil }, start: start)
  }
}

@Suite("TopicName")
struct TopicNameTests {
  @Test("a name has 1 to 249 letters, digits, dots, underscores and dashes, and is not . or ..")
  func names() {
    for name in ["a", "A.b_c-9", "...", "__consumer_offsets", String(repeating: "x", count: 249)] {
      #expect(TopicName.problem(with: name) == nil, "\(name)")
    }
    for name in ["", ".", "..", "a b", "a/b", "ä", "a:b", "a\n", String(repeating: "x", count: 250)] {
      #expect(TopicName.problem(with: name)?.hasPrefix("Topic name is invalid: ") == true, "\(name)")
    }
  }

  @Test("names that metrics could not tell apart collide")
  func collisions() {
    #expect(TopicName.collides("a.b", with: "a_b"))
    #expect(TopicName.collides("a.b.c", with: "a_b.c"))
    #expect(!TopicName.collides("a.b", with: "a-b"))
  }
}

@Suite("TopicDecisions")
struct TopicDecisionsTests {
  @Test("the replicas of a partition are on as many racks as can be, and leaders are spread evenly")
  func racks() throws {
    let racks: [BrokerID: String] = [1: "a", 2: "a", 3: "b", 4: "b", 5: "c", 6: "c"]
    var decisions = decisions(Array(1...6))
    decisions.racks = racks
    for factor in 1...6 as ClosedRange<Int16> {
      let replicas = try decisions.assign(
        partitions: 60, replicationFactor: factor, firstPartition: 0, start: 3)
      for brokers in replicas {
        #expect(Set(brokers).count == Int(factor))
        #expect(Set(brokers.compactMap { racks[$0] }).count == min(3, Int(factor)), "\(brokers)")
      }
      let leads = Dictionary(grouping: replicas) { $0[0] }.mapValues(\.count)
      #expect(Set(leads.values) == [10], "factor \(factor): \(leads)")
      let hosted = Dictionary(grouping: replicas.joined()) { $0 }.mapValues(\.count)
      let (least, most) = (hosted.values.min() ?? 0, hosted.values.max() ?? 0)
      #expect(most - least <= 10 * Int(factor) / 2, "factor \(factor): \(hosted)")
    }
  }

  @Test("racks do not count where a broker has none")
  func missingRack() throws {
    var some = decisions(Array(1...4))
    some.racks = [1: "a", 2: "a", 3: "b"]
    let plain = try decisions(Array(1...4)).assign(
      partitions: 12, replicationFactor: 3, firstPartition: 0, start: 0)
    #expect(try some.assign(partitions: 12, replicationFactor: 3, firstPartition: 0, start: 0) == plain)
  }

  @Test("what is not given is as the broker is configured")
  func defaults() throws {
    let replicas = try decisions().create(NewTopic(name: "t"))
    #expect(replicas.count == 4)
    #expect(replicas.allSatisfy { $0.count == 2 })
  }

  @Test("replicas are on different brokers, and leaders and followers are spread evenly", arguments: 1...6)
  func spread(brokers: Int32) throws {
    let decisions = decisions(Array(1...brokers))
    for factor in 1...Int16(brokers) {
      for start in [0, 1, 5] {
        let partitions = brokers * (brokers - 1) * 2 + brokers
        let replicas = try decisions.assign(
          partitions: partitions, replicationFactor: factor, firstPartition: 0, start: start)
        #expect(replicas.allSatisfy { Set($0).count == Int(factor) })
        let leads = Dictionary(grouping: replicas) { $0[0] }.mapValues(\.count)
        #expect(Set(leads.values).count == 1, "\(brokers) brokers, factor \(factor): \(leads)")
        let holds = Dictionary(grouping: replicas.flatMap { $0 }) { $0 }.mapValues(\.count)
        #expect(
          holds.values.max()! - holds.values.min()! <= Int(factor), "\(brokers) brokers, factor \(factor): \(holds)")
      }
    }
  }

  @Test("partitions added later go on where the first ones ended")
  func added() throws {
    let all = try decisions().assign(partitions: 9, replicationFactor: 2, firstPartition: 0, start: 1)
    let grown = try decisions().grow(
      "t", to: 9, assignments: nil, existing: TopicShape(id: .zero, replicas: Array(all.prefix(4))))
    #expect(Array(all.prefix(4)) + grown == all)
  }

  @Test("a topic that cannot be made is refused with Kafka's code and words")
  func refusals() {
    let cases: [(NewTopic, ErrorCode, String)] = [
      (
        NewTopic(name: "a b"), .invalidTopicException,
        "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
      ),
      (NewTopic(name: "there"), .topicAlreadyExists, "Topic 'there' already exists."),
      (NewTopic(name: "going"), .topicAlreadyExists, "Topic 'going' is marked for deletion."),
      (NewTopic(name: "a_b"), .invalidTopicException, "Topic 'a_b' collides with existing topics: a.b"),
      (NewTopic(name: "t", partitionCount: 0), .invalidPartitions, "Number of partitions must be larger than 0."),
      (NewTopic(name: "t", partitionCount: -2), .invalidPartitions, "Number of partitions must be larger than 0."),
      (
        NewTopic(name: "t", partitionCount: .max), .invalidPartitions, "Number of partitions must be at most 65536."
      ),
      (
        NewTopic(name: "t", replicationFactor: 0), .invalidReplicationFactor,
        "Replication factor must be larger than 0."
      ),
      (
        NewTopic(name: "t", replicationFactor: 4), .invalidReplicationFactor,
        "Replication factor: 4 larger than available brokers: 3."
      ),
      (
        NewTopic(name: "t", partitionCount: 1, assignments: [(0, [1])]), .invalidRequest,
        "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time."
      ),
      (
        NewTopic(name: "t", assignments: [(0, [1]), (2, [1])]), .invalidReplicaAssignment,
        "Partitions should be a consecutive 0-based integer sequence."
      ),
      (
        NewTopic(name: "t", assignments: [(0, [1]), (0, [1])]), .invalidReplicaAssignment,
        "Partitions should be a consecutive 0-based integer sequence."
      ),
      (
        NewTopic(name: "t", assignments: [(0, [1, 1])]), .invalidReplicaAssignment,
        "Duplicate replica assignment found: [1, 1]."
      ),
      (
        NewTopic(name: "t", assignments: [(0, [1]), (1, [])]), .invalidReplicaAssignment,
        "A partition needs at least one replica."
      ),
      (
        NewTopic(name: "t", assignments: [(0, [1]), (1, [1, 2])]), .invalidReplicaAssignment,
        "All partitions should have the same number of replicas."
      ),
      (
        NewTopic(name: "t", assignments: [(0, [7])]), .invalidReplicaAssignment,
        "Unknown broker(s) in replica assignment: 7."
      ),
    ]
    for (topic, code, message) in cases {
      let refusal = #expect(throws: ApiError.self, "\(topic)") { try decisions().create(topic) }
      #expect(refusal == ApiError(code, message))
    }
  }

  @Test("chosen brokers are taken as given, in any order of the partitions")
  func manual() throws {
    let topic = NewTopic(name: "t", assignments: [(1, [3, 1]), (0, [2, 3])])
    #expect(try decisions().create(topic) == [[2, 3], [3, 1]])
  }

  @Test("a topic's partitions grow and never shrink")
  func growth() throws {
    let shape = TopicShape(id: .zero, replicas: [[1], [2]])
    #expect(try decisions().grow("t", to: 3, assignments: [[2]], existing: shape) == [[2]])
    let cases: [(Int32, [[BrokerID]]?, TopicShape?, ErrorCode)] = [
      (1, nil, shape, .invalidPartitions), (2, nil, shape, .invalidPartitions), (-1, nil, shape, .invalidPartitions),
      (.max, nil, shape, .invalidPartitions), (3, nil, nil, .unknownTopicOrPartition),
      (3, nil, TopicShape(id: .zero, replicas: [[1]], isBeingDeleted: true), .unknownTopicOrPartition),
      (3, [[1], [2]], shape, .invalidReplicaAssignment), (3, [[9]], shape, .invalidReplicaAssignment),
      (3, [[1, 2]], shape, .invalidReplicaAssignment), (3, [[]], shape, .invalidReplicaAssignment),
    ]
    for (count, assignments, existing, code) in cases {
      let refusal = #expect(throws: ApiError.self, "to \(count)") {
        try decisions().grow("t", to: count, assignments: assignments, existing: existing)
      }
      #expect(refusal?.code == code, "to \(count): \(String(describing: refusal))")
    }
    let down = #expect(throws: ApiError.self) { try decisions().grow("t", to: 1, assignments: nil, existing: shape) }
    #expect(down?.message == "The topic t currently has 2 partition(s); 1 would not be an increase.")
  }

  @Test("blocks of producer ids follow each other, and end before they overflow")
  func producerIDs() {
    #expect(ProducerIDBlocks.block(after: nil) == 0...999)
    #expect(ProducerIDBlocks.block(after: 0...999) == 1000...1999)
    #expect(ProducerIDBlocks.block(after: 0...(Int64.max - 10)) == nil)
    #expect(
      ProducerIDBlocks.block(after: 0...(Int64.max - 1000)) == nil, "the range of its ids would end past the last")
    #expect(ProducerIDBlocks.block(after: 0...(Int64.max - 1001)) == Int64.max - 1000...(Int64.max - 1))
  }

  @Test("a block of producer ids that no broker can have written is an error, not an id", arguments: ["-1", "-5000"])
  func negativeBlock(start: String) {
    let data = Array(#"{"version":1,"broker":1,"block_start":"\#(start)","block_end":"999"}"#.utf8)
    let error = #expect(throws: ZNodeDataError.self) { try ProducerIDBlockZNode(data: data) }
    #expect(error?.reason == "a block of negative producer ids")
  }
}
