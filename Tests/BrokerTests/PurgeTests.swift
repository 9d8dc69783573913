import Dispatch
import Model
import Testing
import Wire

@testable import Broker

@Suite("Files that are deleted without a delay")
struct PurgeTests {
  /// Waits for what was submitted to the housekeeping lane so far.
  private func settle(_ broker: TestBroker) {
    let done = DispatchSemaphore(value: 0)
    broker.broker.offload.submit(.housekeeping) { done.signal() }
    done.wait()
  }

  private func deleted(_ broker: TestBroker) throws -> [String] {
    let data = "\(broker.directory)/data"
    return try directoryNames(data).flatMap { name in
      [name] + ((try? directoryNames("\(data)/\(name)")) ?? [])
    }.filter { $0.hasSuffix("-delete") || $0.hasSuffix(".deleted") }
  }

  @Test("are gone at once: those of a topic")
  func topic() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("kept", partitions: 2, ["file.delete.delay.ms": "600000"])
      try client.createTopic("t", partitions: 4, ["file.delete.delay.ms": "0"])
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["kept", "t"]
      #expect(try client.ask(delete, version: 4).responses.map(\.errorCode) == [.none, .none])
      settle(broker)
      #expect(try deleted(broker).map { $0.hasPrefix("kept-") } == [true, true])
    }
  }

  @Test("are gone at once: segments below the offset of DeleteRecords, and those that retention removes")
  func segments() throws {
    for byRetention in [false, true] {
      try withBroker { broker in
        let client = try broker.connect()
        try client.createTopic("t", ["file.delete.delay.ms": "0", "segment.bytes": "1000", "retention.bytes": "1"])
        for _ in 0..<3 { _ = try client.produce(Batches.of([String(repeating: "x", count: 700)]), to: "t") }
        if byRetention {
          broker.broker.applyRetention()
        } else {
          var partition = DeleteRecordsRequest.Partition()
          partition.offset = 2
          var topic = DeleteRecordsRequest.Topic()
          (topic.name, topic.partitions) = ("t", [partition])
          var request = DeleteRecordsRequest()
          request.topics = [topic]
          #expect(try client.ask(request, version: 2).topics.first?.partitions.first?.lowWatermark == 2)
        }
        settle(broker)
        #expect(try deleted(broker) == [])
        #expect(try client.offset(of: "t", at: -2).offset >= 2, "there was something to delete")
      }
    }
  }
}
