import Base
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

@Suite("a connection, over a real socket")
struct ConnectionTests {
  @Test("a fetch that waits does not let the responses behind it overtake it")
  func order() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let first = try client.send(FetchRequest.from("t", 0, 0, maxWaitMs: 300, minBytes: 1), version: 11)
      let second = try client.send(MetadataRequest(), version: 9)
      let third = try client.send(ApiVersionsRequest.named("test"), version: 3)
      _ = try client.receive(FetchRequest.self, version: 11, correlationID: first)
      _ = try client.receive(MetadataRequest.self, version: 9, correlationID: second)
      _ = try client.receive(ApiVersionsRequest.self, version: 3, correlationID: third)
    }
  }

  @Test(
    "many small pipelined requests in one write, and one request in many writes, are all answered",
    arguments: [1, 2, 3])
  func pieces(seed: UInt64) throws {
    try withBroker { broker in
      let client = try broker.connect()
      var random = SplitMix(seed: seed)
      var bytes = ByteBuffer()
      let count = 300
      for id in 0..<Int32(count) {
        var request = MetadataRequest()
        request.topics = []
        let frame = Frame.request(request, version: 5, correlationID: id, clientID: "c\(id)")
        bytes.writeImmutableBuffer(try #require(frame.joined))
      }
      while let piece = bytes.readSlice(length: min(bytes.readableBytes, Int(random.next() % 700) + 1)),
        piece.readableBytes > 0
      {
        try client.send(piece)
      }
      for id in 0..<Int32(count) { _ = try client.receive(MetadataRequest.self, version: 5, correlationID: id) }
    }
  }

  @Test("requests that want no answer are all served when their client closes right behind them")
  func silentThenClosed() throws {
    try withBroker { broker in
      let other = try broker.connect()
      try other.createTopic("t")
      // More than a receive buffer, and far more than are served in one turn.
      let count = 3000
      var bytes = ByteBuffer()
      for index in 0..<count {
        let request = ProduceRequest.producing(
          try Batches.of(["\(index) " + String(repeating: "v", count: 100)]), to: "t", 0, acks: 0)
        let frame = Frame.request(request, version: 9, correlationID: Int32(index), clientID: nil)
        bytes.writeImmutableBuffer(try #require(frame.joined))
      }
      do {
        let client = try broker.connect()
        _ = try client.ask(MetadataRequest(), version: 5)
        try client.send(bytes)
      }
      while broker.running.server.connectionCount > 1 { _ = try other.ask(MetadataRequest(), version: 5) }
      #expect(try other.offset(of: "t", at: -1).offset == Offset(Int64(count)))
    }
  }

  @Test(
    "requests larger than the receive buffer arrive whole, small ones behind them too",
    arguments: [40_000, 300_000, 3_000_000])
  func large(bytes: Int) throws {
    try withBroker(["millrace.receive.buffer.bytes": "65536", "message.max.bytes": "10000000"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let value = String(repeating: "v", count: bytes)
      for round in 0..<4 {
        let batch = try Batches.of(["\(round)" + value])
        let id = try client.send(ProduceRequest.producing(batch, to: "t", 0, acks: 1), version: 9)
        let behind = try client.send(MetadataRequest(), version: 5)
        let produced = try client.receive(ProduceRequest.self, version: 9, correlationID: id)
        #expect(produced.responses[0].partitionResponses[0].errorCode == .none)
        _ = try client.receive(MetadataRequest.self, version: 5, correlationID: behind)
      }
      for round in 0..<4 {
        let found = try client.fetch("t", from: Offset(Int64(round)), partitionMaxBytes: 1)
        #expect(try Batches.values(in: found.records).map(\.1) == ["\(round)" + value])
      }
    }
  }

  @Test(
    "lengths that no request has close the connection, with one line in the log",
    arguments: [[0xFF, 0xFF, 0xFF, 0xFF], [0x7F, 0xFF, 0xFF, 0xFF], Array("GET ".utf8)] as [[UInt8]])
  func badLength(bytes: [UInt8]) throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.send(bytes)
      #expect(try client.isClosed())
      // HTTP is told by its name.
      let told = bytes.starts(with: Array("GET ".utf8)) ? "it speaks HTTP" : "closing a connection"
      #expect(broker.lines.all.filter { $0.contains(told) }.count == 1)
      _ = try broker.connect().ask(MetadataRequest(), version: 5)
    }
  }

  @Test("an unknown API, an unserved version and a malformed body close the connection, after earlier responses")
  func malformed() throws {
    try withBroker { broker in
      // API 999 v0; Metadata v99; Metadata v5 whose topic count is a lie.
      let bodies: [[UInt8]] = [
        [0x03, 0xE7, 0, 0, 0, 0, 0, 9, 0xFF, 0xFF],
        [0, 3, 0, 99, 0, 0, 0, 9, 0xFF, 0xFF],
        [0, 3, 0, 5, 0, 0, 0, 9, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF],
      ]
      for body in bodies {
        let client = try broker.connect()
        let before = broker.lines.all.count
        let id = try client.send(MetadataRequest(), version: 5)
        try client.send([0, 0, 0, UInt8(body.count)] + body)
        _ = try client.receive(MetadataRequest.self, version: 5, correlationID: id)
        #expect(try client.isClosed())
        #expect(broker.lines.all.count == before + 1)
      }
    }
  }

  @Test("random bytes close their own connection and trouble no other", arguments: [1, 2, 3, 4])
  func garbage(seed: UInt64) throws {
    try withBroker(["socket.request.max.bytes": "100000"]) { broker in
      let other = try broker.connect()
      var random = SplitMix(seed: seed)
      for _ in 0..<40 {
        let client = try broker.connect()
        let count = Int(random.next() % 4000) + 4
        var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        // Half of them begin as a plausible frame of a served API.
        if random.next() % 2 == 0 {
          bytes.replaceSubrange(0..<4, with: [0, 0, UInt8((count - 4) >> 8), UInt8((count - 4) & 0xFF)])
          if bytes.count > 8 {
            bytes.replaceSubrange(4..<8, with: [0, UInt8(random.next() % 64), 0, UInt8(random.next() % 12)])
          }
        }
        try? client.send(bytes)
      }
      _ = try other.ask(MetadataRequest(), version: 5)
    }
  }

  @Test("connections beyond max.connections.per.ip are closed, and admitted again when others have gone")
  func admission() throws {
    try withBroker(["max.connections.per.ip": "2"]) { broker in
      let first = try broker.connect()
      _ = try first.ask(MetadataRequest(), version: 5)
      do {
        let second = try broker.connect()
        _ = try second.ask(MetadataRequest(), version: 5)
        #expect(try broker.connect().isClosed())
      }
      // The second one's end reaches the broker when it does.
      var isAdmitted = false
      while !isAdmitted {
        let third = try broker.connect()
        _ = try? third.send(MetadataRequest(), version: 5)
        isAdmitted = try third.receiveFrame() != nil
      }
    }
  }

  @Test(
    "clients that leave in the middle of a response end neither the broker nor anyone else's connection",
    arguments: ReadPaths.all)
  func leaves(path: [String: String]) throws {
    try withBroker(path) { broker in
      let other = try broker.connect()
      try other.createTopic("t")
      let value = String(repeating: "x", count: 500_000)
      for _ in 0..<4 { _ = try other.produce(Batches.of([value]), to: "t") }
      for round in 0..<40 {
        let leaving = try broker.connect()
        for _ in 0..<20 {
          try leaving.send(FetchRequest.from("t", 0, 0, partitionMaxBytes: 4 << 20), version: 11)
        }
        // A first part of the responses is under way; more requests lie in the socket behind those being answered.
        if round % 2 == 0 { _ = try leaving.receiveFrame() }
        try? leaving.send([UInt8](repeating: 0, count: 3))
        leaving.resetAtEnd()
      }
      #expect(try Batches.values(in: other.fetch("t", from: 0, partitionMaxBytes: 4 << 20).records).count == 4)
    }
  }

  @Test(
    "a client that sends many requests and reads nothing does not stop the others, and gets all its responses at last")
  func neverReads() throws {
    try withBroker { broker in
      let lazy = try broker.connect()
      try lazy.createTopic("t")
      let value = String(repeating: "x", count: 500_000)
      for _ in 0..<4 { _ = try lazy.produce(Batches.of([value]), to: "t") }
      var ids: [Int32] = []
      for _ in 0..<60 {
        ids.append(try lazy.send(FetchRequest.from("t", 0, 0, partitionMaxBytes: 4 << 20), version: 11))
      }
      let other = try broker.connect()
      for _ in 0..<20 { _ = try other.ask(MetadataRequest(), version: 5) }
      for id in ids {
        let answer = try lazy.receive(FetchRequest.self, version: 11, correlationID: id)
        #expect(try Batches.values(in: answer.responses[0].partitions[0].records).count == 4)
      }
    }
  }
}

/// The ways `millrace.read.path` offers.
enum ReadPaths {
  static let all = ["sendfile", "copy", "mmap"].map { ["millrace.read.path": $0] }
}

extension ApiVersionsRequest {
  static func named(_ name: String, version: String = "1.0") -> ApiVersionsRequest {
    var request = ApiVersionsRequest()
    request.clientSoftwareName = name
    request.clientSoftwareVersion = version
    return request
  }
}
