import Base
import Cluster
import Coordination
import Model
import Storage
import Synchronization
import Testing
import Wire

@testable import Broker

@Suite("Leaders and followers of a cluster", .serialized)
struct ClusterReplicationTests {
  @Test("what is acknowledged by all is on every broker, and stays when the leader crashes")
  func leaderCrash() throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("r", partitions: 1, replicas: 3, ["min.insync.replicas": "2"])
      var acknowledged: [Offset] = []
      for round in 0..<3 {
        let leader = try cluster.awaitLeader(of: "r")
        for value in 0..<5 {
          let produced = try cluster.connect(to: leader).produce(try Batches.of(["\(round)-\(value)"]), to: "r")
          try #require(produced.errorCode == ErrorCode.none)
          acknowledged.append(produced.baseOffset)
        }
        cluster.crash(leader)
        try cluster.waitUntil("another leader") {
          try cluster.brokers.keys.allSatisfy { ![leader, -1].contains(try cluster.leader(of: "r", at: $0)) }
        }
        try cluster.start(leader)
        try cluster.waitUntil("all are in sync again") {
          try cluster.brokers.keys.allSatisfy { try cluster.inSync("r", at: $0) == [1, 2, 3] }
        }
      }
      #expect(acknowledged.map(\.rawValue) == Array(0..<15))
      // The preferred leader may be put back just now; its first answer can be that it does not know its high watermark yet.
      var end = Offset.unknown
      try cluster.waitUntil("the leader knows its high watermark") {
        let answer = try cluster.connect(to: try cluster.awaitLeader(of: "r")).offset(of: "r", at: -1)
        end = answer.offset
        return answer.errorCode == ErrorCode.none
      }
      #expect(end == 15)
    }
  }

  @Test(
    "a follower that is away leaves the in-sync replicas, and joins them again; with too few in sync acks=all is refused"
  )
  func minInSync() throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("r", partitions: 1, replicas: 3, ["min.insync.replicas": "2"])
      let leader = try cluster.awaitLeader(of: "r")
      let others = ([1, 2, 3] as [BrokerID]).filter { $0 != leader }
      cluster.crash(others[0])
      try cluster.waitUntil("one has left") { try cluster.inSync("r", at: leader).count == 2 }
      #expect(try cluster.connect(to: leader).produce(try Batches.of(["a"]), to: "r").errorCode == ErrorCode.none)
      cluster.crash(others[1])
      try cluster.waitUntil("both have left") { try cluster.inSync("r", at: leader) == [leader] }
      #expect(
        try cluster.connect(to: leader).produce(try Batches.of(["b"]), to: "r").errorCode == .notEnoughReplicas)
      #expect(
        try cluster.connect(to: leader).produce(try Batches.of(["c"]), to: "r", acks: 1).errorCode == ErrorCode.none)
      for id in others { try cluster.start(id) }
      try cluster.waitUntil("all are in sync again") { try cluster.inSync("r", at: leader) == [1, 2, 3] }
      #expect(try cluster.connect(to: leader).produce(try Batches.of(["d"]), to: "r").errorCode == ErrorCode.none)
    }
  }

  @Test(
    "a leader whose disk is full is offline for good, and others lead when it has ended, with all that was acknowledged"
  )
  func fullDisk() throws {
    let disks: [BrokerID: FullDisk] = [1: FullDisk(), 2: FullDisk(), 3: FullDisk()]
    try withCluster(3, disk: { disks[$0] ?? FullDisk() }) { cluster in
      try cluster.createTopic("r", partitions: 1, replicas: 3, ["min.insync.replicas": "2"])
      let leader = try cluster.awaitLeader(of: "r")
      let hasEnded = Atomic(false)
      try cluster.broker(leader).broker.storageLoss.whenHappened { hasEnded.store(true, ordering: .relaxed) }
      let client = try cluster.connect(to: leader)
      for value in 0..<5 {
        try #require(client.produce(try Batches.of(["\(value)"]), to: "r").errorCode == ErrorCode.none)
      }
      disks[leader]?.isFull = true
      #expect(try client.produce(try Batches.of(["lost"]), to: "r").errorCode == .kafkaStorageError)
      // The only log directory: a process ends.
      try cluster.waitUntil("the broker says that it has no log directory") { hasEnded.load(ordering: .relaxed) }
      cluster.crash(leader)
      try cluster.waitUntil("another leader") {
        try cluster.brokers.keys.allSatisfy { ![leader, -1].contains(try cluster.leader(of: "r", at: $0)) }
      }
      let next = try cluster.awaitLeader(of: "r")
      let produced = try cluster.connect(to: next).produce(try Batches.of(["5"]), to: "r")
      #expect(produced.errorCode == ErrorCode.none)
      #expect(produced.baseOffset == 5)
      try cluster.start(leader)
      try cluster.waitUntil("all are in sync again") {
        try cluster.brokers.keys.allSatisfy { try cluster.inSync("r", at: $0) == [1, 2, 3] }
      }
    }
  }

  @Test(
    "where one of two log directories fails, others lead what was in it, and the broker serves the rest until it is back"
  )
  func failedDirectory() throws {
    let disks: [BrokerID: FullDisk] = [1: FullDisk(), 2: FullDisk(), 3: FullDisk()]
    try withCluster(
      3, ["auto.leader.rebalance.enable": "false", "log.dirs": "one,two"], disk: { disks[$0] ?? FullDisk() }
    ) { cluster in
      try cluster.createTopic("r", partitions: 6, replicas: 3, ["min.insync.replicas": "2"])
      try cluster.waitUntil("every partition has a leader") {
        try (0..<6).allSatisfy { try cluster.leader(of: "r", $0, at: 1) != -1 }
      }
      let broker = try cluster.broker(1).broker
      let led = try (0..<6).filter { try cluster.leader(of: "r", $0, at: 1) == 1 }
      func directory(_ partition: Int) -> String? {
        broker.replicas.partition(TopicPartition("r", Int32(partition)))?.directory?.path
      }
      // The leaderships of a broker are in both directories, or this shows nothing.
      let first = try #require(led.first)
      let failing = try #require(directory(first))
      let inIt = (0..<6).filter { directory($0) == failing }
      let isSplit = led.contains { !inIt.contains($0) }
      try #require(isSplit, "leads \(led), of which \(inIt) are in \(failing)")
      let client = try cluster.connect(to: 1)
      for partition in led {
        let batch = try Batches.of(["before"])
        #expect(try client.produce(batch, to: "r", Int32(partition)).errorCode == ErrorCode.none)
      }
      disks[1]?.place.withLock { $0 = failing }
      disks[1]?.isFull = true
      let refused = try client.produce(try Batches.of(["lost"]), to: "r", Int32(led[0]))
      #expect(refused.errorCode == .kafkaStorageError)
      for partition in inIt {
        try cluster.waitUntil("r-\(partition) is led by another") {
          try cluster.brokers.keys.allSatisfy {
            let (leader, inSync) = (
              try cluster.leader(of: "r", partition, at: $0), try cluster.inSync("r", partition, at: $0)
            )
            return ![1, -1].contains(leader) && inSync == [2, 3]
          }
        }
        let shown = try cluster.broker(2).broker.image.named("r")?.description.partitions[partition]
        #expect(shown?.offlineReplicas == [1])
        let next = try cluster.connect(to: try cluster.leader(of: "r", partition, at: 2))
        try cluster.waitUntil("its records are taken") {
          try next.produce(try Batches.of(["after"]), to: "r", Int32(partition)).errorCode == ErrorCode.none
        }
      }
      // What is in the other directory stays where it is, in sync.
      for partition in (0..<6).filter({ !inIt.contains($0) }) {
        #expect(try cluster.inSync("r", partition, at: 2) == [1, 2, 3])
      }
      #expect(try cluster.tree.connect().children(of: "/log_dir_event_notification").isEmpty)
      disks[1]?.isFull = false
      cluster.stop(1)
      try cluster.start(1)
      try cluster.waitUntil("all are in sync again") {
        try (0..<6).allSatisfy { partition in
          try cluster.brokers.keys.allSatisfy { try cluster.inSync("r", partition, at: $0) == [1, 2, 3] }
        }
      }
    }
  }

  @Test("a broker that stops in order gives its leaderships away first, and nobody is refused for long")
  func orderlyStop() throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("r", partitions: 6, replicas: 3)
      cluster.stop(2)
      try cluster.waitUntil("others lead") {
        try (0..<6).allSatisfy { partition in
          try cluster.brokers.keys.allSatisfy { ![2, -1].contains(try cluster.leader(of: "r", partition, at: $0)) }
        }
      }
      try cluster.start(2)
      try cluster.waitUntil("all are in sync again") {
        try (0..<6).allSatisfy { try cluster.inSync("r", $0, at: 1) == [1, 2, 3] }
      }
    }
  }

  @Test("leaders that are elected one after another are all elected, when brokers crash, stop and come back")
  func electionsInSeries() throws {
    try withCluster(3, ["millrace.election": "serial"]) { cluster in
      try cluster.createTopic("r", partitions: 12, replicas: 3)
      func awaitLeaders(besides gone: BrokerID) throws {
        try cluster.waitUntil("others lead") {
          try (0..<12).allSatisfy { partition in
            try cluster.brokers.keys.allSatisfy {
              ![gone, -1].contains(try cluster.leader(of: "r", partition, at: $0))
            }
          }
        }
      }
      for gone in [1, 2, 3] as [BrokerID] {
        gone == 2 ? cluster.stop(gone) : cluster.crash(gone)
        try awaitLeaders(besides: gone)
        let alive = try #require(cluster.brokers.keys.min())
        for partition in 0..<12 {
          let leader = try cluster.awaitLeader(of: "r", partition)
          #expect(leader != gone)
          try cluster.waitUntil("partition \(partition) takes records") {
            try cluster.connect(to: leader).produce(try Batches.of(["a"]), to: "r", Int32(partition)).errorCode
              == ErrorCode.none
          }
        }
        try cluster.start(gone)
        try cluster.waitUntil("all are in sync again") {
          try (0..<12).allSatisfy { try cluster.inSync("r", $0, at: alive) == [1, 2, 3] }
        }
      }
    }
  }

  @Test("a group's offsets are there when its coordinator has crashed")
  func groupOffsets() throws {
    try withCluster(3) { cluster in
      try cluster.createTopic("r", partitions: 1, replicas: 3)
      let first = try cluster.coordinator(of: "g")
      var commit = OffsetCommitRequest()
      commit.groupID = "g"
      commit.generationIDOrMemberEpoch = -1
      commit.topics = [
        .with {
          $0.name = "r"
          $0.partitions = [.with { ($0.partitionIndex, $0.committedOffset) = (0, 42) }]
        }
      ]
      try cluster.waitUntil("the coordinator has loaded its groups") {
        let committed = try cluster.connect(to: first).ask(commit, version: 5)
        return committed.topics.first?.partitions.first?.errorCode == ErrorCode.none
      }
      cluster.crash(first)
      let second = try cluster.coordinator(of: "g", besides: first)
      var fetch = OffsetFetchRequest()
      fetch.groupID = "g"
      fetch.topics = [.with { ($0.name, $0.partitionIndexes) = ("r", [0]) }]
      try cluster.waitUntil("the offset is there") {
        let answer = try cluster.connect(to: second).ask(fetch, version: 5)
        return answer.errorCode == .none && answer.topics.first?.partitions.first?.committedOffset == 42
      }
    }
  }

  @Test("a follower's fetches from before its broker restarted are refused, and do not bring it into the ISR")
  func restartedFollower() throws {
    try withCluster(3, ["replica.lag.time.max.ms": "1000"]) { cluster in
      try cluster.createTopic("r", partitions: 1, replicas: 3)
      let leader = try cluster.awaitLeader(of: "r")
      let follower = try #require(([1, 2, 3] as [BrokerID]).first { $0 != leader })
      let before = try cluster.broker(follower).broker.controller.brokerEpoch
      cluster.crash(follower)
      try cluster.waitUntil("it has left") { try !cluster.inSync("r", at: leader).contains(follower) }
      try cluster.start(follower)
      try cluster.waitUntil("it is in sync again") { try cluster.inSync("r", at: leader) == [1, 2, 3] }
      let after = try cluster.broker(follower).broker.controller.brokerEpoch
      let topic = try #require(try cluster.broker(leader).broker.image.named("r"))
      var fetch = FetchRequest()
      (fetch.replicaState.replicaID, fetch.maxWaitMs) = (follower, 0)
      fetch.topics = [
        .with {
          $0.topicID = topic.id
          $0.partitions = [.with { ($0.fetchOffset, $0.partitionMaxBytes) = (0, 1000) }]
        }
      ]
      for (epoch, expected) in [(before, ErrorCode.notLeaderOrFollower), (after, .none), (-1, .none)] {
        fetch.replicaState.replicaEpoch = epoch
        let answer = try cluster.connect(to: leader).ask(fetch, version: 15)
        #expect(answer.responses.first?.partitions.first?.errorCode == expected, "\(epoch) of \(before), \(after)")
      }
      let state = topic.description.partitions[0]
      var alter = AlterPartitionRequest()
      alter.brokerID = leader
      alter.brokerEpoch = try cluster.broker(leader).broker.controller.brokerEpoch
      alter.topics = [
        .with {
          $0.topicID = topic.id
          $0.partitions = [
            .with {
              ($0.leaderEpoch, $0.partitionEpoch) = (state.leaderEpoch, state.partitionEpoch)
              $0.newIsrWithEpochs = [
                .with { ($0.brokerID, $0.brokerEpoch) = (leader, alter.brokerEpoch) },
                .with { ($0.brokerID, $0.brokerEpoch) = (follower, before) },
              ]
            }
          ]
        }
      ]
      let answer = try cluster.connect(to: try cluster.controller()).ask(alter, version: 3)
      #expect(answer.topics.first?.partitions.first?.errorCode == .ineligibleReplica)
    }
  }

  @Test("leaders that are away for a while lead again when too many of their partitions are led by others")
  func rebalance() throws {
    try withCluster(3, ["leader.imbalance.check.interval.seconds": "1"]) { cluster in
      try cluster.createTopic("r", partitions: 6, replicas: 3)
      func leaders() throws -> [BrokerID] { try (0..<6).map { try cluster.awaitLeader(of: "r", $0) } }
      let before = try leaders()
      cluster.crash(2)
      try cluster.waitUntil("others lead") { try !leaders().contains(2) }
      try cluster.start(2)
      try cluster.waitUntil("broker 2 leads what it led") { try leaders() == before }
    }
    try withCluster(2, ["auto.leader.rebalance.enable": "false", "leader.imbalance.check.interval.seconds": "1"]) {
      cluster in
      try cluster.createTopic("r", partitions: 2, replicas: 2)
      cluster.crash(2)
      try cluster.waitUntil("broker 1 leads") { try (0..<2).allSatisfy { try cluster.leader(of: "r", $0, at: 1) == 1 } }
      try cluster.start(2)
      try cluster.waitUntil("all are in sync") {
        try (0..<2).allSatisfy { try cluster.inSync("r", $0, at: 1) == [1, 2] }
      }
      Clocks.nap(milliseconds: Limits.firstRebalanceMs + 1500)
      #expect(try (0..<2).allSatisfy { try cluster.leader(of: "r", $0, at: 1) == 1 })
    }
  }

  @Test("a topic moves to other brokers without a record lost")
  func reassignment() throws {
    try withCluster(3) { cluster in
      var topic = CreateTopicsRequest.Topic()
      topic.name = "m"
      (topic.numPartitions, topic.replicationFactor) = (-1, -1)
      topic.assignments = [.with { ($0.partitionIndex, $0.brokerIDs) = (0, [1]) }]
      var request = CreateTopicsRequest()
      request.topics = [topic]
      let controller = try cluster.controller()
      _ = try cluster.connect(to: controller).ask(request, version: 5)
      try cluster.waitUntil("the topic is there") { try cluster.leader(of: "m", at: 3) == 1 }
      for value in 0..<10 { _ = try cluster.connect(to: 1).produce(try Batches.of(["\(value)"]), to: "m") }
      var reassign = AlterPartitionReassignmentsRequest()
      reassign.topics = [
        .with {
          $0.name = "m"
          $0.partitions = [.with { ($0.partitionIndex, $0.replicas) = (0, [2, 3]) }]
        }
      ]
      let answer = try cluster.connect(to: controller).ask(reassign, version: 0)
      #expect(answer.errorCode == .none)
      try cluster.waitUntil("the replicas have moved") {
        try cluster.inSync("m", at: 3) == [2, 3] && [2, 3].contains(try cluster.leader(of: "m", at: 3))
      }
      let leader = try cluster.leader(of: "m", at: 3)
      // For a moment after its election the leader does not know what the others have (OFFSET_NOT_AVAILABLE).
      try cluster.waitUntil("all records are there") {
        try cluster.connect(to: leader).offset(of: "m", at: -1).offset == 10
      }
      try cluster.waitUntil("the old replica is gone") {
        try cluster.connect(to: 1).produce(try Batches.of(["x"]), to: "m").errorCode == .notLeaderOrFollower
      }
    }
  }

  @Test("an idempotent producer gets ids of different blocks at different brokers")
  func producerIDs() throws {
    try withCluster(3) { cluster in
      var ids: Set<Int64> = []
      for id in [1, 2, 3] as [BrokerID] {
        let answer = try cluster.connect(to: id).ask(InitProducerIdRequest(), version: 1)
        #expect(answer.errorCode == .none)
        ids.insert(answer.producerID / 1000)
      }
      #expect(ids.count == 3)
    }
  }
}

extension TestCluster {
  /// The leader of a partition, when all brokers agree on one.
  func awaitLeader(of topic: String, _ partition: Int = 0) throws -> BrokerID {
    var leader: BrokerID = -1
    try waitUntil("\(topic) has a leader") {
      let known = Set(try brokers.keys.map { try self.leader(of: topic, partition, at: $0) })
      leader = known.first ?? -1
      return known.count == 1 && leader != -1
    }
    return leader
  }

  /// The broker that coordinates a group.
  func coordinator(of group: String, besides old: BrokerID? = nil) throws -> BrokerID {
    var request = FindCoordinatorRequest()
    request.key = group
    var found: BrokerID = -1
    try waitUntil("a coordinator of \(group)") {
      guard let any = brokers.keys.min() else { return false }
      let answer = try connect(to: any).ask(request, version: 2)
      found = answer.nodeID
      return answer.errorCode == .none && found != old && brokers[found] != nil
    }
    return found
  }
}
