import Glibc
import Model
import Storage
import Testing
import Wire

@testable import Broker

@Suite("An append that the disk refuses")
struct RefusedAppendTests {
  private func errors(_ broker: TestBroker) -> [String] { broker.lines.all.filter { $0.hasPrefix("error") } }

  @Test("for its files are gone: one line says which and why, and reads are refused too, until the next start")
  func removed() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2, ["segment.bytes": "1000"])
      let batch = try Batches.of([String(repeating: "x", count: 700)])
      for partition: Int32 in 0..<2 { #expect(try client.produce(batch, to: "t", partition).errorCode == .none) }
      let waiting = try broker.connect()
      let asked = try waiting.send(FetchRequest.from("t", 0, 1, maxWaitMs: 60_000), version: 11)
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      while partition.parkedCount == 0 { _ = try client.ask(MetadataRequest(), version: 5) }
      _ = system("rm -r '\(broker.directory)/data/t-0'")
      // The batch does not fit into the segment.
      for _ in 0..<3 { #expect(try client.produce(batch, to: "t").errorCode == .kafkaStorageError) }
      #expect(try client.fetch("t", from: 0).errorCode == .kafkaStorageError)
      #expect(try client.offset(of: "t", at: -1).errorCode == .kafkaStorageError)
      let answer = try waiting.receive(FetchRequest.self, version: 11, correlationID: asked)
      #expect(answer.responses.first?.partitions.first?.errorCode == .kafkaStorageError)
      let told = errors(broker)
      #expect(told.count == 1, "\(told)")
      #expect(
        told.first?.hasPrefix(
          "error a partition is offline until its files can be used and the broker is started again")
          == true)
      let reason = "stat \(broker.directory)/data/t-0/00000000000000000000.log: No such file or directory"
      #expect(told.first?.contains("\"error\": \(reason)") == true, "\(told)")
      #expect(told.first?.contains("\"partition\": t-0") == true, "\(told)")
      #expect(try client.produce(batch, to: "t", 1).errorCode == .none)
    }
  }

  @Test("removed files are found by the periodic look, before an append needs another segment")
  func lookedAt() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      #expect(try client.produce(Batches.of(["a"]), to: "t").errorCode == .none)
      _ = system("rm -r '\(broker.directory)/data/t-0'")
      #expect(try client.produce(Batches.of(["b"]), to: "t").errorCode == .none)
      broker.broker.lookAtLogs()
      #expect(try client.produce(Batches.of(["c"]), to: "t").errorCode == .kafkaStorageError)
      #expect(try client.fetch("t", from: 0).errorCode == .kafkaStorageError)
      broker.broker.lookAtLogs()
      #expect(errors(broker).count == 1, "\(errors(broker))")
    }
  }

  @Test(
    "on a full disk: one line for all, one for what does not close at the stop, and appends succeed when there is space"
  )
  func full() throws {
    try withDirectory { directory in
      let disk = FullDisk()
      let broker = try TestBroker.start(in: directory, disk: disk)
      let client = try broker.connect()
      try client.createTopic("t", partitions: 8)
      for partition: Int32 in 0..<8 {
        #expect(try client.produce(Batches.of(["a"]), to: "t", partition).errorCode == .none)
      }
      disk.isFull = true
      for index: Int32 in 0..<40 {
        #expect(try client.produce(Batches.of(["b"]), to: "t", index % 8).errorCode == .kafkaStorageError)
      }
      let refused = errors(broker).filter { $0.contains("appends are refused") }
      #expect(refused.count == 1, "\(refused)")
      #expect(refused.first?.contains("No space left on device") == true)
      #expect(try client.fetch("t", from: 0).errorCode == .none, "what is there can be read")
      disk.isFull = false
      for partition: Int32 in 0..<8 {
        #expect(try client.produce(Batches.of(["c"]), to: "t", partition).errorCode == .none)
      }
      disk.isFull = true
      broker.running.stop()
      let unclosed = errors(broker).filter { $0.contains("not close") }
      #expect(unclosed.count == 1, "\(unclosed)")
      #expect(unclosed.first?.contains("\"count\": 8") == true, "\(unclosed)")
      #expect(errors(broker).filter { $0.contains("no checkpoint") }.count == 1, "\(errors(broker))")
    }
  }

  @Test("is counted: told at once, and then once in an interval with the number since")
  func counts() {
    var counts = RefusalCounts()
    let interval = Limits.refusedAppendsToldMs
    #expect(counts.refused("full", nowMs: 5) == 0)
    for time in [5, 6, 4 + interval] { #expect(counts.refused("full", nowMs: time) == nil) }
    #expect(counts.refused("other", nowMs: 6) == 0)
    #expect(counts.refused("full", nowMs: 5 + interval) == 3)
    #expect(counts.refused("full", nowMs: 6 + interval) == nil)
    #expect(counts.refused("full", nowMs: Int64.min) == 1, "the clock was set back")
  }
}
