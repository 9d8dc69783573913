import Compression
import Model
import NIOCore
import Storage
import Testing
import Wire

@testable import Broker

struct ProduceTests {
  @Test("what is produced is fetched: values, offsets and codec as sent", arguments: Codec.allCases)
  func roundTrip(codec: Codec) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let values = (0..<50).map { "value-\($0)-" + String(repeating: "z", count: 40) }
      for round in 0..<3 {
        let placed = try client.produce(Batches.of(values, codec: codec), to: "t")
        #expect(placed.errorCode == .none)
        #expect(placed.baseOffset == Offset(Int64(round * 50)))
      }
      let found = try client.fetch("t", from: 0)
      let fetched = try Batches.values(in: found.records)
      #expect(fetched.map(\.1) == values + values + values)
      #expect(fetched.map(\.0) == (0..<150).map { Offset($0) })
      #expect(found.highWatermark == 150)
      let first = try RecordBatch(viewing: try #require(found.records.bytes))
      #expect(first.header.attributes.codecNumber == codec.rawValue)
    }
  }

  @Test("every served version is answered", arguments: Int16(3)...12)
  func versions(version: Int16) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for acks: Int16 in [1, -1] {
        let placed = try client.produce(Batches.of(["a", "b"]), to: "t", acks: acks, version: version)
        #expect(placed.errorCode == .none)
        #expect(placed.logAppendTimeMs == -1)
      }
      #expect(try client.offset(of: "t", at: -1).offset == 4)
    }
  }

  @Test(
    "versions 0 to 2 bring messages of before Kafka 0.11, which are stored as one batch",
    arguments: [Codec.none, .gzip, .snappy, .lz4], Int16(0)...2)
  func oldVersions(codec: Codec, version: Int16) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("created")
      try client.createTopic("appended", ["message.timestamp.type": "LogAppendTime"])
      for magic: Int8 in version < 2 ? [0] : [0, 1] {
        let set = try Batches.messages(["a", "b", "c"], magic: magic, codec: codec)
        let end = try client.offset(of: "created", at: -1).offset
        let placed = try client.produce(set, to: "created", version: version)
        #expect(placed.errorCode == .none)
        #expect(placed.baseOffset == end)
        let batch = try RecordBatch(viewing: try #require(client.fetch("created", from: end).records.bytes))
        #expect(batch.header.attributes.codecNumber == codec.rawValue)
        let records = try batch.records()
        #expect(records.map(\.value) == ["a", "b", "c"].map { ByteBuffer(string: $0) })
        #expect(records.map(\.offset) == [end, end + 1, end + 2])
        #expect(records.map(\.timestamp) == (magic == 0 ? [-1, -1, -1] : [0, 10, 20].map { Batches.timestamp + $0 }))
        #expect(try client.produce(set, to: "appended", version: version).errorCode == .none)
        let stamped = try RecordBatch(viewing: try #require(client.fetch("appended", from: 0).records.bytes))
        #expect(stamped.header.attributes.isLogAppendTime)
        #expect(try stamped.records().allSatisfy { $0.timestamp > Batches.timestamp })
      }
    }
  }

  @Test("damaged messages are refused, and so are messages from version 3 on")
  func refusedMessages() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let set = try Batches.messages(["some value"], magic: 1, codec: .none)
      var flipped = set
      flipped.setInteger(set.getInteger(at: 30, as: UInt8.self)! ^ 1, at: 30)
      #expect(try client.produce(flipped, to: "t", version: 2).errorCode == .corruptMessage)
      #expect(try client.produce(set.getSlice(at: 0, length: 30), to: "t", version: 2).errorCode == .corruptMessage)
      #expect(try client.produce(set, to: "t", version: 3).errorCode == .invalidRecord)
      #expect(try client.offset(of: "t", at: -1).offset == 0)
      #expect(try client.produce(set, to: "t", version: 2).errorCode == .none)
    }
  }

  @Test("acks=0 gets no answer; the next request's answer is the next frame")
  func noAcks() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for _ in 0..<5 { try client.send(ProduceRequest.producing(Batches.of(["a"]), to: "t", 0, acks: 0), version: 9) }
      #expect(try client.offset(of: "t", at: -1).offset == 5)
    }
  }

  @Test("acks=0 to a partition that is not there closes the connection: the only way to say so")
  func noAcksFails() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.send(ProduceRequest.producing(Batches.of(["a"]), to: "nowhere", 0, acks: 0), version: 9)
      #expect(try client.isClosed())
    }
  }

  @Test("what a producer may not send is refused with Kafka's code, and nothing is appended")
  func refused() throws {
    try withBroker(["message.max.bytes": "1000"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var cases: [(ByteBuffer?, ErrorCode, String)] = []
      let good = try Batches.of(["a", "b"])
      cases.append((nil, .invalidRecord, "null"))
      cases.append((ByteBuffer(), .invalidRecord, "empty"))
      var two = good
      two.writeImmutableBuffer(good)
      cases.append((two, .invalidRecord, "two batches"))
      var flipped = good
      flipped.setInteger(good.getInteger(at: 70, as: UInt8.self)! ^ 1, at: 70)
      cases.append((flipped, .corruptMessage, "a flipped bit"))
      cases.append((good.getSlice(at: 0, length: 40), .corruptMessage, "cut short"))
      var old = good
      old.setInteger(Int8(1), at: BatchField.magic)
      cases.append((old, .invalidRecord, "magic 1"))
      cases.append((try Batches.of([String(repeating: "x", count: 2000)]), .messageTooLarge, "too large"))
      cases.append((try Batches.of(["a"], isControl: true), .invalidRecord, "a control batch"))
      let transactional = try Batches.sealed(good) { $0.attributes.isTransactional = true }
      cases.append((transactional, .invalidRecord, "a transaction of no producer"))
      cases.append((try Batches.sealed(good) { $0.count = 3 }, .invalidRecord, "more records than offsets"))
      cases.append(
        (
          try Batches.sealed(good) {
            $0.count = 1; $0.lastOffsetDelta = 0
          }, .invalidRecord, "a record too many"
        ))
      cases.append((try Batches.sealed(good) { $0.attributes.codecNumber = 6 }, .unsupportedCompressionType, "codec 6"))
      cases.append((try Batches.sealed(good) { $0.attributes.codecNumber = 1 }, .invalidRecord, "gzip that is none"))
      for (batch, code, what) in cases {
        #expect(try client.produce(batch, to: "t").errorCode == code, "\(what)")
      }
      #expect(try client.produce(good, to: "t", acks: 2).errorCode == .invalidRequiredAcks)
      #expect(try client.produce(good, to: "nowhere").errorCode == .unknownTopicOrPartition)
      #expect(try client.produce(good, to: "t", 9).errorCode == .unknownTopicOrPartition)
      #expect(try client.offset(of: "t", at: -1).offset == 0)
      #expect(try client.produce(good, to: "t").baseOffset == 0)
    }
  }

  @Test("zstd needs Produce 7, and a topic with compression.type=zstd needs Fetch 10")
  func zstd() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let batch = try Batches.of(["a", "b"], codec: .zstd)
      #expect(try client.produce(batch, to: "t", version: 6).errorCode == .unsupportedCompressionType)
      #expect(try client.produce(batch, to: "t", version: 7).errorCode == .none)
      try client.createTopic("zstd", ["compression.type": "zstd"])
      #expect(try client.produce(Batches.of(["a", "b"]), to: "zstd").errorCode == .none)
      for version: Int16 in [4, 9] {
        #expect(try client.fetch("zstd", from: 0, version: version).errorCode == .unsupportedCompressionType)
        #expect(try Batches.values(in: client.fetch("t", from: 0, version: version).records).count == 2)
      }
      #expect(try Batches.values(in: client.fetch("zstd", from: 0, version: 10).records).count == 2)
    }
  }

  @Test("an LZ4 frame that Kafka's Java clients cannot read is refused as corrupt, and nothing is stored")
  func linkedLZ4() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      try client.createTopic("recompressed", ["compression.type": "zstd"])
      let values = (0..<50).map { "value-\($0)" }
      var bytes = try Batches.of(values, codec: .lz4)
      // The frame's flags with the bit of independent blocks off, and the header checksum that goes with it.
      bytes.setInteger(UInt8(0x40), at: BatchField.records + 4)
      bytes.setInteger(UInt8(0xC0), at: BatchField.records + 6)
      let read = try RecordBatch(viewing: bytes, checkingCRC: false)
      #expect(try read.records().count == 50, "liblz4 reads it")
      bytes.setInteger(read.header.checksum(of: read.body), at: BatchField.crc)
      for topic in ["t", "recompressed"] {
        #expect(try client.produce(bytes, to: topic).errorCode == .corruptMessage)
        #expect(try client.offset(of: topic, at: -1).offset == 0)
      }
    }
  }

  @Test("an LZ4 frame whose header has a wrong checksum is refused as corrupt")
  func frameChecksum() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var batch = try Batches.of(["a", "b"], codec: .lz4)
      batch.setInteger(UInt8(0x83), at: BatchField.records + 6)
      let read = try RecordBatch(viewing: batch, checkingCRC: false)
      batch.setInteger(read.header.checksum(of: read.body), at: BatchField.crc)
      #expect(try client.produce(batch, to: "t").errorCode == .corruptMessage)
      #expect(try client.offset(of: "t", at: -1).offset == 0)
    }
  }

  @Test("a compacted topic takes no record without a key, and says which record it was")
  func keyless() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["cleanup.policy": "compact"])
      let refused = try client.produce(Batches.of(["a", "b"]), to: "t")
      #expect(refused.errorCode == .invalidRecord)
      #expect(refused.recordErrors.map(\.batchIndex) == [0, 1])
      #expect(try client.produce(Batches.of(["a"], key: "k"), to: "t").errorCode == .none)
    }
  }

  @Test("a topic's own codec: batches are stored in it, whatever they came in", arguments: Codec.allCases)
  func recompressed(sent: Codec) throws {
    try withBroker { broker in
      let client = try broker.connect()
      let values = (0..<20).map { "value-\($0)" }
      for (topic, codec) in [("z", Codec.zstd), ("uncompressed", Codec.none)] {
        try client.createTopic(topic, ["compression.type": codec == .none ? "uncompressed" : codec.name])
        #expect(try client.produce(Batches.of(values, codec: sent), to: topic).errorCode == .none)
        let found = try client.fetch(topic, from: 0)
        let batch = try RecordBatch(viewing: try #require(found.records.bytes))
        #expect(batch.header.attributes.codecNumber == codec.rawValue)
        #expect(try Batches.values(in: found.records).map(\.1) == values)
      }
    }
  }

  @Test("LogAppendTime: the broker's clock is on the records, and told in the answer")
  func logAppendTime() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["message.timestamp.type": "LogAppendTime"])
      let placed = try client.produce(Batches.of(["a", "b"]), to: "t")
      #expect(placed.logAppendTimeMs > Batches.timestamp)
      let batch = try RecordBatch(viewing: try #require(client.fetch("t", from: 0).records.bytes))
      #expect(try batch.records().map(\.timestamp) == [placed.logAppendTimeMs, placed.logAppendTimeMs])
    }
  }

  @Test("idempotence: duplicates are acknowledged where they are, gaps and old epochs refused")
  func idempotence() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let id = try client.ask(InitProducerIdRequest(), version: 4).producerID
      #expect(try client.ask(InitProducerIdRequest(), version: 0).producerID == id + 1)
      let first = try Batches.of(["a", "b"], producerID: id, epoch: 0, sequence: 0)
      let second = try Batches.of(["c"], producerID: id, epoch: 0, sequence: 2)
      #expect(try client.produce(first, to: "t").baseOffset == 0)
      #expect(try client.produce(second, to: "t").baseOffset == 2)
      let again = try client.produce(first, to: "t")
      #expect(again.errorCode == .none)
      #expect(again.baseOffset == 0)
      let gap = try Batches.of(["d"], producerID: id, epoch: 0, sequence: 9)
      #expect(try client.produce(gap, to: "t").errorCode == .outOfOrderSequenceNumber)
      #expect(
        try client.produce(Batches.of(["e"], producerID: id, epoch: 1, sequence: 0), to: "t").errorCode == .none)
      #expect(
        try client.produce(Batches.of(["f"], producerID: id, epoch: 0, sequence: 3), to: "t").errorCode
          == .invalidProducerEpoch)
      #expect(try client.offset(of: "t", at: -1).offset == 4)
    }
  }

  @Test("flush before acknowledgement: answers wait for the disk, in order, and all come")
  func flushBeforeAck() throws {
    try withBroker(["millrace.flush.before.ack": "true"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      var ids: [Int32] = []
      for index in 0..<40 {
        ids.append(
          try client.send(
            ProduceRequest.producing(Batches.of(["\(index)"]), to: "t", Int32(index % 2), acks: 1), version: 9))
      }
      for (index, id) in ids.enumerated() {
        let answer = try client.receive(ProduceRequest.self, version: 9, correlationID: id)
        #expect(answer.responses[0].partitionResponses[0].errorCode == .none)
        #expect(answer.responses[0].partitionResponses[0].baseOffset == Offset(Int64(index / 2)))
      }
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      #expect(try partition.withLog { log, _ in log.flushedOffset } == 20)
    }
  }

  @Test("min.insync.replicas above one replica refuses acks=all before anything is appended")
  func minInSync() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["min.insync.replicas": "2"])
      #expect(try client.produce(Batches.of(["a"]), to: "t", acks: -1).errorCode == .notEnoughReplicas)
      #expect(try client.produce(Batches.of(["a"]), to: "t", acks: 1).baseOffset == 0)
    }
  }
}
