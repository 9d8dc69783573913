import Glibc
import Model
import Testing
import Wire

@testable import Broker

@Suite("A segment that is cut under a running broker")
struct CutFileTests {
  private static let partitionMaxBytes: Int32 = 8 << 20

  @Test(
    "ends the connections that are sent it, with one line each, and no others",
    arguments: ["sendfile", "copy", "mmap"])
  func closes(path: String) throws {
    try withBroker(["millrace.read.path": path, "num.network.threads": "1"]) { broker in
      let client = try broker.connect()
      let other = try broker.connect()
      try client.createTopic("t")
      for index in 0..<4 {
        let batch = try Batches.of([String(repeating: "\(index)", count: 1_000_000)])
        #expect(try client.produce(batch, to: "t").errorCode == .none)
      }
      // The look for cut segments, which takes the log offline, has been; it comes again when something was appended.
      broker.broker.lookAtLogs()
      let file = "\(broker.directory)/data/t-0/00000000000000000000.log"
      try #require(truncate(file, 1_500_000) == 0)
      try client.send(FetchRequest.from("t", 0, 0, partitionMaxBytes: Self.partitionMaxBytes), version: 11)
      #expect(try client.isClosed())
      let lines = broker.lines.all.filter { $0.contains("closing a connection") }
      #expect(lines.count == 1 && lines[0].contains("a segment cannot be read"), "\(broker.lines.all)")
      #expect(try Batches.values(in: other.fetch("t", from: 0, partitionMaxBytes: 1).records).count == 1)
      while broker.running.server.connectionCount > 1 { _ = try other.ask(MetadataRequest(), version: 5) }
    }
  }

  @Test("is noticed when it is sent, not at the next sweep", arguments: ["sendfile", "copy", "mmap"])
  func atOnce(path: String) throws {
    try withBroker(["millrace.read.path": path, "num.network.threads": "1"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for index in 0..<4 {
        let batch = try Batches.of([String(repeating: "\(index)", count: 1_000_000)])
        #expect(try client.produce(batch, to: "t").errorCode == .none)
      }
      broker.broker.lookAtLogs()
      try #require(truncate("\(broker.directory)/data/t-0/00000000000000000000.log", 1_500_000) == 0)
      let rounds = 5
      let start = ContinuousClock.now
      for _ in 0..<rounds {
        let reader = try broker.connect()
        try reader.send(FetchRequest.from("t", 0, 0, partitionMaxBytes: Self.partitionMaxBytes), version: 11)
        #expect(try reader.isClosed())
      }
      // By sweeps alone each round begins behind one and ends with the next.
      let sweeps = Duration.milliseconds(Limits.sweepIntervalMs * Int64(rounds - 1))
      #expect(ContinuousClock.now - start < sweeps / 2)
    }
  }

  @Test(
    "ends, with one line, a connection that has been sent a part of it and reads on, at once or when it was noticed",
    arguments: ["sendfile", "copy", "mmap"], [true, false])
  func closesLater(path: String, readsOn: Bool) throws {
    try withBroker(["millrace.read.path": path, "num.network.threads": "1"]) { broker in
      let client = try broker.connect()
      let other = try broker.connect()
      try client.createTopic("t")
      // More than the sockets of both ends hold.
      for index in 0..<32 {
        let batch = try Batches.of([String(repeating: "\(index % 10)", count: 1_000_000)])
        #expect(try other.produce(batch, to: "t").errorCode == .none)
      }
      try client.send(FetchRequest.from("t", 0, 0, partitionMaxBytes: 40 << 20), version: 11)
      // The response has begun when it is there for the client.
      try client.awaitBytes()
      _ = try other.ask(MetadataRequest(), version: 5)
      let file = "\(broker.directory)/data/t-0/00000000000000000000.log"
      try #require(truncate(file, 1_500_000) == 0)
      // A reader of the copy path that reads nothing more needs nothing of the file.
      if !readsOn, path != "copy" {
        while broker.running.server.connectionCount > 1 { _ = try other.ask(MetadataRequest(), version: 5) }
      }
      #expect(try client.isClosed())
      while broker.running.server.connectionCount > 1 { _ = try other.ask(MetadataRequest(), version: 5) }
      let lines = broker.lines.all.filter { $0.contains("closing a connection") }
      #expect(lines.count == 1 && lines[0].contains("a segment cannot be read"), "\(broker.lines.all)")
    }
  }
}
