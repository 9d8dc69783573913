import Model
import Testing
import Wire

@testable import Broker

/// Requests that name one thing tens of thousands of times, or tens of thousands of things.
struct ManyNamesTests {
  private static let many = 30_000

  private func metadata(_ names: [String]) -> MetadataRequest {
    var request = MetadataRequest()
    request.topics = names.map { name in
      var topic = MetadataRequest.Topic()
      topic.name = name
      return topic
    }
    return request
  }

  @Test(
    "Metadata answers a topic once, however often it is named, and creates it once", arguments: [Int16(0), 1, 4, 9, 12])
  func metadataDoubles(version: Int16) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 50)
      let names =
        Array(repeating: "t", count: Self.many) + Array(repeating: "new", count: Self.many) + ["t", "bad name"]
      let answer = try client.ask(metadata(names), version: version)
      #expect(answer.topics.map(\.name) == ["t", "new", "bad name"])
      #expect(answer.topics.map(\.errorCode) == [.none, .none, .invalidTopicException])
      #expect(answer.topics[0].partitions.count == 50)
      #expect(try client.produce(Batches.of(["a"]), to: "new").errorCode == .none)
    }
  }

  @Test("Metadata by id answers a topic once")
  func metadataByID() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let id = try #require(broker.broker.topics.named("t")).id
      var request = MetadataRequest()
      request.topics = (0..<Self.many).map { index in
        var topic = MetadataRequest.Topic()
        topic.topicID = index % 2 == 0 ? id : TopicID(high: 1, low: 1)
        return topic
      }
      #expect(try client.ask(request, version: 12).topics.map(\.errorCode) == [.none, .unknownTopicId])
    }
  }

  @Test("one Metadata creates hundreds of topics; requests of others are served meanwhile")
  func autoCreation() throws {
    try withBroker(["num.network.threads": "1", "num.partitions": "1"]) { broker in
      let (client, other) = (try broker.connect(), try broker.connect())
      try other.createTopic("other")
      let names = (0..<300).map { "t\($0)" }
      let id = try client.send(metadata(names), version: 9)
      // The control lane creates; with one network thread this is served only where that thread does not.
      #expect(try other.produce(Batches.of(["a"]), to: "other").errorCode == .none)
      let answer = try client.receive(MetadataRequest.self, version: 9, correlationID: id)
      #expect(answer.topics.map(\.name) == names)
      #expect(answer.topics.allSatisfy { $0.errorCode == .none && $0.partitions.count == 1 })
      #expect(broker.broker.topics.count == 301)
    }
  }

  @Test("CreateTopics and CreatePartitions of 40,000 topics take a time that is linear in them, doubled or not")
  func createMany() throws {
    try withBroker { broker in
      let client = try broker.connect()
      for names in [(0..<40_000).map { "t\($0)" }, Array(repeating: "t", count: 40_000)] {
        let topics = Set(names).count
        var create = CreateTopicsRequest()
        create.validateOnly = true
        create.topics = names.map { name in
          var topic = CreateTopicsRequest.Topic()
          topic.name = name
          topic.numPartitions = 1
          topic.replicationFactor = 1
          return topic
        }
        let created = try client.ask(create, version: 7).topics
        #expect(created.count == topics)
        #expect(created.allSatisfy { $0.errorCode == (topics == 1 ? .invalidRequest : .none) })
        #expect(created.count { $0.configs != nil } == (topics == 1 ? 0 : Limits.createdTopicsDescribed))
        var grow = CreatePartitionsRequest()
        grow.topics = names.map { name in
          var topic = CreatePartitionsRequest.Topic()
          topic.name = name
          topic.count = 2
          return topic
        }
        let grown = try client.ask(grow, version: 2).results
        #expect(grown.count == topics)
        #expect(grown.allSatisfy { $0.errorCode == (topics == 1 ? .invalidRequest : .unknownTopicOrPartition) })
      }
    }
  }

  @Test("a topic that DeleteTopics names many times, by name or id, is deleted and answered once")
  func deleteMany() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var byName = DeleteTopicsRequest()
      byName.topicNames = Array(repeating: "t", count: Self.many)
      #expect(try client.ask(byName, version: 5).responses.map(\.errorCode) == [.none])
      try client.createTopic("t")
      var topic = DeleteTopicsRequest.Topic()
      topic.topicID = try #require(broker.broker.topics.named("t")).id
      var byID = DeleteTopicsRequest()
      byID.topics = Array(repeating: topic, count: Self.many)
      let deleted = try client.ask(byID, version: 6).responses
      #expect(deleted.map(\.errorCode) == [.none])
      #expect(deleted.map(\.name) == ["t"])
      #expect(try client.ask(byID, version: 6).responses.map(\.errorCode) == [.unknownTopicId])
    }
  }

  @Test("DeleteRecords moves a partition that it names many times once, to the last offset given")
  func deleteRecords() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for _ in 0..<9 { _ = try client.produce(Batches.of(["a"]), to: "t") }
      var topic = DeleteRecordsRequest.Topic()
      topic.name = "t"
      topic.partitions = (0..<Self.many).map { index in
        var partition = DeleteRecordsRequest.Partition()
        partition.offset = Offset(Int64(index % 7))
        return partition
      }
      topic.partitions[Self.many - 1].offset = 4
      var request = DeleteRecordsRequest()
      request.topics = [topic, topic]
      let answer = try client.ask(request, version: 2).topics
      #expect(answer.map(\.name) == ["t"])
      #expect(answer[0].partitions.map(\.lowWatermark) == [4])
    }
  }

  @Test("AlterConfigs changes a resource that it names many times once, to what is given last")
  func alterConfigs() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var request = AlterConfigsRequest()
      request.resources = (1...Self.many).map { index in
        var config = AlterConfigsRequest.Config()
        config.name = "retention.ms"
        config.value = "\(index)"
        var resource = AlterConfigsRequest.Resource()
        resource.resourceType = 2
        resource.resourceName = "t"
        resource.configs = [config]
        return resource
      }
      #expect(try client.ask(request, version: 2).responses.map(\.errorCode) == [.none])
      #expect(broker.broker.topics.named("t")?.config.retentionMs == Int64(Self.many))
    }
  }

  @Test("IncrementalAlterConfigs refuses a resource that it names twice, once, and changes the others")
  func incrementalAlterConfigs() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      try client.createTopic("u")
      func resource(_ name: String) -> IncrementalAlterConfigsRequest.Resource {
        var config = IncrementalAlterConfigsRequest.Config()
        config.name = "retention.ms"
        config.value = "7"
        var resource = IncrementalAlterConfigsRequest.Resource()
        resource.resourceType = 2
        resource.resourceName = name
        resource.configs = [config]
        return resource
      }
      var request = IncrementalAlterConfigsRequest()
      request.resources = Array(repeating: resource("t"), count: Self.many) + [resource("u"), resource("nowhere")]
      let answer = try client.ask(request, version: 1).responses
      #expect(answer.map(\.resourceName) == ["t", "u", "nowhere"])
      #expect(answer.map(\.errorCode) == [.invalidRequest, .none, .unknownTopicOrPartition])
      #expect(broker.broker.topics.named("t")?.config.overrides == [:])
      #expect(broker.broker.topics.named("u")?.config.retentionMs == 7)
    }
  }

  @Test("DescribeConfigs and DescribeLogDirs describe once what they name many times")
  func describe() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 3)
      var resource = DescribeConfigsRequest.Resource()
      resource.resourceType = 2
      resource.resourceName = "t"
      var configs = DescribeConfigsRequest()
      configs.resources = Array(repeating: resource, count: Self.many)
      configs.includeSynonyms = true
      configs.includeDocumentation = true
      #expect(try client.ask(configs, version: 4).results.map(\.resourceName) == ["t"])
      configs.resources = (0..<Limits.resourcesDescribed + 5).map { index in
        resource.resourceName = "nowhere\(index)"
        return resource
      }
      let codes = try client.ask(configs, version: 4).results.map(\.errorCode)
      #expect(codes.count { $0 == .unknownTopicOrPartition } == Limits.resourcesDescribed)
      #expect(codes.count { $0 == .invalidRequest } == 5)
      var topic = DescribeLogDirsRequest.Topic()
      topic.topic = "t"
      topic.partitions = Array(repeating: 1, count: 100)
      var directories = DescribeLogDirsRequest()
      directories.topics = Array(repeating: topic, count: 300)
      let described = try client.ask(directories, version: 4).results[0].topics
      #expect(described.map(\.name) == ["t"])
      #expect(described[0].partitions.map(\.partitionIndex) == [1])
    }
  }
}
