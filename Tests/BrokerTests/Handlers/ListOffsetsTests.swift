import Compression
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

struct ListOffsetsTests {
  @Test("times are exact to the record, inside batches too, compressed or not", arguments: [Codec.none, .lz4, .zstd])
  func exact(codec: Codec) throws {
    try withBroker(["log.segment.bytes": "600", "log.index.interval.bytes": "0"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      // Records every 10 ms: offsets 0 … 39 at start + 10 * offset.
      for batch: Int64 in 0..<10 {
        let values = (0..<4).map { "v\(batch)-\($0)" }
        _ = try client.produce(Batches.of(values, codec: codec, from: Batches.timestamp + batch * 40), to: "t")
      }
      for offset: Int64 in 0..<40 {
        for early: Int64 in [0, 1, 9] {
          let found = try client.offset(of: "t", at: Batches.timestamp + offset * 10 - early)
          #expect(found.offset == Offset(offset))
          #expect(found.timestamp == Batches.timestamp + offset * 10)
        }
      }
      let after = try client.offset(of: "t", at: Batches.timestamp + 391)
      #expect(after.errorCode == .none)
      #expect(after.offset == -1)
      #expect(after.timestamp == -1)
    }
  }

  @Test("the start, the end and the largest timestamp")
  func special() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      #expect(try client.offset(of: "t", at: -1).offset == 0)
      #expect(try client.offset(of: "t", at: -3).offset == -1)
      _ = try client.produce(Batches.of(["a", "b", "c"], from: Batches.timestamp + 1000), to: "t")
      _ = try client.produce(Batches.of(["d", "e"], from: Batches.timestamp), to: "t")
      #expect(try client.offset(of: "t", at: -2).offset == 0)
      #expect(try client.offset(of: "t", at: -1).offset == 5)
      let newest = try client.offset(of: "t", at: -3)
      #expect(newest.offset == 2)
      #expect(newest.timestamp == Batches.timestamp + 1020)
      #expect(try client.offset(of: "t", 7, at: -1).errorCode == .unknownTopicOrPartition)
    }
  }

  @Test(
    "what a request has unpacked is bounded: partitions beyond it are to be asked for again, others are answered",
    arguments: [
      [Limits.unpackedRequestBytes / 2 + 1000, Limits.unpackedRequestBytes / 2 + 1000],
      [Limits.unpackedRequestBytes / 4, Limits.unpackedRequestBytes / 8 * 7],
    ])
  func unpacking(sizes: [Int]) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 3)
      for (partition, size) in sizes.enumerated() {
        var builder = RecordBatchBuilder(capacity: 4096)
        builder.append(
          Record(
            offset: 0, timestamp: Batches.timestamp, key: nil, value: ByteBuffer(repeating: 0, count: size), headers: []
          ))
        let bomb = try builder.finish(codec: .gzip)
        #expect(try client.produce(bomb, to: "t", Int32(partition)).errorCode == .none)
      }
      #expect(try client.produce(Batches.of(["a"]), to: "t", 2).errorCode == .none)
      var topic = ListOffsetsRequest.Topic()
      topic.name = "t"
      topic.partitions = (0..<3).map { index in
        var partition = ListOffsetsRequest.Partition()
        partition.partitionIndex = Int32(index)
        partition.timestamp = index == 1 ? -3 : Batches.timestamp
        return partition
      }
      var request = ListOffsetsRequest()
      request.replicaID = -1
      request.topics = [topic]
      let answered = try client.ask(request, version: 7).topics[0].partitions
      #expect(answered.map(\.errorCode) == [.none, .offsetNotAvailable, .none])
      #expect(answered.map(\.offset) == [0, -1, 0])
      #expect(try client.offset(of: "t", 1, at: -3).offset == 0, "by itself it is found")
    }
  }

  @Test("version 0 answers with where segments begin and the log ends, newest first")
  func version0() throws {
    try withBroker(["log.segment.bytes": "200"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      func offsets(at timestamp: Int64, max: Int32) throws -> [Offset] {
        var partition = ListOffsetsRequest.Partition()
        partition.timestamp = timestamp
        partition.maxNumOffsets = max
        var topic = ListOffsetsRequest.Topic()
        topic.name = "t"
        topic.partitions = [partition]
        var request = ListOffsetsRequest()
        request.replicaID = -1
        request.topics = [topic]
        return try client.ask(request, version: 0).topics[0].partitions[0].oldStyleOffsets
      }
      #expect(try offsets(at: -1, max: 9) == [0])
      for _ in 0..<3 { _ = try client.produce(Batches.of([String(repeating: "x", count: 100)]), to: "t") }
      #expect(try offsets(at: -1, max: 9) == [3, 2, 1, 0])
      #expect(try offsets(at: -1, max: 1) == [3])
      #expect(try offsets(at: -2, max: 9) == [0])
      #expect(try offsets(at: .max, max: 2) == [3, 2])
      #expect(try offsets(at: 0, max: 9) == [])
    }
  }

  @Test("every served version is answered", arguments: Int16(1)...9)
  func versions(version: Int16) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 3)
      var request = ListOffsetsRequest()
      var topic = ListOffsetsRequest.Topic()
      topic.name = "t"
      for (index, timestamp) in [Int64(-1), -2, 0].enumerated() {
        _ = try client.produce(Batches.of(["a"]), to: "t", Int32(index))
        var partition = ListOffsetsRequest.Partition()
        partition.partitionIndex = Int32(index)
        partition.timestamp = timestamp
        topic.partitions.append(partition)
      }
      request.topics = [topic]
      request.isolationLevel = 1
      #expect(try client.ask(request, version: version).topics[0].partitions.map(\.offset) == [1, 0, 0])
    }
  }

  @Test("a negative time that a version does not have is refused, not looked for", arguments: Int16(1)...9)
  func specialTimes(version: Int16) throws {
    try withBroker { broker in
      let client = try broker.connect()
      let times: [(timestamp: Int64, firstVersion: Int16?)] = [
        (-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9), (-6, nil), (-9, nil), (.min, nil),
      ]
      try client.createTopic("t", partitions: Int32(times.count))
      var topic = ListOffsetsRequest.Topic()
      topic.name = "t"
      topic.partitions = times.enumerated().map { index, time in
        var partition = ListOffsetsRequest.Partition()
        partition.partitionIndex = Int32(index)
        partition.timestamp = time.timestamp
        return partition
      }
      var request = ListOffsetsRequest()
      request.topics = [topic]
      let found = try client.ask(request, version: version).topics[0].partitions.map(\.errorCode)
      let right = times.map { version < $0.firstVersion ?? .max ? ErrorCode.unsupportedVersion : .none }
      #expect(found == right)
    }
  }

  @Test("a partition that a request names twice is refused, each time, and the others are answered")
  func doubles() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      _ = try client.produce(Batches.of(["a"]), to: "t", 1)
      func topic(_ partitions: [Int32]) -> ListOffsetsRequest.Topic {
        var topic = ListOffsetsRequest.Topic()
        topic.name = "t"
        topic.partitions = partitions.map { index in
          var partition = ListOffsetsRequest.Partition()
          partition.partitionIndex = index
          return partition
        }
        return topic
      }
      for (topics, codes) in [
        ([topic([0, 1, 0])], [ErrorCode.invalidRequest, .none, .invalidRequest]),
        ([topic([0]), topic([1]), topic([0])], [.invalidRequest, .none, .invalidRequest]),
        ([topic(Array(repeating: 0, count: 5_000) + [1])], Array(repeating: .invalidRequest, count: 5_000) + [.none]),
      ] {
        var request = ListOffsetsRequest()
        request.topics = topics
        let answer = try client.ask(request, version: 7).topics.flatMap(\.partitions)
        #expect(answer.map(\.errorCode) == codes)
        #expect(answer.first { $0.errorCode == .none }?.offset == 0)
      }
    }
  }
}
