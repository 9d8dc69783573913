import Compression
import Model
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
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a"]), to: "t")
      var request = ListOffsetsRequest()
      var topic = ListOffsetsRequest.Topic()
      topic.name = "t"
      for timestamp: Int64 in [-1, -2, 0] {
        var partition = ListOffsetsRequest.Partition()
        partition.timestamp = timestamp
        topic.partitions.append(partition)
      }
      request.topics = [topic]
      request.isolationLevel = 1
      #expect(try client.ask(request, version: version).topics[0].partitions.map(\.offset) == [1, 0, 0])
    }
  }
}
