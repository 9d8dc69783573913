import Glibc
import Model
import Testing
import Wire

@testable import Broker

@Suite("A segment that another program has cut")
struct CutLogTests {
  private static func file(_ directory: String) -> String { "\(directory)/data/t-0/00000000000000000000.log" }

  /// A topic of ten batches, each larger than a block of the file system.
  private static func fill(_ broker: TestBroker) throws {
    let client = try broker.connect()
    try client.createTopic("t")
    for index in 0..<10 {
      let batch = try Batches.of([String(repeating: "\(index)", count: 10_000)])
      #expect(try client.produce(batch, to: "t").errorCode == .none)
    }
  }

  /// The size of each of these batches.
  private static func batchBytes(in directory: String) throws -> Int {
    var status = stat()
    try #require(stat(file(directory), &status) == 0)
    return Int(status.st_size) / 10
  }

  /// The one line that tells what is missing.
  private static func expectLoss(of offsets: Range<Int64>, told broker: TestBroker) {
    let lines = broker.lines.all.filter { $0.contains("records are missing") }
    #expect(lines.count == 1, "\(broker.lines.all)")
    let facts = ["t-0", ".log", "\"first\": \(offsets.lowerBound)", "\"count\": \(offsets.count)"]
    for fact in facts { #expect(lines.first?.contains(fact) == true, "\(fact) is not in \(lines)") }
  }

  @Test(
    "while the broker is stopped: the start tells which records are missing",
    arguments: [(0, 0), (4, 0), (4, 5000)])
  func whileStopped(batches: Int, bytes: Int) throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      try Self.fill(first)
      first.running.stop()
      try #require(truncate(Self.file(directory), batches * Self.batchBytes(in: directory) + bytes) == 0)
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      let client = try second.connect()
      let end = try client.offset(of: "t", at: -1).offset
      #expect(end.rawValue == Int64(batches))
      Self.expectLoss(of: end.rawValue..<10, told: second)
      #expect(try client.produce(Batches.of(["next"]), to: "t").baseOffset == end)
    }
  }

  @Test(
    "while the broker is stopped, a closed one: the start tells, and a consumer reads on behind what is missing",
    arguments: [(5_000, 1..<2), (0, 0..<2)])
  func closed(bytes: Int, missing: Range<Int64>) throws {
    try withDirectory { directory in
      // Two batches in a segment.
      let settings = ["log.segment.bytes": "25000"]
      let first = try TestBroker.start(in: directory, settings)
      try Self.fill(first)
      first.running.stop()
      let size = bytes == 0 ? 0 : 10_000 + bytes
      try #require(truncate(Self.file(directory), size) == 0)
      let second = try TestBroker.start(in: directory, settings)
      defer { second.running.stop() }
      Self.expectLoss(of: missing, told: second)
      let client = try second.connect()
      for offset in missing {
        let answer = try client.fetch("t", from: Offset(offset))
        #expect(answer.errorCode == .none, "from \(offset)")
        let bytes = try #require(answer.records.bytes)
        #expect(try RecordBatch(viewing: bytes).header.baseOffset == 2, "from \(offset)")
      }
    }
  }

  @Test(
    "while the broker runs, and appended to: the log goes offline, no zeros are served, and the next start tells",
    arguments: [(1, false), (0, true), (1, true), (8, true)])
  func whileRunning(batches: Int, isSeenWholeBefore: Bool) throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      try Self.fill(first)
      let client = try first.connect()
      if isSeenWholeBefore { first.broker.lookAtLogs() }
      try #require(truncate(Self.file(directory), batches * Self.batchBytes(in: directory)) == 0)
      #expect(try client.produce(Batches.of([String(repeating: "x", count: 20_000)]), to: "t").errorCode == .none)
      first.broker.lookAtLogs()
      let told = first.lines.all.filter { $0.contains("cut by another program") }
      #expect(told.count == 1 && told[0].contains(".log"), "\(first.lines.all)")
      #expect(try client.produce(Batches.of(["y"]), to: "t").errorCode == .kafkaStorageError)
      #expect(try client.fetch("t", from: 0).errorCode == .kafkaStorageError)
      first.running.stop()
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      #expect(try second.connect().offset(of: "t", at: -1).offset.rawValue == Int64(batches))
      Self.expectLoss(of: Int64(batches)..<11, told: second)
    }
  }

  @Test("and appended to without being noticed: the stop is no clean one, and zeros are never served")
  func unnoticed() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      try Self.fill(first)
      try #require(truncate(Self.file(directory), 0) == 0)
      let batch = try Batches.of([String(repeating: "x", count: 20_000)])
      #expect(try first.connect().produce(batch, to: "t").errorCode == .none)
      first.running.stop()
      #expect(!first.lines.all.filter { $0.contains("cut by another program") }.isEmpty, "\(first.lines.all)")
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      #expect(!second.broker.directories.wereClean)
      #expect(try second.connect().offset(of: "t", at: -1).offset == 0)
      Self.expectLoss(of: 0..<11, told: second)
    }
  }
}
