import Model
import NIOCore
import Security
import Testing
import Wire

@testable import Broker

struct TopicsTests {
  private func metadata(_ names: [String]?, allow: Bool = true) -> MetadataRequest {
    var request = MetadataRequest()
    request.topics = names.map { names in
      names.map { name in
        var topic = MetadataRequest.Topic()
        topic.name = name
        return topic
      }
    }
    request.allowAutoTopicCreation = allow
    return request
  }

  @Test("v0: an empty list is all topics; from v1 it is none and null is all", arguments: Int16(0)...12)
  func lists(version: Int16) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("a", partitions: 3)
      try client.createTopic("b")
      #expect(try client.ask(metadata([]), version: version).topics.count == (version == 0 ? 2 : 0))
      let all = try client.ask(metadata(version == 0 ? [] : nil), version: version)
      #expect(all.topics.map(\.name) == ["a", "b"])
      #expect(all.topics[0].partitions.map(\.partitionIndex) == [0, 1, 2])
      #expect(all.topics[0].partitions.allSatisfy { $0.leaderID == 1 && $0.isrNodes == [1] })
      #expect(all.brokers.map(\.host) == ["127.0.0.1"])
      #expect(all.brokers.map(\.port) == [Int32(broker.port)])
      if version >= 1 { #expect(all.controllerID == 1) }
      if version >= 2 { #expect(all.clusterID?.count == 22) }
      if version >= 10 { #expect(all.topics[0].topicID == broker.broker.topics.named("a")?.id) }
    }
  }

  @Test("v12 asks by id; an unknown id is told as such")
  func byID() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("a")
      var request = MetadataRequest()
      var known = MetadataRequest.Topic()
      known.topicID = try #require(broker.broker.topics.named("a")).id
      var unknown = MetadataRequest.Topic()
      unknown.topicID = UUID128(high: 1, low: 2)
      request.topics = [known, unknown]
      let answer = try client.ask(request, version: 12).topics
      #expect(answer[0].name == "a")
      #expect(answer[1].errorCode == .unknownTopicId)
    }
  }

  @Test("the permitted operations are told of every name, whether a topic has it or not, and of no unknown id")
  func authorizedOperations() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("there")
      var request = metadata(["there", "nowhere"], allow: false)
      var unknown = MetadataRequest.Topic()
      unknown.topicID = UUID128(high: 1, low: 2)
      request.topics?.append(unknown)
      request.includeTopicAuthorizedOperations = true
      let told = try client.ask(request, version: 12).topics.map(\.topicAuthorizedOperations)
      #expect(told == [OperationSet.bits(of: .topic), OperationSet.bits(of: .topic), .min])
      request.includeTopicAuthorizedOperations = false
      #expect(try client.ask(request, version: 12).topics.map(\.topicAuthorizedOperations) == [.min, .min, .min])
    }
  }

  @Test("a topic that is not there is made when the client allows it, and only then")
  func autoCreation() throws {
    try withBroker { broker in
      let client = try broker.connect()
      #expect(
        try client.ask(metadata(["t"], allow: false), version: 4).topics[0].errorCode == .unknownTopicOrPartition)
      #expect(broker.broker.topics.named("t") == nil)
      let made = try client.ask(metadata(["t"]), version: 4).topics[0]
      #expect(made.errorCode == .none)
      #expect(made.partitions.count == 2, "num.partitions")
      // Before version 4 clients had no say.
      #expect(try client.ask(metadata(["old"], allow: false), version: 3).topics[0].errorCode == .none)
      for name in ["bad name", "", "..", String(repeating: "x", count: 250)] {
        #expect(try client.ask(metadata([name]), version: 4).topics[0].errorCode == .invalidTopicException, "\(name)")
      }
      #expect(broker.broker.topics.count == 2)
    }
  }

  @Test("auto.create.topics.enable=false wins over the client")
  func autoCreationOff() throws {
    try withBroker(["auto.create.topics.enable": "false"]) { broker in
      let client = try broker.connect()
      #expect(try client.ask(metadata(["t"]), version: 9).topics[0].errorCode == .unknownTopicOrPartition)
    }
  }

  @Test("CreateTopics answers each topic; duplicates, clashes and bad values are refused in Kafka's codes")
  func create() throws {
    try withBroker { broker in
      let client = try broker.connect()
      func topic(_ name: String, _ partitions: Int32 = 1, _ factor: Int16 = 1) -> CreateTopicsRequest.Topic {
        var topic = CreateTopicsRequest.Topic()
        topic.name = name
        topic.numPartitions = partitions
        topic.replicationFactor = factor
        return topic
      }
      var request = CreateTopicsRequest()
      var badConfig = topic("config")
      var config = CreateTopicsRequest.Config()
      config.name = "retention.ms"
      config.value = "soon"
      badConfig.configs = [config]
      request.topics = [
        topic("a.b"), topic("twice"), topic("twice"), topic("none", 0), topic("many", 1, 3), topic("defaults", -1, -1),
        badConfig,
      ]
      let answer = try client.ask(request, version: 7)
      let codes = Dictionary(uniqueKeysWithValues: answer.topics.map { ($0.name, $0.errorCode) })
      #expect(
        codes == [
          "a.b": .none, "twice": .invalidRequest, "none": .invalidPartitions, "many": .invalidReplicationFactor,
          "defaults": .none, "config": .invalidConfig,
        ])
      #expect(answer.topics.allSatisfy { $0.errorCode == .none || $0.errorMessage?.isEmpty == false })
      #expect(answer.topics.first { $0.name == "defaults" }?.numPartitions == 2)
      #expect(answer.topics.first { $0.name == "a.b" }?.configs?.contains { $0.name == "retention.ms" } == true)
      request.topics = [topic("a_b"), topic("a.b"), topic("valid")]
      request.validateOnly = true
      let checked = try client.ask(request, version: 5).topics
      #expect(checked.map(\.errorCode) == [.invalidTopicException, .topicAlreadyExists, .none])
      #expect(broker.broker.topics.named("valid") == nil)
    }
  }

  @Test("partitions can be added, never taken away")
  func grow() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      _ = try client.produce(Batches.of(["a"]), to: "t", 1)
      func grow(_ count: Int32, validateOnly: Bool = false) throws -> ErrorCode {
        var topic = CreatePartitionsRequest.Topic()
        topic.name = "t"
        topic.count = count
        var request = CreatePartitionsRequest()
        request.topics = [topic]
        request.validateOnly = validateOnly
        return try client.ask(request, version: 2).results[0].errorCode
      }
      #expect(try grow(5, validateOnly: true) == .none)
      #expect(broker.broker.topics.named("t")?.partitions.count == 2)
      #expect(try grow(5) == .none)
      #expect(try grow(5) == .invalidPartitions)
      #expect(try grow(3) == .invalidPartitions)
      #expect(try client.produce(Batches.of(["b"]), to: "t", 4).baseOffset == 0)
      #expect(try client.produce(Batches.of(["c"]), to: "t", 1).baseOffset == 1)
    }
  }

  @Test("a deleted topic is gone when the answer arrives, its directories too, and its name is free")
  func delete() throws {
    try withBroker(["log.segment.delete.delay.ms": "0"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a"]), to: "t")
      var request = DeleteTopicsRequest()
      request.topicNames = ["t", "nowhere"]
      #expect(try client.ask(request, version: 1).responses.map(\.errorCode) == [.none, .unknownTopicOrPartition])
      #expect(try client.produce(Batches.of(["b"]), to: "t").errorCode == .unknownTopicOrPartition)
      #expect(try client.ask(metadata(nil), version: 5).topics.isEmpty)
      broker.broker.purgeDeleted()
      #expect(try directoryNames("\(broker.directory)/data").filter { $0.hasPrefix("t-0") }.isEmpty)
      try client.createTopic("t")
      #expect(try client.produce(Batches.of(["c"]), to: "t").baseOffset == 0)
    }
  }

  @Test("DeleteRecords moves the start; past the end is out of range; -1 is the end")
  func deleteRecords() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for value in ["a", "b", "c"] { _ = try client.produce(Batches.of([value]), to: "t") }
      func delete(before offset: Offset) throws -> DeleteRecordsResponse.Partition {
        var partition = DeleteRecordsRequest.Partition()
        partition.offset = offset
        var topic = DeleteRecordsRequest.Topic()
        topic.name = "t"
        topic.partitions = [partition]
        var request = DeleteRecordsRequest()
        request.topics = [topic]
        return try client.ask(request, version: 2).topics[0].partitions[0]
      }
      #expect(try delete(before: 2).lowWatermark == 2)
      #expect(try client.fetch("t", from: 1).errorCode == .offsetOutOfRange)
      #expect(try Batches.values(in: client.fetch("t", from: 2).records).map(\.1) == ["c"])
      #expect(try client.offset(of: "t", at: -2).offset == 2)
      #expect(try delete(before: 9).errorCode == .offsetOutOfRange)
      #expect(try delete(before: -1).lowWatermark == 3)
    }
  }

  @Test("configuration is described with its source, and a change is in force with the next append")
  func configs() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["retention.ms": "1000"])
      func describe(_ type: Int8, _ name: String) throws -> DescribeConfigsResponse.Resource {
        var resource = DescribeConfigsRequest.Resource()
        resource.resourceType = type
        resource.resourceName = name
        var request = DescribeConfigsRequest()
        request.resources = [resource]
        request.includeSynonyms = true
        return try client.ask(request, version: 4).results[0]
      }
      let described = try describe(2, "t").configs
      let retention = try #require(described.first { $0.name == "retention.ms" })
      #expect(retention.value == "1000")
      #expect(retention.configSource == 1)
      #expect(retention.synonyms.first?.value == "1000")
      #expect(described.first { $0.name == "segment.bytes" }?.configSource == 5)
      #expect(try describe(4, "1").configs.contains { $0.name == "log.dirs" && $0.readOnly })
      #expect(try describe(4, "9").errorCode == .invalidRequest)
      #expect(try describe(2, "nowhere").errorCode == .unknownTopicOrPartition)

      var value = IncrementalAlterConfigsRequest.Config()
      value.name = "max.message.bytes"
      value.value = "100"
      var resource = IncrementalAlterConfigsRequest.Resource()
      resource.resourceType = 2
      resource.resourceName = "t"
      resource.configs = [value]
      var alter = IncrementalAlterConfigsRequest()
      alter.resources = [resource]
      #expect(try client.ask(alter, version: 1).responses[0].errorCode == .none)
      let large = try Batches.of([String(repeating: "x", count: 200)])
      #expect(try client.produce(large, to: "t").errorCode == .messageTooLarge)
      var replace = AlterConfigsRequest()
      var whole = AlterConfigsRequest.Resource()
      whole.resourceType = 2
      whole.resourceName = "t"
      replace.resources = [whole]
      #expect(try client.ask(replace, version: 0).responses[0].errorCode == .none)
      #expect(try client.produce(large, to: "t").errorCode == .none)
      #expect(try describe(2, "t").configs.first { $0.name == "retention.ms" }?.configSource == 5)
    }
  }

  @Test("retention takes segments that are due, after its time has been lowered")
  func retention() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["retention.ms": "1000", "segment.bytes": "200"])
      for index in 0..<10 {
        _ = try client.produce(Batches.of(["value \(index) of quite some length, as it were"]), to: "t")
      }
      broker.broker.applyRetention()
      #expect(try client.offset(of: "t", at: -2).offset == 10)
      #expect(try client.offset(of: "t", at: -1).offset == 10)
    }
  }

  @Test("log directories are described with their partitions' sizes")
  func logDirs() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let batch = try Batches.of(["a"])
      _ = try client.produce(batch, to: "t")
      for version: Int16 in 0...4 {
        let result = try client.ask(DescribeLogDirsRequest(), version: version).results[0]
        #expect(result.logDir == "\(broker.directory)/data")
        #expect(result.topics[0].partitions[0].partitionSize == Int64(batch.readableBytes))
      }
    }
  }

  @Test("the cluster is described; a group's coordinator is this broker, and its topic is made for the asking")
  func cluster() throws {
    try withBroker { broker in
      let client = try broker.connect()
      let cluster = try client.ask(DescribeClusterRequest(), version: 1)
      #expect(cluster.clusterID == broker.broker.clusterID)
      #expect(cluster.brokers.map(\.brokerID) == [1])
      for version: Int16 in 0...6 {
        var request = FindCoordinatorRequest()
        request.key = "group"
        request.coordinatorKeys = ["group"]
        let answer = try client.ask(request, version: version)
        #expect((version >= 4 ? answer.coordinators[0].errorCode : answer.errorCode) == .none)
        #expect((version >= 4 ? answer.coordinators[0].nodeID : answer.nodeID) == 1)
        #expect((version >= 4 ? answer.coordinators[0].port : answer.port) == Int32(broker.port))
      }
      let offsets = try #require(broker.broker.topics.named("__consumer_offsets"))
      #expect(offsets.isInternal && offsets.partitions.count == 3)
    }
  }

  @Test("the end of the present leader epoch is the log's end; a later epoch is unknown")
  func leaderEpochs() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a", "b"]), to: "t")
      let epoch = try #require(broker.broker.topics.named("t")?.partition(0)).leaderEpoch
      var partition = OffsetForLeaderEpochRequest.Partition()
      partition.leaderEpoch = epoch
      var topic = OffsetForLeaderEpochRequest.Topic()
      topic.topic = "t"
      topic.partitions = [partition]
      var request = OffsetForLeaderEpochRequest()
      request.topics = [topic]
      let found = try client.ask(request, version: 4).topics[0].partitions[0]
      #expect(found.leaderEpoch == epoch)
      #expect(found.endOffset == 2)
      request.topics[0].partitions[0].leaderEpoch = epoch + 5
      #expect(try client.ask(request, version: 2).topics[0].partitions[0].endOffset == -1)
    }
  }
}
