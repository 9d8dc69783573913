import Compression
import Model
import NIOCore
import Storage
import Testing
import Wire

@testable import Broker

@Suite("Timestamps of what is produced")
struct ProduceTimestampTests {
  private static let base = Batches.timestamp
  private static let timestamps = [base, base + 500, base + 10]

  private func stored(_ client: TestClient, _ topic: String, from offset: Offset = 0) throws -> RecordBatch {
    // The CRC is looked at.
    try RecordBatch(viewing: try #require(client.fetch(topic, from: offset).records.bytes))
  }

  @Test(
    "the header's largest is worked out from the records, whatever the producer says",
    arguments: Codec.allCases, [-1, 0, base + 10, base + 500, .max, .min, -2])
  func worksOutLargest(codec: Codec, claimed: Int64) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let right = try Batches.of(timestamps: Self.timestamps, codec: codec)
      let sent = try Batches.sealed(right) { $0.maxTimestamp = claimed }
      #expect(try client.produce(sent, to: "t").errorCode == .none)
      let batch = try stored(client, "t")
      #expect(batch.header.maxTimestamp == Self.base + 500)
      #expect(batch.body == (try RecordBatch(viewing: sent)).body, "records stay as they are")
      #expect(batch.header.crc == (try RecordBatch(viewing: right)).header.crc)
      let lookups = [Self.base, Self.base + 1, Self.base + 500, Self.base + 501]
      #expect(try lookups.map { try client.offset(of: "t", at: $0).offset } == [0, 1, 1, -1])
      #expect(try client.offset(of: "t", at: -3).offset == 1)
    }
  }

  @Test("the same of messages older than Kafka 0.11", arguments: [Codec.none, .gzip, .snappy, .lz4])
  func messages(codec: Codec) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var set = ByteBuffer()
      let batch = try RecordBatch(viewing: Batches.of(timestamps: Self.timestamps, codec: codec))
      try batch.writeMessages(magic: 1, from: 0, to: &set)
      if codec != .none {
        // The wrapper's own timestamp: 8 bytes behind offset, size, CRC, magic and attributes.
        set.setInteger(Int64.max, at: 18)
        let covered = try #require(set.getBytes(at: 16, length: set.readableBytes - 16))
        set.setInteger(covered.withUnsafeBytes { CRC32.of($0) }, at: 12)
      }
      #expect(try client.produce(set, to: "t", version: 2).errorCode == .none)
      #expect(try stored(client, "t").header.maxTimestamp == Self.base + 500)
      #expect(try client.offset(of: "t", at: Self.base + 11).offset == 1)
    }
  }

  @Test("retention by time goes by what the records say, not by a header from the far future")
  func retention() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["retention.ms": "1000"])
      let sent = try Batches.sealed(Batches.of(timestamps: Self.timestamps)) { $0.maxTimestamp = .max }
      _ = try client.produce(sent, to: "t")
      broker.broker.applyRetention()
      #expect(try client.offset(of: "t", at: -2).offset == 3)
    }
  }

  @Test("an idempotent producer whose header says -1 is known at the next look, and its retry is no second append")
  func idempotent() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let now = broker.broker.nowMs()
      let id = try client.ask(InitProducerIdRequest(), version: 4).producerID
      let sent = try Batches.sealed(Batches.of(timestamps: [now], producerID: id, sequence: 0)) { $0.maxTimestamp = -1 }
      #expect(try client.produce(sent, to: "t").baseOffset == 0)
      broker.broker.expireProducers()
      #expect(try client.produce(sent, to: "t").baseOffset == 0)
      #expect(try client.offset(of: "t", at: -1).offset == 1)
    }
  }

  @Test("one outside the topic's limits is refused with its record's index, whatever the header says of it")
  func limits() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic(
        "t", ["message.timestamp.before.max.ms": "60000", "message.timestamp.after.max.ms": "60000"])
      let now = broker.broker.nowMs()
      let cases: [(timestamps: [Int64], atFault: [Int32])] = [
        ([now, now - 120_000, now], [1]), ([now, now + 3_000_000_000_000], [1]), ([-5000], [0]), ([0], [0]),
        ([now, .max, .min, now], [1, 2]), ([now - 120_000, -1, now + 120_000], [0, 2]), ([-1, now, -2], [2]),
        ([now, now - 30_000, now + 30_000], []), ([-1], []), ([-1, now], []), ([now, -1], []),
      ]
      var end: Offset = 0
      for codec in Codec.allCases {
        for (timestamps, atFault) in cases {
          let right = try Batches.of(timestamps: timestamps, codec: codec)
          for claimed in [timestamps.max() ?? -1, -1, now, 0] {
            let sent = try Batches.sealed(right) { $0.maxTimestamp = claimed }
            let answer = try client.produce(sent, to: "t")
            #expect(
              answer.errorCode == (atFault.isEmpty ? .none : .invalidTimestamp),
              "\(codec) \(timestamps.map { $0 - now }) \(claimed)")
            #expect(answer.recordErrors.map(\.batchIndex) == atFault)
            if atFault.isEmpty { end = end + timestamps.count }
          }
        }
      }
      #expect(try client.offset(of: "t", at: -1).offset == end)
      var set = ByteBuffer()
      try RecordBatch(viewing: Batches.of(timestamps: [now, now - 120_000])).writeMessages(magic: 1, from: 0, to: &set)
      #expect(try client.produce(set, to: "t", version: 2).errorCode == .invalidTimestamp)
    }
  }

  @Test("deltas count, not the base they start from: one far away is fine, and a sum beyond 64 bits ends nothing")
  func bases() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("limited", ["message.timestamp.before.max.ms": "60000"])
      try client.createTopic("t")
      let now = broker.broker.nowMs()
      // The first record's delta is `now`, from a base of 0.
      let shifted = try Batches.sealed(Batches.of(timestamps: [0, now, now + 5])) { $0.baseTimestamp = 0 }
      #expect(try client.produce(shifted, to: "limited").errorCode == .invalidTimestamp)
      let moved = try Batches.sealed(Batches.of(timestamps: [1_000_000, now, now + 5])) { $0.baseTimestamp = now }
      #expect(try client.produce(moved, to: "t").errorCode == .none)
      for base: Int64 in [.min, .min + 1, -1, 0, .max - 1, .max] {
        for delta: Int64 in [.min, .min + 1, -1, 0, 1, .max - 1, .max] {
          let sent = try Batches.sealed(Batches.of(timestamps: [0, delta])) { $0.baseTimestamp = base }
          #expect(try client.produce(sent, to: "t").errorCode == .none, "\(base) \(delta)")
        }
      }
      broker.broker.applyRetention()
      broker.broker.expireProducers()
      #expect(try client.produce(Batches.of(["a"]), to: "t").errorCode == .none)
    }
  }

  @Test("the timestamp type that is stored is the topic's, not the producer's", arguments: [Codec.none, .zstd])
  func type(codec: Codec) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("created")
      try client.createTopic("appended", ["message.timestamp.type": "LogAppendTime"])
      try client.createTopic("recompressed", ["compression.type": "gzip"])
      let sent = try Batches.sealed(Batches.of(timestamps: Self.timestamps, codec: codec)) {
        $0.attributes.isLogAppendTime = true
        $0.maxTimestamp = 5
      }
      for topic in ["created", "recompressed"] {
        #expect(try client.produce(sent, to: topic).errorCode == .none)
        let batch = try stored(client, topic)
        #expect(!batch.header.attributes.isLogAppendTime)
        #expect(batch.header.maxTimestamp == Self.base + 500)
        #expect(try batch.records().map(\.timestamp) == Self.timestamps)
      }
      let placed = try client.produce(sent, to: "appended")
      #expect(
        try stored(client, "appended").records().map(\.timestamp)
          == [Int64](repeating: placed.logAppendTimeMs, count: 3))
    }
  }

  @Test("a batch at fault in very many records is answered with the first of them")
  func manyFaults() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["cleanup.policy": "compact", "message.timestamp.before.max.ms": "60000"])
      let sent = try Batches.of(timestamps: [Int64](repeating: 7, count: 5000), key: "k")
      let answer = try client.produce(sent, to: "t")
      #expect(answer.errorCode == .invalidTimestamp)
      #expect(answer.recordErrors.map(\.batchIndex) == (0..<Int32(Limits.recordErrors)).map { $0 })
    }
  }

  @Test("what a request's batches unpack to is bounded together: the rest is to be sent again")
  func allowance() throws {
    let config = TopicConfig(overrides: [:], broker: try Config())
    var builder = RecordBatchBuilder(capacity: 4096)
    builder.append(Record(offset: 0, timestamp: 1, key: nil, value: ByteBuffer(repeating: 0, count: 600_000)))
    let bomb = try builder.finish(codec: .gzip)
    var allowance = UnpackAllowance(bytes: 1_000_000)
    func check(_ bytes: ByteBuffer) -> ErrorCode {
      do throws(ProduceError) {
        _ = try ProducedBatch.checked(bytes, for: config, version: 9, nowMs: 5, allowance: &allowance)
        return .none
      } catch { return error.code }
    }
    #expect(check(bomb) == .none)
    #expect((390_000...400_000).contains(allowance.bytes))
    #expect(check(bomb) == .requestTimedOut)
    #expect(allowance.bytes == 0)
    #expect(check(bomb) == .requestTimedOut)
    #expect(check(try Batches.of(["plain"])) == .none, "what is not compressed needs none")
  }
}
