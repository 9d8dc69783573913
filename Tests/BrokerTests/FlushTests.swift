import Model
import Storage
import Testing
import Wire

@testable import Broker

/// Each of the ways in which appends reach the disk.
private let paths: [[String: String]] = [
  [:], ["millrace.write.path": "direct"], ["millrace.cache": "process"], ["millrace.log.engine": "btree"],
]

@Suite("Flushing")
struct FlushTests {
  private func flushed(_ broker: TestBroker) throws -> Offset {
    let partition = try #require(broker.broker.topics.named("t")?.partition(0))
    return try partition.withLog { log, _ in log.flushedOffset }
  }

  @Test(
    "after so many messages: the append that makes them full is acknowledged when they are on the disk",
    arguments: paths)
  func messages(keys: [String: String]) throws {
    try withBroker(keys.merging(["log.flush.interval.messages": "3"]) { $1 }) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a", "b"]), to: "t")
      #expect(try flushed(broker) == 0)
      _ = try client.produce(Batches.of(["c"]), to: "t")
      #expect(try flushed(broker) == 3)
      _ = try client.produce(Batches.of(["d", "e"]), to: "t")
      #expect(try flushed(broker) == 3)
      try client.createTopic("own", ["flush.messages": "1"])
      _ = try client.produce(Batches.of(["a"]), to: "own")
      let own = try #require(broker.broker.topics.named("own")?.partition(0))
      #expect(try own.withLog { log, _ in log.flushedOffset } == 1, "a topic's own setting wins")
    }
  }

  @Test("after so many milliseconds: what was acknowledged before gets to the disk by itself", arguments: paths)
  func milliseconds(keys: [String: String]) throws {
    let flush = ["log.flush.interval.ms": "1", "log.flush.scheduler.interval.ms": "5"]
    try withBroker(keys.merging(flush) { $1 }) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a", "b"]), to: "t")
      while try flushed(broker) < 2 { _ = try client.ask(MetadataRequest(), version: 5) }
    }
  }

  @Test("before each acknowledgement: nothing that was acknowledged is in memory alone", arguments: paths)
  func beforeAcknowledging(keys: [String: String]) throws {
    try withBroker(keys.merging(["millrace.flush.before.ack": "true"]) { $1 }) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for end in 1...20 {
        _ = try client.produce(Batches.of(["v"]), to: "t")
        #expect(try flushed(broker) >= Offset(Int64(end)))
      }
    }
  }
}
