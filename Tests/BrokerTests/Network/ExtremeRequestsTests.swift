import Compression
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

/// The bounds of each width, their neighbours, and the numbers around zero.
private let extremes: [Int64] = [
  .min, .min + 1, Int64(Int32.min), Int64(Int16.min), -128, -2, -1, 0, 1, 2, 127, 128, Int64(Int16.max), 32_768,
  Int64(Int32.max), Int64(Int32.max) + 1, Int64(UInt32.max), .max - 1, .max,
]

@Suite("Numbers in requests, at their bounds")
struct ExtremeRequestsTests {
  /// Sends the request once for each place, width and number, with that number written there; what the broker does with it is its
  /// affair, as long as it lives.
  private func overlay<R: Request>(_ request: R, version: Int16, _ broker: TestBroker) throws {
    let frame = try #require(Frame.request(request, version: version, correlationID: 1, clientID: "c").joined)
    let watcher = try broker.connect()
    var sent = 0
    // Length 4, API 2, version 2 and correlation id 4 are the frame's.
    for at in 12..<frame.readableBytes {
      for width in [1, 2, 4, 8] where at + width <= frame.readableBytes {
        let fitting = -1 << (8 * width - 1)...Int64(truncatingIfNeeded: (UInt64(1) << UInt64(8 * width - 1)) &* 2 &- 1)
        for (index, value) in extremes.enumerated() where width == 8 || fitting.contains(value) {
          // A fifth of all, every number in some place and every place with some number.
          guard (at + width + index) % 5 == 0 else { continue }
          var changed = frame
          for index in 0..<width {
            changed.setInteger(UInt8(truncatingIfNeeded: value >> Int64(8 * (width - 1 - index))), at: at + index)
          }
          let client = try broker.connect()
          try client.send(changed)
          sent += 1
          if sent % 64 == 0 { _ = try watcher.ask(ApiVersionsRequest.named("test"), version: 3) }
        }
      }
    }
    _ = try watcher.ask(ApiVersionsRequest.named("test"), version: 3)
  }

  private func prepare(_ broker: TestBroker) throws {
    let client = try broker.connect()
    try client.createTopic("t", ["segment.bytes": "400"])
    for index in 0..<6 {
      _ = try client.produce(Batches.of(["a", "b"], codec: index % 2 == 0 ? .none : .gzip), to: "t")
    }
  }

  @Test("Fetch", arguments: [1, 3, 4, 11, 12] as [Int16])
  func fetch(version: Int16) throws {
    try withBroker(["auto.create.topics.enable": "false"]) { broker in
      try prepare(broker)
      try overlay(FetchRequest.from("t", 0, 1), version: version, broker)
    }
  }

  @Test("ListOffsets", arguments: [0, 1, 7, 9] as [Int16])
  func listOffsets(version: Int16) throws {
    var wanted = ListOffsetsRequest.Partition()
    wanted.timestamp = Batches.timestamp + 5
    wanted.maxNumOffsets = 10
    var asked = ListOffsetsRequest.Topic()
    asked.name = "t"
    asked.partitions = [wanted]
    var request = ListOffsetsRequest()
    request.replicaID = -1
    request.topics = [asked]
    try withBroker(["auto.create.topics.enable": "false"]) { broker in
      try prepare(broker)
      try overlay(request, version: version, broker)
    }
  }

  @Test("DeleteRecords")
  func deleteRecords() throws {
    let request = DeleteRecordsRequest.before(3, of: "t")
    try withBroker(["auto.create.topics.enable": "false"]) { broker in
      try prepare(broker)
      try overlay(request, version: 2, broker)
    }
  }

  @Test(
    "Produce: every field of the batch's header, with the CRC that goes with it", arguments: [Codec.none, .gzip, .lz4])
  func produce(codec: Codec) throws {
    let fields: [(inout RecordBatchHeader, Int64) -> Void] = [
      { $0.baseOffset = Offset($1) }, { $0.length = Int32(truncatingIfNeeded: $1) },
      { $0.partitionLeaderEpoch = Int32(truncatingIfNeeded: $1) }, { $0.magic = Int8(truncatingIfNeeded: $1) },
      { $0.attributes.rawValue = Int16(truncatingIfNeeded: $1) },
      { $0.lastOffsetDelta = Int32(truncatingIfNeeded: $1) }, { $0.baseTimestamp = $1 }, { $0.maxTimestamp = $1 },
      { $0.producerID = $1 }, { $0.producerEpoch = Int16(truncatingIfNeeded: $1) },
      { $0.baseSequence = Int32(truncatingIfNeeded: $1) }, { $0.count = Int32(truncatingIfNeeded: $1) },
    ]
    try withBroker { broker in
      var client = try broker.connect()
      try client.createTopic("t", ["segment.bytes": "2000", "index.interval.bytes": "0"])
      try client.createTopic("limited", ["message.timestamp.before.max.ms": "1", "cleanup.policy": "compact,delete"])
      let good = try Batches.of(["a", "b", "c"], key: "k", codec: codec, producerID: 7, epoch: 1, sequence: 0)
      var taken = 0
      for field in fields {
        for value in extremes {
          let sent = try Batches.sealed(good) { field(&$0, value) }
          for topic in ["t", "limited"] {
            if try client.produce(sent, to: topic).errorCode == .none { taken += 1 }
          }
        }
        broker.broker.expireProducers()
        broker.broker.applyRetention()
        for value in extremes { _ = try client.offset(of: "t", at: value) }
        client = try broker.connect()
      }
      #expect(taken > 20)
      #expect(try client.produce(Batches.of(["after"], key: "k"), to: "t").errorCode == .none)
    }
  }

  @Test("Produce: any place of the request", arguments: [2, 9] as [Int16])
  func producePlaces(version: Int16) throws {
    let batch = version < 3 ? try Batches.messages(["a"], magic: 1, codec: .none) : try Batches.of(["a"])
    try withBroker(["auto.create.topics.enable": "false"]) { broker in
      try prepare(broker)
      try overlay(ProduceRequest.producing(batch, to: "t", 0, acks: 1), version: version, broker)
    }
  }
}
