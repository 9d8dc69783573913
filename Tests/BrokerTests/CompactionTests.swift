import Compression
import Glibc
import Model
import NIOCore
import Storage
import Testing
import Wire

@testable import Broker

/// The cleaner looks by itself every 15 seconds: here it is asked to.
@Suite("A compacted topic, over a connection")
struct CompactionTests {
  private static let keys: [String: String] = [
    "cleanup.policy": "compact", "segment.bytes": "1000", "min.cleanable.dirty.ratio": "0.01",
    "file.delete.delay.ms": "0",
  ]

  /// Writes the values one after the other, each of a batch with the key that is its first letter.
  private func produce(_ values: [String], to topic: String, _ client: TestClient) throws {
    for value in values {
      let batch = try Batches.of([value + String(repeating: ".", count: 200)], key: String(value.prefix(1)))
      #expect(try client.produce(batch, to: topic).errorCode == .none)
    }
  }

  /// The values that a consumer gets that reads from the start, with their offsets: `5 a2`.
  private func values(of topic: String, _ client: TestClient) throws -> [String] {
    var offset = try client.offset(of: topic, at: -2).offset
    var found: [String] = []
    while true {
      let fetched = try client.fetch(topic, from: offset)
      try #require(fetched.errorCode == .none)
      guard var bytes = fetched.records.bytes, bytes.readableBytes > 0 else { return found }
      while bytes.readableBytes > 0 {
        let batch = try RecordBatch(viewing: bytes)
        for record in try batch.records() where record.offset >= offset {
          found.append("\(record.offset) \(String(buffer: record.value ?? ByteBuffer()).filter { $0 != "." })")
        }
        bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
        offset = batch.header.nextOffset
      }
    }
  }

  private func cleanedTo(_ broker: TestBroker, _ topic: String) throws -> Offset? {
    let partition = try #require(broker.broker.image.named(topic)?.partition(0))
    return try partition.withLog { log, _ throws(PartitionError) in log.cleanedOffset }
  }

  @Test("keeps the last of each key, at its offset, and the checkpoint of it over a restart")
  func keeps() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      do {
        defer { first.running.stop() }
        let client = try first.connect()
        try client.createTopic("c", Self.keys)
        try produce(["a1", "b1", "a2", "c1", "a3", "b2", "d1", "a4", "a5", "a6"], to: "c", client)
        first.clean()
        // Three batches fill a segment: 9 is in the active one.
        #expect(try values(of: "c", client) == ["3 c1", "5 b2", "6 d1", "8 a5", "9 a6"])
        #expect(try cleanedTo(first, "c") == 9)
        #expect(try client.offset(of: "c", at: -2).offset == 0, "the log start stays")
      }
      let checkpoint = try #require(
        try RealDisk().contents(of: "\(directory)/data/cleaner-offset-checkpoint"))
      #expect(String(decoding: checkpoint, as: UTF8.self) == "0\n1\nc 0 9\n")
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      let client = try second.connect()
      #expect(try cleanedTo(second, "c") == 9)
      try produce(["c2", "e1", "f1"], to: "c", client)
      second.clean()
      #expect(try values(of: "c", client) == ["5 b2", "6 d1", "9 a6", "10 c2", "11 e1", "12 f1"])
      #expect(second.lines.all.filter { $0.contains("error") || $0.contains("missing") } == [])
    }
  }

  @Test("after a crash is cleaned from where the checkpoint says, and has lost nothing")
  func crash() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      do {
        defer { first.running.abandon() }
        let client = try first.connect()
        try client.createTopic("c", Self.keys)
        try produce(["a1", "b1", "a2", "a3", "b2", "c1", "d1"], to: "c", client)
        first.clean()
      }
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      let client = try second.connect()
      #expect(try values(of: "c", client) == ["3 a3", "4 b2", "5 c1", "6 d1"])
      second.clean()
      #expect(try values(of: "c", client) == ["3 a3", "4 b2", "5 c1", "6 d1"])
    }
  }

  @Test("is not cleaned before its dirty ratio is reached, unless max.compaction.lag.ms is over; not without compact")
  func due() throws {
    try withBroker { broker in
      let client = try broker.connect()
      var keys = Self.keys
      keys["min.cleanable.dirty.ratio"] = "1"
      try client.createTopic("lazy", keys)
      keys["max.compaction.lag.ms"] = "1"
      try client.createTopic("late", keys)
      keys["cleanup.policy"] = "delete"
      try client.createTopic("plain", keys.filter { $0.key != "max.compaction.lag.ms" })
      for topic in ["lazy", "late", "plain"] { try produce(["a1", "a2", "a3", "a4"], to: topic, client) }
      broker.clean()
      #expect(try values(of: "lazy", client).count == 4)
      #expect(try values(of: "late", client) == ["2 a3", "3 a4"])
      #expect(try values(of: "plain", client).count == 4)
    }
  }

  @Test("with compact,delete is cleaned, and loses its oldest segments")
  func both() throws {
    try withBroker { broker in
      let client = try broker.connect()
      var keys = Self.keys
      keys["cleanup.policy"] = "compact,delete"
      keys["retention.bytes"] = "1000"
      try client.createTopic("c", keys)
      try produce((0..<12).map { "\(Character(UnicodeScalar(UInt8(97 + $0 % 8))))\($0)" }, to: "c", client)
      broker.clean()
      #expect(try values(of: "c", client).count == 11, "the first of two with one key has gone")
      broker.broker.applyRetention()
      let start = try client.offset(of: "c", at: -2).offset
      #expect(start > 0)
      #expect(try values(of: "c", client).allSatisfy { Int64($0.prefix { $0 != " " }) ?? -1 >= start.rawValue })
      try produce(["x1", "x2", "x3", "x4", "x5"], to: "c", client)
      broker.clean()
      #expect(try cleanedTo(broker, "c") ?? 0 > start)
    }
  }

  @Test("that cannot be cleaned is told once and left as it is; the others go on")
  func uncleanable() throws {
    try withBroker { broker in
      let client = try broker.connect()
      for topic in ["bad", "good"] {
        try client.createTopic(topic, Self.keys)
        try produce(["a1", "a2", "a3", "a4"], to: topic, client)
      }
      let path = "\(broker.directory)/data/bad-0/00000000000000000000.log"
      let file = try RealDisk().open(path, creating: false)
      try file.write(file.read(1, at: 100).map { $0 ^ 1 }, at: 100)
      broker.clean()
      try produce(["b1", "b2", "b3", "b4"], to: "bad", client)
      broker.clean()
      #expect(try values(of: "good", client) == ["2 a3", "3 a4"])
      let told = broker.lines.all.filter { $0.contains("cannot be compacted") }
      #expect(told.count == 1 && told[0].contains("bad-0") && told[0].contains(path), "\(told)")
      #expect(try directoryNames("\(broker.directory)/data/bad-0").allSatisfy { !$0.hasSuffix(".cleaned") })
      // A topic of the same name is another.
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["bad"]
      #expect(try client.ask(delete, version: 4).responses.map(\.errorCode) == [.none])
      try client.createTopic("bad", Self.keys)
      try produce(["a1", "a2", "a3", "a4"], to: "bad", client)
      broker.clean()
      #expect(try values(of: "bad", client) == ["2 a3", "3 a4"])
    }
  }

  @Test("is not cleaned by a broker that is told not to")
  func disabled() throws {
    try withBroker(["log.cleaner.enable": "false"]) { broker in
      let client = try broker.connect()
      try client.createTopic("c", Self.keys)
      try produce(["a1", "a2", "a3", "a4"], to: "c", client)
      broker.clean()
      #expect(try values(of: "c", client).count == 4)
    }
  }

  @Test("compresses anew what it takes records out of, and leaves the rest", arguments: Codec.allCases)
  func codecs(codec: Codec) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("c", Self.keys)
      for round in 0..<4 {
        var builder = RecordBatchBuilder(capacity: 1024)
        for key in ["a", "b", "only \(round)"] {
          let value = ByteBuffer(string: "\(key) \(round)")
          builder.append(Record(offset: 0, timestamp: Batches.timestamp, key: ByteBuffer(string: key), value: value))
        }
        let batch = try builder.finish(codec: codec)
        #expect(try client.produce(batch, to: "c").errorCode == .none)
        // A segment of its own.
        let partition = try #require(broker.broker.image.named("c")?.partition(0))
        try partition.withLog { log, _ throws(PartitionError) in
          do throws(AppendError) { try log.roll(nowMs: 0) } catch { throw .append(error) }
        }
      }
      broker.clean()
      #expect(
        try values(of: "c", client) == ["2 only 0 0", "5 only 1 1", "8 only 2 2", "9 a 3", "10 b 3", "11 only 3 3"])
    }
  }

  @Test("has lags that fit each other")
  func lags() throws {
    try withBroker { broker in
      let client = try broker.connect()
      var topic = CreateTopicsRequest.Topic()
      (topic.name, topic.numPartitions, topic.replicationFactor) = ("c", 1, 1)
      topic.configs = [("min.compaction.lag.ms", "5"), ("max.compaction.lag.ms", "4")].map { name, value in
        var config = CreateTopicsRequest.Config()
        (config.name, config.value) = (name, value)
        return config
      }
      var request = CreateTopicsRequest()
      request.topics = [topic]
      let answer = try #require(try client.ask(request, version: 7).topics.first)
      #expect(answer.errorCode == .invalidConfig)
      #expect(
        answer.errorMessage
          == "conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (4)")
    }
  }
}

@Suite("The pace of cleanings")
struct BytePaceTests {
  @Test("has each turn paid for before the next begins, and saves nothing up")
  func pace() {
    var pace = BytePace()
    #expect(pace.moved(bytes: 500, bytesPerSecond: 1000, nowNs: 0) == 500_000_000)
    #expect(pace.moved(bytes: 500, bytesPerSecond: 1000, nowNs: 400_000_000) == 600_000_000)
    #expect(pace.moved(bytes: 500, bytesPerSecond: 1000, nowNs: 9_000_000_000) == 500_000_000)
  }

  @Test("without a limit has no pause, and no number is too large for it")
  func extremes() {
    var pace = BytePace()
    #expect(pace.moved(bytes: .max, bytesPerSecond: 1.7976931348623157e308, nowNs: 5) == 0)
    #expect(pace.moved(bytes: 0, bytesPerSecond: 0, nowNs: 5) == 0)
    #expect(pace.moved(bytes: .max, bytesPerSecond: 0, nowNs: 5) == Limits.timerMsMax * 1_000_000)
    #expect(pace.moved(bytes: .max, bytesPerSecond: -3, nowNs: .max) == 0, "time does not go further")
  }
}
