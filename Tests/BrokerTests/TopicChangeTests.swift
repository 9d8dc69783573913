import Cluster
import Dispatch
import Glibc
import Model
import Synchronization
import Testing
import Wire

@testable import Broker

/// Changes of topics: done off the event loops, and whole or not at all.
struct TopicChangeTests {
  private func creating(_ names: [String], partitions: Int32, validateOnly: Bool = false) -> CreateTopicsRequest {
    var request = CreateTopicsRequest()
    request.topics = names.map { name in
      var topic = CreateTopicsRequest.Topic()
      topic.name = name
      topic.numPartitions = partitions
      topic.replicationFactor = 1
      return topic
    }
    request.validateOnly = validateOnly
    return request
  }

  private func growing(_ name: String, to count: Int32) -> CreatePartitionsRequest {
    var topic = CreatePartitionsRequest.Topic()
    topic.name = name
    topic.count = count
    var request = CreatePartitionsRequest()
    request.topics = [topic]
    return request
  }

  @Test("no event loop waits for the disk or the tree: not to create, grow, change, describe or delete topics")
  func offTheLoops() throws {
    let disk = WatchedDisk()
    try withBroker(disk: disk) { broker in
      let client = try broker.connect()
      _ = try client.ask(ApiVersionsRequest(), version: 3)
      disk.forget()
      #expect(
        try client.ask(creating(["t", "u"], partitions: 20), version: 7).topics.map(\.errorCode) == [.none, .none])
      #expect(try client.ask(growing("t", to: 25), version: 3).results[0].errorCode == .none)
      var metadata = MetadataRequest()
      metadata.topics = (0..<5).map { index in
        var topic = MetadataRequest.Topic()
        topic.name = "auto\(index)"
        return topic
      }
      #expect(try client.ask(metadata, version: 12).topics.map(\.errorCode) == Array(repeating: .none, count: 5))
      var config = IncrementalAlterConfigsRequest.Config()
      config.name = "retention.ms"
      config.value = "1000"
      var resource = IncrementalAlterConfigsRequest.Resource()
      resource.resourceType = 2
      resource.resourceName = "t"
      resource.configs = [config]
      var alter = IncrementalAlterConfigsRequest()
      alter.resources = [resource]
      #expect(try client.ask(alter, version: 1).responses[0].errorCode == .none)
      #expect(try client.ask(InitProducerIdRequest(), version: 4).producerID == 0)
      #expect(try client.ask(DescribeLogDirsRequest(), version: 4).results[0].topics.count == 7)
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["t", "u"]
      #expect(try client.ask(delete, version: 5).responses.map(\.errorCode) == [.none, .none])
      #expect(disk.onLoops == [])
    }
  }

  @Test("a topic for which descriptors run out is refused, leaves nothing behind, and can be created later")
  func descriptors() throws {
    let disk = WatchedDisk()
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory, disk: disk)
      let client = try first.connect()
      try client.createTopic("before", partitions: 2)
      disk.allow(files: 60)
      let answer = try client.ask(creating(["t", "small"], partitions: 50), version: 7).topics
      #expect(answer.map(\.errorCode) == [.kafkaStorageError, .kafkaStorageError])
      #expect(answer[0].errorMessage?.isEmpty == false)
      #expect(try client.ask(growing("before", to: 50), version: 3).results[0].errorCode == .kafkaStorageError)
      disk.allow(files: nil)
      #expect(first.broker.topics.all.map(\.name) == ["before"])
      #expect(first.broker.topics.named("before")?.partitions.count == 2)
      #expect(first.broker.controller.cluster.topics.keys.sorted() == ["before"])
      let partitions = try directoryNames("\(directory)/data").filter { name in
        name.split(separator: "-").last.flatMap { Int($0) } != nil
      }
      #expect(partitions.sorted() == ["before-0", "before-1"])
      #expect(try client.produce(Batches.of(["a"]), to: "before", 1).errorCode == .none)
      #expect(try client.ask(creating(["t"], partitions: 50), version: 7).topics[0].errorCode == .none)
      for partition: Int32 in [0, 49] {
        #expect(try client.produce(Batches.of(["a"]), to: "t", partition).errorCode == .none)
      }
      #expect(try client.ask(growing("before", to: 3), version: 3).results[0].errorCode == .none)
      first.running.abandon()
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      #expect(second.broker.topics.all.map { "\($0.name) \($0.partitions.count)" } == ["before 3", "t 50"])
      #expect(second.lines.all.filter { $0.contains("set aside") } == [])
    }
  }

  @Test(
    "a stop ends the making of topics after the present piece: those that are whole stay, the rest leaves nothing behind"
  )
  func stopping() throws {
    let disk = WatchedDisk()
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory, disk: disk)
      let client = try first.connect()
      disk.after { operation, path in
        if operation == "mkdir", path.contains("/wide-3") { first.broker.beginStop() }
      }
      let wide = Int32(Limits.partitionsPerTurn * 5)
      var request = creating(["small", "wide"], partitions: 1)
      request.topics[1].numPartitions = wide
      let topics = try client.ask(request, version: 7).topics
      #expect(topics.map(\.errorCode) == [.none, .kafkaStorageError])
      #expect(topics[1].errorMessage?.contains("the broker stops") == true, "\(topics[1].errorMessage ?? "")")
      #expect(disk.changes.count { $0.hasPrefix("mkdir") } <= 1 + Limits.partitionsPerTurn)
      let late = try client.ask(creating(["late"], partitions: 1), version: 7).topics[0]
      #expect(late.errorCode == .notController && late.errorMessage == "The broker stops.")
      #expect(try client.ask(growing("small", to: 3), version: 3).results[0].errorCode == .notController)
      #expect(first.broker.topics.all.map(\.name) == ["small"])
      first.running.stop()
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      #expect(second.broker.topics.all.map { "\($0.name) \($0.partitions.count)" } == ["small 1"])
      #expect(second.lines.all.filter { $0.contains("set aside") || $0.contains("missing") } == [])
    }
  }

  @Test("a change that is asked for while many partitions are made or removed waits for a few of them, not for all")
  func turns() throws {
    let disk = WatchedDisk()
    try withBroker(disk: disk) { broker in
      let client = try broker.connect()
      let wide = Int32(Limits.partitionsPerTurn * 5)
      // On the control lane, as soon as some partitions are made, or removed: both changes are then under way.
      disk.after { operation, path in
        guard path.contains("/wide-3") else { return }
        let topic = NewTopic(name: "small-\(operation)", partitionCount: 1)
        broker.broker.controller.ask({ _ in
          .create([.init(topic, id: TopicID(high: 1, low: UInt64(operation.utf8.count)))], validateOnly: false)
        }) { _ in }
      }
      #expect(try client.ask(creating(["wide"], partitions: wide), version: 7).topics[0].errorCode == .none)
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["wide"]
      #expect(try client.ask(delete, version: 5).responses[0].errorCode == .none)
      for operation in ["mkdir", "rename"] {
        let place = try #require(
          disk.changes.firstIndex { $0.hasPrefix("mkdir") && $0.hasSuffix("/small-\(operation)-0") })
        let before = disk.changes[..<place].count { $0.hasPrefix(operation) && $0.contains("/wide-") }
        #expect(
          before <= 2 * Limits.partitionsPerTurn,
          "small-\(operation) was made after \(before) of \(wide) partitions had their \(operation)")
      }
    }
  }

  @Test("producer ids are there while the controller is busy: the next block is asked for before the first is used up")
  func producerIDsAhead() throws {
    try withBroker { broker in
      let client = try broker.connect()
      let block = Int(ProducerIDBlocks.blockSize)
      func take(_ count: Int) throws -> [Int64] {
        try (0..<count).map { _ in try client.ask(InitProducerIdRequest(), version: 4).producerID }
      }
      var given = try take(block - Limits.producerIDsLeft)
      // Answered behind the block that was asked for.
      try client.createTopic("t")
      try broker.blocking(.control) { given += try take(Limits.producerIDsLeft + 100) }
      #expect(given == (0..<Int64(block + 100)).map { $0 })
    }
  }

  @Test("what many clients ask at once is answered to each: one creates the topic, the others are told that it exists")
  func manyClients() throws {
    try withBroker { broker in
      let clients = try (0..<8).map { _ in try broker.connect() }
      for round in 0..<10 {
        let request = creating(["t\(round)", "own"], partitions: 1)
        let ids = try clients.map { try $0.send(request, version: 5) }
        var codes: [ErrorCode] = []
        for (client, id) in zip(clients, ids) {
          codes.append(try client.receive(CreateTopicsRequest.self, version: 5, correlationID: id).topics[0].errorCode)
        }
        #expect(codes.count { $0 == .none } == 1, "round \(round): \(codes)")
        #expect(codes.count { $0 == .topicAlreadyExists } == 7, "round \(round): \(codes)")
        #expect(try clients[7].produce(Batches.of(["a"]), to: "t\(round)").errorCode == .none)
      }
    }
  }

  @Test("when the tree can no longer be written, changes are refused and reads go on")
  func noTree() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      broker.closeTree()
      for _ in 0..<2 {
        #expect(try client.ask(creating(["u"], partitions: 1), version: 7).topics[0].errorCode == .notController)
      }
      #expect(try client.ask(DescribeClusterRequest(), version: 1).controllerID == -1)
      #expect(try client.produce(Batches.of(["a"]), to: "t").errorCode == .none)
      #expect(try client.fetch("t", from: 0).records.byteCount > 0)
    }
  }

  @Test("producer ids are handed out once each, also to clients that ask while a block is fetched")
  func producerIDs() throws {
    try withBroker { broker in
      let clients = try (0..<4).map { _ in try broker.connect() }
      var given: [Int64] = []
      for _ in 0..<60 {
        let ids = try clients.map { client in
          try (0..<10).map { _ in try client.send(InitProducerIdRequest(), version: 4) }
        }
        for (client, ids) in zip(clients, ids) {
          for id in ids {
            let answer = try client.receive(InitProducerIdRequest.self, version: 4, correlationID: id)
            #expect(answer.errorCode == .none)
            given.append(answer.producerID)
          }
        }
      }
      #expect(given.sorted() == (0..<2400).map(Int64.init))
    }
  }

  @Test("the metadata is made anew once for all the topics whose configurations one write changes")
  func alterMany() throws {
    try withBroker { broker in
      let client = try broker.connect()
      let names = (0..<300).map { "t\($0)" }
      #expect(try client.ask(creating(names, partitions: 1), version: 7).topics.allSatisfy { $0.errorCode == .none })
      let before = broker.broker.metadata.replacements
      var alter = IncrementalAlterConfigsRequest()
      alter.resources = names.map { name in
        var config = IncrementalAlterConfigsRequest.Config()
        (config.name, config.value) = ("retention.ms", "1000")
        var resource = IncrementalAlterConfigsRequest.Resource()
        (resource.resourceType, resource.resourceName, resource.configs) = (2, name, [config])
        return resource
      }
      #expect(try client.ask(alter, version: 1).responses.allSatisfy { $0.errorCode == .none })
      #expect(broker.broker.metadata.replacements == before + 1)
      #expect(broker.broker.topics.all.count { $0.config.retentionMs == 1000 } == 300)
    }
  }

  @Test("a topic that is created while many configurations are altered does not wait for all of them")
  func alterInTurns() throws {
    try withBroker { broker in
      // Four writes of the tree, of which the second creates the topic too. Brokers that are not there need no topics.
      let changes = (0..<4_000).map { Controller.ConfigChange(.broker(BrokerID($0 + 10))) { _, _ in [:] } }
      let ended = Mutex<[String]>([])
      let done = DispatchSemaphore(value: 0)
      broker.blocking(.control) {
        broker.broker.controller.ask({ _ in .alterConfigs(changes, validateOnly: false, nowMs: 0) }) { outcomes in
          ended.withLock { $0.append("altered \(outcomes.count { $0 == .done })") }
          done.signal()
        }
        broker.broker.controller.ask({ _ in
          .create([.init(NewTopic(name: "u", partitionCount: 1), id: TopicID(high: 1, low: 1))], validateOnly: false)
        }) { _ in
          ended.withLock { $0.append("created") }
          done.signal()
        }
      }
      for _ in 0..<2 { done.wait() }
      #expect(ended.withLock { $0 } == ["created", "altered 4000"])
    }
  }
}

/// Measures, on demand: BENCH=1 creates 10,000 partitions, otherwise it is a look at whether it still works.
struct TopicChangeBenchmarks {
  @Test("produce on another connection while partitions are created")
  func createWhileProducing() throws {
    let partitions: Int32 = getenv("BENCH") == nil ? 40 : 10_000
    try withBroker(["num.network.threads": "1"]) { broker in
      let (producer, creator) = (try broker.connect(), try broker.connect())
      try producer.createTopic("busy")
      let batch = try Batches.of(["a"])
      func produce() throws -> Duration {
        try ContinuousClock().measure { _ = try producer.produce(batch, to: "busy") }
      }
      for _ in 0..<200 { _ = try produce() }
      var topic = CreateTopicsRequest.Topic()
      topic.name = "wide"
      topic.numPartitions = partitions
      topic.replicationFactor = 1
      var request = CreateTopicsRequest()
      request.topics = [topic]
      let id = try creator.send(request, version: 7)
      var during: [Duration] = []
      while broker.broker.topics.named("wide") == nil { during.append(try produce()) }
      let answer = try creator.receive(CreateTopicsRequest.self, version: 7, correlationID: id)
      #expect(answer.topics[0].errorCode == .none)
      let alone = try (0..<during.count).map { _ in try produce() }
      func told(_ durations: [Duration]) -> String {
        "longest \(durations.max() ?? .zero), \(durations.count { $0 > .milliseconds(5) }) of \(durations.count) over 5 ms"
      }
      print("produce while \(partitions) partitions are created: \(told(during)); alone: \(told(alone))")
    }
  }
}
