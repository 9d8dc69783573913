import Model
import NIOCore
import Storage
import Testing
import Wire

@testable import Broker

/// The bounds of the widths that a configuration's integers have, their neighbours, and those around zero.
private let extremes: [Int64] =
  [.min, .min + 1, -2, -1, 0, 1, 2, .max - 1, .max]
  + [Int64(Int32.min), Int64(Int32.max) - 1, Int64(Int32.max), Int64(Int32.max) + 1, Int64(Int16.max), 32_768]

extension ConfigKey {
  fileprivate var isInteger: Bool { [.int, .long, .short].contains(kind) }

  /// The extremes that the key takes, the bounds of its own among them.
  fileprivate var extremesTaken: [Int64] {
    var values = Set(extremes)
    switch allowed {
    case .atLeast(let least): values.formUnion([least, least.addingClamped(1)])
    case .between(let least, let most): values.formUnion([least, least + 1, most - 1, most])
    case .gzipLevel: values.formUnion([9, 10])
    default: break
    }
    return values.sorted().filter { (try? check("\($0)")) != nil }
  }
}

@Suite("Integers of the configuration, at their bounds")
struct ExtremeConfigTests {
  /// Does with a topic's partition all that a broker does by request and by the clock. What is refused is refused; that the broker
  /// answers and lives is what is looked at.
  private func use(_ topic: String, _ broker: TestBroker, _ client: TestClient) throws {
    for index in 0..<4 {
      _ = try client.produce(Batches.of(["a", "b"], from: Batches.timestamp + Int64(index)), to: topic)
    }
    var partition = DeleteRecordsRequest.Partition()
    partition.offset = 3
    var deleted = DeleteRecordsRequest.Topic()
    deleted.name = topic
    deleted.partitions = [partition]
    var delete = DeleteRecordsRequest()
    delete.topics = [deleted]
    _ = try client.ask(delete, version: 2)
    _ = try client.fetch(topic, from: 4)
    _ = try client.offset(of: topic, at: Batches.timestamp + 2)
    tick(broker)
    _ = try client.produce(Batches.of(["c"]), to: topic)
  }

  private func tick(_ broker: TestBroker) {
    broker.broker.applyRetention()
    broker.broker.flushDue()
    broker.broker.expireProducers()
    broker.broker.purgeDeleted()
  }

  private func delete(_ topic: String, _ client: TestClient) throws {
    var request = DeleteTopicsRequest()
    request.topicNames = [topic]
    _ = try client.ask(request, version: 4)
  }

  private func alter(_ topic: String, _ key: String, _ value: Int64, _ client: TestClient) throws {
    var config = IncrementalAlterConfigsRequest.Config()
    config.name = key
    config.value = "\(value)"
    var resource = IncrementalAlterConfigsRequest.Resource()
    resource.resourceType = 2
    resource.resourceName = topic
    resource.configs = [config]
    var request = IncrementalAlterConfigsRequest()
    request.resources = [resource]
    #expect(try client.ask(request, version: 1).responses.first?.errorCode == ErrorCode.none, "\(key)=\(value)")
  }

  @Test(
    "of a topic: it is made, written, altered, aged, restarted and deleted, and the broker lives",
    arguments: ["append", "btree"])
  func topics(engine: String) throws {
    let keys = TopicConfigKeys.all.filter { $0.key.isInteger }
    try #require(keys.count > 15)
    try withDirectory { directory in
      var topics: [String] = []
      let settings = ["millrace.log.engine": engine]
      var broker = try TestBroker.start(in: directory, settings)
      do {
        let client = try broker.connect()
        for key in keys {
          for value in key.key.extremesTaken {
            let topic = "\(key.name).\(value)"
            try client.createTopic(topic, [key.name: "\(value)"])
            try use(topic, broker, client)
            topics.append(topic)
          }
          // The same on a topic that has records already.
          let altered = "\(key.name).altered"
          try client.createTopic(altered)
          for value in key.key.extremesTaken {
            try alter(altered, key.name, value, client)
            try use(altered, broker, client)
          }
          topics.append(altered)
          broker.broker.checkpoint()
        }
        broker.running.stop()
      }
      broker = try TestBroker.start(in: directory, settings)
      let client = try broker.connect()
      for topic in topics { try use(topic, broker, client) }
      for topic in topics { try delete(topic, client) }
      tick(broker)
      broker.running.stop()
      broker = try TestBroker.start(in: directory, settings)
      #expect(broker.broker.topics.all.isEmpty)
      broker.running.stop()
    }
  }

  /// Each thread is made when the broker starts, so a number of threads is a matter of what the machine has.
  private static let brokerKeys = ConfigKeys.all.filter { $0.isInteger && $0.effect == .acted }.map(\.name)
    .filter { $0 != "num.network.threads" }

  private static let refusingKeys = ["socket.request.max.bytes", "max.connections", "max.connections.per.ip"]

  @Test("of a broker: it starts or says why not, is used and stops", arguments: brokerKeys)
  func broker(name: String) throws {
    let key = try #require(ConfigKeys.named[name])
    let values = key.extremesTaken
    // The two smallest and the two largest: each start waits for the disk.
    for value in Set(values.prefix(2) + values.suffix(2)).sorted() {
      try withDirectory { directory in
        let settings = [
          name: "\(value)", "millrace.cache": name.hasPrefix("millrace.cache") ? "process" : "page",
        ].merging(name == "broker.id" ? [:] : ["broker.id": "1"]) { $1 }
        guard let broker = try? TestBroker.start(in: directory, settings) else { return }
        defer { broker.running.stop() }
        tick(broker)
        // Under these the client is refused before it is served.
        if Self.refusingKeys.contains(name), value < 1000 { return }
        let client = try broker.connect()
        try client.createTopic("t")
        try use("t", broker, client)
        broker.broker.checkpoint()
        try delete("t", client)
      }
    }
  }
}
