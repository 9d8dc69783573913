import Compression
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

struct FetchTests {
  @Test("what one fetch turns into old messages is bounded: the next batch comes with the next fetch")
  func boundedMessages() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      try client.createTopic("large")
      func zeros(_ count: Int) throws -> ByteBuffer {
        var builder = RecordBatchBuilder(capacity: 4096)
        builder.append(
          Record(offset: 0, timestamp: 1, key: nil, value: ByteBuffer(repeating: 0, count: count), headers: []))
        return try builder.finish(codec: .gzip)
      }
      let batch = try zeros(Limits.downConvertedBytes / 2 + 1000)
      for _ in 0..<3 { _ = try client.produce(batch, to: "t") }
      for offset: Int64 in 0..<3 {
        let found = try client.fetch("t", from: Offset(offset), version: 2)
        #expect(found.errorCode == .none)
        var records = try #require(found.records.bytes)
        #expect(records.getInteger(at: records.readerIndex, as: Int64.self) == offset)
        let size = try #require(records.getInteger(at: records.readerIndex + 8, as: Int32.self))
        records.moveReaderIndex(forwardBy: 12 + Int(size))
        #expect(records.readableBytes == 0, "one set and no more")
      }
      _ = try client.produce(zeros(Limits.downConvertedBytes + 1), to: "large")
      #expect(try client.fetch("large", from: 0, version: 2).errorCode == .unsupportedCompressionType)
      #expect(try client.fetch("large", from: 0).errorCode == .none)
    }
  }

  @Test("every served version is answered, by name or by id", arguments: Int16(4)...17)
  func versions(version: Int16) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a", "b"]), to: "t")
      var request = FetchRequest.from("t", 0, 0)
      request.topics[0].topicID = try #require(broker.broker.topics.named("t")).id
      let answer = try client.ask(request, version: version)
      #expect(answer.errorCode == .none)
      #expect(answer.sessionID == 0)
      #expect(try Batches.values(in: answer.responses[0].partitions[0].records).map(\.1) == ["a", "b"])
    }
  }

  @Test("messages are made off the event loop: other connections are served meanwhile", arguments: [0, 60_000])
  func messagesOffLoop(maxWaitMs: Int32) throws {
    try withBroker(["num.network.threads": "1", "num.partitions": "1"]) { broker in
      let (client, other) = (try broker.connect(), try broker.connect())
      try client.createTopic("t")
      _ = try other.produce(Batches.of(["a"]), to: "t")
      var asked: Int32 = 0
      try broker.blocking(.request) {
        let fetch = FetchRequest.from("t", 0, maxWaitMs == 0 ? 0 : 1, maxWaitMs: maxWaitMs)
        asked = try client.send(fetch, version: 2)
        #expect(try other.fetch("t", from: 0).records.byteCount > 0)
        #expect(!client.hasBytes, "the messages were made on the loop")
      }
      if maxWaitMs > 0 { _ = try other.produce(Batches.of(["b"]), to: "t") }
      let answer = try client.receive(FetchRequest.self, version: 2, correlationID: asked)
      let found = try #require(answer.responses.first?.partitions.first)
      #expect(found.records.byteCount > 0)
      #expect(broker.broker.parkedFetches.current == 0)
    }
  }

  @Test(
    "versions 0 to 3 get messages of before Kafka 0.11, from the offset they asked for",
    arguments: [Codec.none, .gzip, .snappy, .lz4], Int16(0)...3)
  func oldVersions(codec: Codec, version: Int16) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for _ in 0..<2 { _ = try client.produce(Batches.of(["a", "b", "c"], codec: codec), to: "t") }
      let found = try client.fetch("t", from: 1, version: version)
      #expect(found.errorCode == .none)
      #expect(found.highWatermark == 6)
      let (first, second) = try Batches.twoSets(in: found.records, codec: codec, messagesInFirst: 2)
      let read = try [first, second].map { try RecordBatch(converting: $0, limit: 1000).records() }
      #expect(read[0].map(\.value) == ["b", "c"].map { ByteBuffer(string: $0) })
      #expect(read[1].map(\.value) == ["a", "b", "c"].map { ByteBuffer(string: $0) })
      #expect(read[0].map(\.timestamp) == (version < 2 ? [-1, -1] : [10, 20].map { Batches.timestamp + $0 }))
      // The first message's offset, or the wrapper's, which is that of its last.
      #expect(first.getInteger(at: first.readerIndex, as: Int64.self) == (codec == .none ? 1 : 2))
      let small = try client.fetch("t", from: 0, partitionMaxBytes: 1, version: version)
      let whole = try RecordBatch(converting: try #require(small.records.bytes), limit: 1000)
      #expect(whole.header.count == 3, "one batch comes whole")
      #expect(try client.fetch("t", from: 6, version: version).records.bytes?.readableBytes == 0)
    }
  }

  @Test("versions 0 to 3 cannot get zstd, and are told so", arguments: Int16(0)...3)
  func oldVersionsAndZstd(version: Int16) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a"], codec: .zstd), to: "t")
      #expect(try client.fetch("t", from: 0, version: version).errorCode == .unsupportedCompressionType)
    }
  }

  @Test("before version 3 every partition gets a batch, however small its limit")
  func oldVersionsAndLimits() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      for partition: Int32 in 0...1 { _ = try client.produce(Batches.of(["a", "b"]), to: "t", partition) }
      var both = FetchRequest.from("t", 0, 0, partitionMaxBytes: 1)
      var other = both.topics[0].partitions[0]
      other.partition = 1
      both.topics[0].partitions.append(other)
      let found = try client.ask(both, version: 2).responses[0].partitions
      #expect(found.allSatisfy { $0.records.byteCount > 0 })
    }
  }

  @Test("an answer in old messages is bounded, however many partitions a request names")
  func oldVersionsAndMemory() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 40)
      let batch = try Batches.of([String(repeating: "x", count: 900_000)])
      var many = FetchRequest.from("t", 0, 0)
      many.topics[0].partitions = try (0..<40).map { (partition: Int32) in
        _ = try client.produce(batch, to: "t", partition)
        var wanted = many.topics[0].partitions[0]
        wanted.partition = partition
        return wanted
      }
      for version: Int16 in 0...3 {
        let found = try client.ask(many, version: version).responses[0].partitions
        let filled = found.filter { $0.records.byteCount > 0 }
        #expect(found.count == 40 && (8...10).contains(filled.count), "version \(version): \(filled.count)")
      }
    }
  }

  @Test("a partition that a request names many times is answered once, in every version")
  func doubles() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 4)
      _ = try client.produce(Batches.of(["a"]), to: "t", 2)
      let id = try #require(broker.broker.topics.named("t")).id
      var request = FetchRequest.from("t", 2, 0)
      request.topics[0].topicID = id
      let wanted = request.topics[0].partitions[0]
      func partitions(_ order: [Int32]) -> [FetchRequest.Partition] {
        order.map { index in
          var partition = wanted
          partition.partition = index
          return partition
        }
      }
      for version: Int16 in [0, 1, 4, 11, 12, 13] {
        for (named, answered) in [
          ([2], [2]), ([2, 2, 2], [2]), ([0, 1, 2, 1], [0, 1, 2]), ([2, 3, 0, 1], [2, 3, 0, 1]),
          ([3, 1, 2, 0], [3, 1, 2, 0]), ([2, 3, 0, 2], [2, 3, 0]), ([1, 0, 1], [1, 0]),
          (Array(repeating: 2, count: 10_000), [2]),
        ] as [([Int32], [Int32])] {
          request.topics = [request.topics[0]]
          request.topics[0].partitions = partitions(named)
          let found = try client.ask(request, version: version).responses.flatMap(\.partitions)
          #expect(found.map(\.partitionIndex) == answered, "version \(version)")
          #expect(found.filter { $0.records.byteCount > 0 }.map(\.partitionIndex) == answered.filter { $0 == 2 })
        }
        request.topics[0].partitions = [wanted]
        request.topics = Array(repeating: request.topics[0], count: 20)
        let found = try client.ask(request, version: version).responses.flatMap(\.partitions)
        #expect(found.map(\.partitionIndex) == [2], "version \(version): the topic named twenty times")
      }
    }
  }

  @Test("nothing to read is zero bytes, not null; so is a failed partition")
  func emptyNotNull() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for version: Int16 in [0, 2, 4, 11, 12] {
        #expect(try client.fetch("t", from: 0, version: version).records.bytes?.readableBytes == 0)
        let missing = try client.fetch("nowhere", from: 0, version: version)
        #expect(missing.errorCode == .unknownTopicOrPartition)
        #expect(missing.records.bytes?.readableBytes == 0)
      }
    }
  }

  @Test("an offset inside a batch gets the whole batch")
  func insideBatch() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a", "b", "c"]), to: "t")
      #expect(try Batches.values(in: client.fetch("t", from: 2).records).map(\.0) == [0, 1, 2])
    }
  }

  @Test("the first batch comes whole, however small the limits; the second only within them")
  func limits() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      for partition: Int32 in 0...1 {
        for _ in 0..<3 { _ = try client.produce(Batches.of([String(repeating: "x", count: 1000)]), to: "t", partition) }
      }
      #expect(try Batches.values(in: client.fetch("t", from: 0, partitionMaxBytes: 1).records).count == 1)
      #expect(try Batches.values(in: client.fetch("t", from: 0, maxBytes: 1).records).count == 1)
      #expect(try Batches.values(in: client.fetch("t", from: 0, partitionMaxBytes: 2500).records).count == 2)
      var both = FetchRequest.from("t", 1, 0, maxBytes: 1200)
      var other = both.topics[0].partitions[0]
      other.partition = 0
      both.topics[0].partitions.append(other)
      let answer = try client.ask(both, version: 11).responses[0].partitions
      #expect(answer.map(\.partitionIndex) == [1, 0], "in the order of the request")
      #expect(try answer.map { try Batches.values(in: $0.records).count } == [1, 0])
    }
  }

  @Test("offsets outside the log are out of range; its end is empty")
  func range() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a"]), to: "t")
      #expect(try client.fetch("t", from: 1).errorCode == .none)
      #expect(try client.fetch("t", from: 2).errorCode == .offsetOutOfRange)
      #expect(try client.fetch("t", from: -1).errorCode == .offsetOutOfRange)
    }
  }

  @Test("a fetch waits for min.bytes over all its partitions together, and is woken by the append that completes them")
  func longPoll() throws {
    try withBroker { broker in
      let reader = try broker.connect(), writer = try broker.connect()
      try writer.createTopic("t", partitions: 2)
      let batch = try Batches.of([String(repeating: "x", count: 500)])
      var request = FetchRequest.from("t", 0, 0, maxWaitMs: 15_000, minBytes: 1000)
      var other = request.topics[0].partitions[0]
      other.partition = 1
      request.topics[0].partitions.append(other)
      let id = try reader.send(request, version: 11)
      _ = try writer.produce(batch, to: "t", 0)
      _ = try writer.produce(batch, to: "t", 1)
      let answer = try reader.receive(FetchRequest.self, version: 11, correlationID: id).responses[0].partitions
      #expect(answer.map { $0.records.byteCount } == [batch.readableBytes, batch.readableBytes])
      #expect(broker.broker.parkedFetches.current == 0)
      for index: Int32 in 0...1 { #expect(broker.broker.topics.named("t")?.partition(index)?.parkedCount == 0) }
    }
  }

  /// A read returns the bytes of one segment: waiting for more would last until the deadline, however much is appended.
  @Test("a fetch that reaches the end of a segment is answered, though it has less than min.bytes")
  func segmentEnd() throws {
    try withBroker { broker in
      let reader = try broker.connect(), writer = try broker.connect()
      try writer.createTopic("t", ["segment.bytes": "1000"])
      let batch = try Batches.of([String(repeating: "x", count: 500)])
      let id = try reader.send(FetchRequest.from("t", 0, 0, maxWaitMs: 600_000, minBytes: 1000), version: 11)
      for _ in 0..<3 { _ = try writer.produce(batch, to: "t") }
      let answer = try reader.receive(FetchRequest.self, version: 11, correlationID: id).responses[0].partitions
      #expect(answer.map { $0.records.byteCount } == [batch.readableBytes])
      let again = try reader.fetch("t", from: 0, maxWaitMs: 600_000, minBytes: 1000)
      #expect(again.records.byteCount == batch.readableBytes)
    }
  }

  @Test("a fetch whose time is up answers with what there is")
  func deadline() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a"]), to: "t")
      let found = try client.fetch("t", from: 0, maxWaitMs: 50, minBytes: 1_000_000)
      #expect(try Batches.values(in: found.records).count == 1)
      #expect(broker.broker.parkedFetches.current == 0)
    }
  }

  @Test("a fetch that waits on a topic that is deleted is answered")
  func deletedMeanwhile() throws {
    try withBroker { broker in
      let reader = try broker.connect(), admin = try broker.connect()
      try admin.createTopic("t")
      let id = try reader.send(FetchRequest.from("t", 0, 0, maxWaitMs: 15_000), version: 11)
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      while partition.parkedCount == 0 { _ = try admin.ask(MetadataRequest(), version: 5) }
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["t"]
      #expect(try admin.ask(delete, version: 4).responses[0].errorCode == .none)
      let answer = try reader.receive(FetchRequest.self, version: 11, correlationID: id)
      #expect(answer.responses[0].partitions[0].errorCode == .unknownTopicOrPartition)
    }
  }

  @Test("a client that goes while its fetch waits leaves nothing behind")
  func goneMeanwhile() throws {
    try withBroker { broker in
      let admin = try broker.connect()
      try admin.createTopic("t")
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      do {
        let reader = try broker.connect()
        try reader.send(FetchRequest.from("t", 0, 0, maxWaitMs: 60_000), version: 11)
        while partition.parkedCount == 0 { _ = try admin.ask(MetadataRequest(), version: 5) }
      }
      // The fetch leaves its partitions first, and then the count of all.
      while partition.parkedCount > 0 || broker.broker.parkedFetches.current > 0 {
        _ = try admin.ask(MetadataRequest(), version: 5)
      }
    }
  }

  @Test("with no room for another parked fetch, it answers at once")
  func parkedLimit() throws {
    try withBroker(["millrace.parked.fetches.max": "0"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      #expect(try client.fetch("t", from: 0, maxWaitMs: 60_000).records.byteCount == 0)
    }
  }

  @Test("a topic made again has another id: the old one is unknown")
  func recreated() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let old = try #require(broker.broker.topics.named("t")).id
      var delete = DeleteTopicsRequest()
      var named = DeleteTopicsRequest.Topic()
      named.topicID = old
      delete.topics = [named]
      #expect(try client.ask(delete, version: 6).responses[0].name == "t")
      try client.createTopic("t")
      var request = FetchRequest.from("", 0, 0)
      request.topics[0].topicID = old
      let answer = try client.ask(request, version: 13).responses[0].partitions[0]
      #expect(answer.errorCode == .unknownTopicId)
      #expect(try client.ask(delete, version: 6).responses[0].errorCode == .unknownTopicId)
    }
  }

  @Test("leader epochs: an old one is fenced, a future one unknown, the present one served")
  func epochs() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let epoch = try #require(broker.broker.topics.named("t")?.partition(0)).leaderEpoch
      for (claimed, code) in [(epoch, ErrorCode.none), (epoch + 1, .unknownLeaderEpoch), (-1, .none)] {
        var request = FetchRequest.from("t", 0, 0)
        request.topics[0].partitions[0].currentLeaderEpoch = claimed
        #expect(try client.ask(request, version: 9).responses[0].partitions[0].errorCode == code, "epoch \(claimed)")
      }
    }
  }

  @Test("a session's responses have only what is new, and its requests name only what changes")
  func sessions() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 3)
      var request = FetchRequest.from("t", 0, 0)
      request.sessionEpoch = 0
      for partition in Int32(1)...2 {
        var wanted = request.topics[0].partitions[0]
        wanted.partition = partition
        request.topics[0].partitions.append(wanted)
      }
      let first = try client.ask(request, version: 11)
      #expect(first.sessionID > 0 && first.responses.first?.partitions.count == 3)
      request.sessionID = first.sessionID
      request.sessionEpoch = 1
      request.topics = []
      #expect(try client.ask(request, version: 11).responses.isEmpty, "nothing is new")
      _ = try client.produce(Batches.of(["a"]), to: "t", 1)
      request.sessionEpoch = 2
      let second = try client.ask(request, version: 11)
      #expect(second.sessionID == first.sessionID)
      #expect(second.responses.map { $0.partitions.map(\.partitionIndex) } == [[1]])
      #expect(try Batches.values(in: second.responses[0].partitions[0].records).map(\.1) == ["a"])
      request.topics = [FetchRequest.from("t", 1, 1).topics[0]]
      request.sessionEpoch = 3
      #expect(try client.ask(request, version: 11).responses.isEmpty, "the mark is known")
      #expect(try client.ask(request, version: 11).errorCode == .invalidFetchSessionEpoch)
      request.sessionEpoch = 4
      #expect(try client.ask(request, version: 13).errorCode == .fetchSessionTopicIdError)
      request.sessionEpoch = -1
      #expect(try client.ask(request, version: 11).sessionID == 0, "the session ends with a full request without one")
      request.sessionEpoch = 4
      #expect(try client.ask(request, version: 11).errorCode == .fetchSessionIdNotFound)
      #expect(broker.broker.fetchSessions.count == 0)
    }
  }

  @Test("a fetch of a session waits for records as any other, and no session is granted without places for them")
  func sessionWaits() throws {
    try withBroker(["max.incremental.fetch.session.cache.slots": "1"]) { broker in
      let (client, other) = (try broker.connect(), try broker.connect())
      try client.createTopic("t")
      var request = FetchRequest.from("t", 0, 0)
      request.sessionEpoch = 0
      let first = try client.ask(request, version: 11)
      #expect(first.sessionID > 0)
      #expect(try other.ask(request, version: 11).sessionID == 0)
      request.sessionID = first.sessionID
      request.sessionEpoch = 1
      request.topics = []
      request.maxWaitMs = 30_000
      let id = try client.send(request, version: 11)
      _ = try other.produce(Batches.of(["a"]), to: "t")
      let answer = try client.receive(FetchRequest.self, version: 11, correlationID: id)
      #expect(try Batches.values(in: answer.responses[0].partitions[0].records).map(\.1) == ["a"])
    }
  }

  @Test("the three read paths send the same bytes", arguments: ["sendfile", "copy", "mmap"])
  func readPaths(path: String) throws {
    try withBroker(["millrace.read.path": path, "millrace.read.copy.buffer.bytes": "5000"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      var sent = ByteBuffer()
      for index in 0..<40 {
        let batch = try Batches.of(["\(index)-" + String(repeating: "\(index % 10)", count: 9000 + index)])
        for partition: Int32 in 0...1 {
          #expect(try client.produce(batch, to: "t", partition).baseOffset == Offset(Int64(index)))
        }
        sent.writeImmutableBuffer(batch)
      }
      var request = FetchRequest.from("t", 1, 0, partitionMaxBytes: 10 << 20)
      var other = request.topics[0].partitions[0]
      other.partition = 0
      other.fetchOffset = 7
      request.topics[0].partitions.append(other)
      let ids = try (0..<5).map { _ in try client.send(request, version: 11) }
      for id in ids {
        let answer = try client.receive(FetchRequest.self, version: 11, correlationID: id).responses[0].partitions
        #expect(try Batches.values(in: answer[0].records).map(\.0) == (0..<40).map { Offset($0) })
        #expect(try Batches.values(in: answer[1].records).map(\.0) == (7..<40).map { Offset($0) })
        #expect(answer[0].records.byteCount == sent.readableBytes)
      }
    }
  }
}
