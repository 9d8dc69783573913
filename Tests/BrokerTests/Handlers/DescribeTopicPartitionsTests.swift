import Model
import Security
import Testing
import Wire

@testable import Broker

struct DescribeTopicPartitionsTests {
  private struct Page: Equatable {
    var topics: [String]
    var partitions: [Int32]
    var next: String?

    init(_ topics: [String], _ partitions: [Int32], _ next: String?) {
      (self.topics, self.partitions, self.next) = (topics, partitions, next)
    }
  }

  private func ask(
    _ client: TestClient, _ names: [String] = [], limit: Int32 = 2000, from cursor: (String, Int32)? = nil
  ) throws -> DescribeTopicPartitionsResponse {
    var request = DescribeTopicPartitionsRequest()
    request.topics = names.map { name in .with { $0.name = name } }
    request.responsePartitionLimit = limit
    request.cursor = cursor.map { topic, partition in
      .with {
        $0.topicName = topic
        $0.partitionIndex = partition
      }
    }
    return try client.ask(request, version: 0)
  }

  private func page(_ response: DescribeTopicPartitionsResponse) -> Page {
    Page(
      response.topics.map { $0.name ?? "" }, response.topics.flatMap(\.partitions).map(\.partitionIndex),
      response.nextCursor.map { "\($0.topicName)-\($0.partitionIndex)" })
  }

  @Test("pages follow one another in the order of names, and end within topics and between them")
  func pages() throws {
    try withBroker { broker in
      let client = try broker.connect()
      for (name, count) in [("c", 2), ("a", 3), ("b", 1)] { try client.createTopic(name, partitions: Int32(count)) }
      #expect(try page(ask(client)) == Page(["a", "b", "c"], [0, 1, 2, 0, 0, 1], nil))
      #expect(try page(ask(client, limit: 2)) == Page(["a"], [0, 1], "a-2"))
      #expect(try page(ask(client, limit: 2, from: ("a", 2))) == Page(["a", "b"], [2, 0], "c-0"))
      #expect(try page(ask(client, limit: 2, from: ("c", 0))) == Page(["c"], [0, 1], nil))
      #expect(try page(ask(client, limit: 0)) == Page(["a"], [0], "a-1"))
      // The cursor's topic is gone: the next one begins at its first partition.
      #expect(try page(ask(client, from: ("aa", 1))) == Page(["b", "c"], [0, 0, 1], nil))
    }
  }

  @Test("topics asked for are described once each with id and replicas; unknown ones are told as such")
  func named() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("a")
      let answer = try ask(client, ["nope", "a", "a", "bad name"])
      #expect(answer.topics.map(\.name) == ["a", "bad name", "nope"])
      #expect(answer.topics.map(\.errorCode) == [.none, .invalidTopicException, .unknownTopicOrPartition])
      #expect(answer.topics[0].topicID == broker.broker.topics.named("a")?.id)
      let partition = try #require(answer.topics[0].partitions.first)
      #expect(partition.leaderID == 1 && partition.replicaNodes == [1] && partition.isrNodes == [1])
      #expect(partition.errorCode == .none && partition.offlineReplicas.isEmpty)
      #expect(answer.topics[0].topicAuthorizedOperations == OperationSet.bits(of: .topic))
    }
  }
}
