import Model
import Storage
import Testing
import Wire

@testable import Broker

/// The requests that elect leaders and move replicas, as one broker with every replica answers them.
struct ReassignmentTests {
  private func elections(_ topics: [String: [Int32]]?, type: Int8 = 0) -> ElectLeadersRequest {
    var request = ElectLeadersRequest()
    request.electionType = type
    request.topicPartitions = topics.map { topics in
      topics.sorted { $0.key < $1.key }.map { name, partitions in
        .with {
          $0.topic = name
          $0.partitions = partitions
        }
      }
    }
    return request
  }

  @Test("an election that is not needed is told where it is asked for, and left out where all are", arguments: 0...2)
  func notNeeded(version: Int) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      let named = try client.ask(elections(["t": [1, 5, 1], "u": [0]]), version: Int16(version))
      #expect(named.replicaElectionResults.map(\.topic) == ["t", "u"])
      #expect(named.replicaElectionResults[0].partitionResult.map(\.partitionID) == [1, 5])
      #expect(
        named.replicaElectionResults.flatMap(\.partitionResult).map(\.errorCode)
          == [.electionNotNeeded, .unknownTopicOrPartition, .unknownTopicOrPartition])
      let all = try client.ask(elections(nil), version: Int16(version))
      #expect(all.errorCode == .none && all.replicaElectionResults.isEmpty)
    }
  }

  @Test("an election of an unknown type is refused as a whole")
  func type() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      #expect(try client.ask(elections(["t": [0]], type: 2), version: 2).errorCode == .invalidRequest)
      let unclean = try client.ask(elections(["t": [0]], type: 1), version: 2)
      #expect(unclean.replicaElectionResults.first?.partitionResult.first?.errorCode == .electionNotNeeded)
    }
  }

  private func reassignments(_ partitions: [(Int32, [Int32]?)]) -> AlterPartitionReassignmentsRequest {
    var request = AlterPartitionReassignmentsRequest()
    request.topics = [
      .with {
        $0.name = "t"
        $0.partitions = partitions.map { index, replicas in
          .with {
            $0.partitionIndex = index
            $0.replicas = replicas
          }
        }
      }
    ]
    return request
  }

  @Test("replicas can only be on brokers that live, and a move that is not under way cannot be cancelled")
  func moves() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 4)
      let request = reassignments([(0, [1]), (1, [2]), (2, nil), (3, []), (9, [1])])
      let answer = try client.ask(request, version: 0)
      #expect(answer.errorCode == .none)
      #expect(answer.responses.first?.partitions.map(\.partitionIndex) == [0, 1, 2, 3, 9])
      #expect(
        answer.responses.first?.partitions.map(\.errorCode)
          == [
            .none, .invalidReplicaAssignment, .noReassignmentInProgress, .invalidReplicaAssignment,
            .unknownTopicOrPartition,
          ])
      var listed = ListPartitionReassignmentsRequest()
      #expect(try client.ask(listed, version: 0).topics.isEmpty)
      listed.topics = [
        .with {
          $0.name = "t"
          $0.partitionIndexes = [0, 77]
        }
      ]
      #expect(try client.ask(listed, version: 0).topics.isEmpty)
    }
  }

  @Test("a replica stays where it is; a move to a directory that is none of the broker's is refused", arguments: 0...2)
  func directories(version: Int) throws {
    try withDirectory { directory in
      let broker = try TestBroker.start(in: directory, ["log.dirs": "\(directory)/a,\(directory)/b"])
      defer { broker.running.stop() }
      let client = try broker.connect()
      try client.createTopic("t")
      let own = try #require(broker.broker.topics.named("t")?.partition(0)?.directory?.path)
      func code(_ path: String, _ partition: Int32) throws -> ErrorCode? {
        var request = AlterReplicaLogDirsRequest()
        request.dirs = [
          .with {
            $0.path = path
            $0.topics = [
              .with {
                $0.name = "t"
                $0.partitions = [partition]
              }
            ]
          }
        ]
        return try client.ask(request, version: Int16(version)).results.first?.partitions.first?.errorCode
      }
      #expect(try code(own, 0) == ErrorCode.none)
      #expect(try code("/nowhere", 0) == .logDirNotFound)
      #expect(try code(own, 3) == .unknownTopicOrPartition)
    }
  }
}
