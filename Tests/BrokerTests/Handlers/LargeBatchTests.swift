import Compression
import Glibc
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

@Suite("A produced batch that unpacks to much")
struct LargeBatchTests {
  /// Unpacks to more than an event loop should look into.
  private static func large(_ codec: Codec, producerID: Int64 = -1, sequence: Int32 = -1) throws -> ByteBuffer {
    var builder = RecordBatchBuilder(capacity: 4096)
    builder.append(
      Record(
        offset: 0, timestamp: Batches.timestamp, key: nil,
        value: ByteBuffer(repeating: 0, count: Limits.unpackedOnLoopBytes + 1), headers: []))
    return try builder.finish(
      codec: codec, producerID: producerID, producerEpoch: producerID < 0 ? -1 : 0, baseSequence: sequence)
  }

  @Test(
    "is unpacked off the event loop: other connections are served meanwhile, and what follows on its own waits",
    arguments: [Codec.gzip, .snappy, .lz4, .zstd])
  func otherConnections(codec: Codec) throws {
    try withBroker(["num.network.threads": "1", "num.partitions": "1"]) { broker in
      let (client, other) = (try broker.connect(), try broker.connect())
      try client.createTopic("t")
      let id = try client.ask(InitProducerIdRequest(), version: 4).producerID
      var asked: [Int32] = []
      try broker.blocking(.unpack) {
        let batches = [
          try Self.large(codec, producerID: id, sequence: 0),
          try Batches.of(["small"], producerID: id, epoch: 0, sequence: 1),
          try Self.large(codec, producerID: id, sequence: 2),
          try Batches.of(["last"], producerID: id, epoch: 0, sequence: 3),
        ]
        for batch in batches {
          asked.append(try client.send(ProduceRequest.producing(batch, to: "t", 0, acks: -1), version: 9))
        }
        for _ in 0..<3 {
          _ = try other.produce(Batches.of(["other"]), to: "t")
        }
        #expect(try other.offset(of: "t", at: -1).offset == 3, "the large batch, or one behind it, was appended")
      }
      for (index, correlationID) in asked.enumerated() {
        let answer = try client.receive(ProduceRequest.self, version: 9, correlationID: correlationID)
        let partition = try #require(answer.responses.first?.partitionResponses.first)
        #expect(partition.errorCode == .none, "batch \(index): \(partition.errorMessage ?? "")")
        #expect(partition.baseOffset == Offset(Int64(3 + index)))
      }
    }
  }

  @Test("is appended for a producer that wants no answer, in order with what follows")
  func unacknowledged() throws {
    try withBroker(["num.network.threads": "1", "num.partitions": "1"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for batch in [try Self.large(.gzip), try Batches.of(["small"])] {
        try client.send(ProduceRequest.producing(batch, to: "t", 0, acks: 0), version: 9)
      }
      _ = try client.ask(MetadataRequest(), version: 5)
      #expect(try Batches.values(in: client.fetch("t", from: 1).records).map(\.1) == ["small"])
    }
  }

  @Test("is to be sent again when too many bytes wait to be unpacked")
  func tooMuchWaits() throws {
    try withBroker(["num.partitions": "1"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let batch = try Self.large(.gzip)
      let others = Limits.waitingToUnpackBytes - batch.readableBytes + 1
      #expect(broker.broker.waitingToUnpack.enter(others))
      #expect(try client.produce(batch, to: "t").errorCode == .requestTimedOut)
      #expect(try client.produce(Batches.of(["small"], codec: .gzip), to: "t").errorCode == .none)
      broker.broker.waitingToUnpack.leave(others)
      #expect(try client.produce(batch, to: "t").errorCode == .none)
      #expect(broker.broker.waitingToUnpack.enter(Limits.waitingToUnpackBytes), "nothing waits any more")
    }
  }

  @Test("is dropped when the broker stops before its turn")
  func stopping() throws {
    try withBroker(["num.partitions": "1"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var asked: [Int32] = []
      try broker.blocking(.unpack) {
        for _ in 0..<3 {
          let request = ProduceRequest.producing(try Self.large(.zstd), to: "t", 0, acks: -1)
          asked.append(try client.send(request, version: 9))
        }
        try broker.waitUntilUnpackWaits()
        broker.broker.beginStop()
      }
      for id in asked {
        let answer = try client.receive(ProduceRequest.self, version: 9, correlationID: id)
        #expect(answer.responses[0].partitionResponses[0].errorCode == .notLeaderOrFollower)
        #expect(answer.responses[0].partitionResponses[0].errorMessage == "the broker stops")
      }
      #expect(try client.offset(of: "t", at: -1).offset == 0)
      #expect(broker.broker.waitingToUnpack.enter(Limits.waitingToUnpackBytes), "nothing waits any more")
    }
  }

  @Test(
    "is dropped when its client has gone before its turn, unless the client wanted no answer",
    arguments: [-1, 0] as [Int16])
  func clientGone(acks: Int16) throws {
    try withBroker(["num.partitions": "1"]) { broker in
      let other = try broker.connect()
      try other.createTopic("t")
      try broker.blocking(.unpack) {
        do {
          let client = try broker.connect()
          try client.send(ProduceRequest.producing(try Self.large(.zstd), to: "t", 0, acks: acks), version: 9)
          try broker.waitUntilUnpackWaits()
        }
        try broker.wait { broker.running.server.connectionCount == 1 }
      }
      // What is unpacked comes one after the other.
      #expect(try other.produce(Self.large(.zstd), to: "t").baseOffset == (acks == 0 ? 1 : 0))
    }
  }

  @Test("is compressed anew off the event loop, with all behind it in the request", arguments: [Codec.none, .gzip])
  func recompressed(codec: Codec) throws {
    try withBroker(["num.network.threads": "1"]) { broker in
      let (client, other) = (try broker.connect(), try broker.connect())
      try client.createTopic("t", partitions: 3, ["compression.type": "zstd"])
      let value = String(repeating: "v", count: Limits.unpackedOnLoopBytes / Limits.recompressionCost)
      var request = ProduceRequest.producing(try Batches.of(["first"], codec: codec), to: "t", 0, acks: -1)
      for (index, values) in [(Int32(1), [value]), (2, ["last"])] {
        var data = ProduceRequest.Partition()
        data.index = index
        data.records = .bytes(try Batches.of(values, codec: codec))
        request.topicData[0].partitionData.append(data)
      }
      var asked: Int32 = 0
      try broker.blocking(.unpack) {
        asked = try client.send(request, version: 9)
        _ = try other.produce(Batches.of(["other"]), to: "t", 0)
        #expect(try (0..<3).map { try other.offset(of: "t", $0, at: -1).offset } == [2, 0, 0])
      }
      let answer = try client.receive(ProduceRequest.self, version: 9, correlationID: asked)
      #expect(answer.responses[0].partitionResponses.map(\.errorCode) == [.none, .none, .none])
      #expect(answer.responses[0].partitionResponses.map(\.index) == [0, 1, 2])
      let stored = try #require(try other.fetch("t", 1, from: 0).records.bytes)
      #expect(try RecordBatch(viewing: stored).header.attributes.codecNumber == Codec.zstd.rawValue)
      #expect(try RecordBatch(viewing: stored).records().map(\.value) == [ByteBuffer(string: value)])
    }
  }
}

extension TestBroker {
  /// Looks each millisecond until a batch waits for the unpack lane.
  fileprivate func waitUntilUnpackWaits() throws {
    try wait { self.broker.waitingToUnpack.current > 0 }
  }

  /// Looks each millisecond until `condition` holds; fails after half a minute.
  fileprivate func wait(until condition: () -> Bool) throws {
    for _ in 0..<30_000 where !condition() { usleep(1000) }
    try #require(condition())
  }
}
