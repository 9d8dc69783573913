import Glibc
import Model
import NIOCore
import Storage
import Testing
import Wire

@testable import Broker

/// Every way to keep a log and to reach its bytes, as a broker is configured for it.
private let settings: [[String: String]] = [
  [:],
  ["millrace.cache": "process"],
  ["millrace.cache": "process", "millrace.cache.layout": "boxed", "millrace.cache.block.bytes": "4096"],
  ["millrace.cache": "process", "millrace.write.path": "direct"],
  ["millrace.cache": "both", "millrace.read.path": "copy", "millrace.read.copy.buffer.bytes": "5000"],
  ["millrace.write.path": "direct"],
  ["millrace.write.path": "direct", "millrace.read.path": "mmap", "millrace.flush.before.ack": "true"],
  ["millrace.log.engine": "btree"],
  ["millrace.log.engine": "btree", "millrace.flush.before.ack": "true"],
]

@Suite("The switches of storage")
struct SwitchTests {
  /// Everything a partition has, as bytes, but for base offsets and epochs, which the broker sets.
  private func bodies(_ client: TestClient, count: Int) throws -> [ByteBuffer] {
    var bodies: [ByteBuffer] = []
    var offset: Offset = 0
    while bodies.count < count {
      let found = try client.fetch("t", 0, from: offset, partitionMaxBytes: 300_000)
      #expect(found.errorCode == .none)
      var bytes = try #require(found.records.bytes)
      try #require(bytes.readableBytes > 0, "at \(offset)")
      while bytes.readableBytes > 0 {
        let batch = try RecordBatch(viewing: bytes)
        #expect(batch.header.baseOffset == offset)
        offset = batch.header.nextOffset
        let sent = BatchField.attributes..<batch.sizeInBytes
        bodies.append(try #require(bytes.getSlice(at: bytes.readerIndex + sent.lowerBound, length: sent.count)))
        bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
      }
    }
    return bodies
  }

  @Test("produce and consume the same bytes, and survive a restart", arguments: settings, [true, false])
  func sameBytes(keys: [String: String], orderly: Bool) throws {
    let batches = try (0..<120).map { index in
      try Batches.of(
        ["\(index)", String(repeating: "\(index % 7)", count: index * index)],
        from: Batches.timestamp + Int64(index) * 100)
    }
    let sent = batches.compactMap { batch in
      batch.getSlice(at: batch.readerIndex + BatchField.attributes, length: batch.readableBytes - BatchField.attributes)
    }
    func produce(_ index: Int, _ client: TestClient) throws {
      #expect(try client.produce(batches[index], to: "t").baseOffset == Offset(Int64(index) * 2))
    }
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory, keys)
      let client = try first.connect()
      try client.createTopic("t", ["segment.bytes": "200000"])
      for index in 0..<60 { try produce(index, client) }
      #expect(try bodies(client, count: 60) == Array(sent[..<60]))
      for index in 60..<90 { try produce(index, client) }
      #expect(try client.offset(of: "t", at: Batches.timestamp + 7100).offset == 142)
      if orderly { first.running.stop() } else { first.running.abandon() }

      let second = try TestBroker.start(in: directory, keys)
      defer { second.running.stop() }
      let again = try second.connect()
      #expect(try bodies(again, count: 90) == Array(sent[..<90]))
      for index in 90..<120 { try produce(index, again) }
      #expect(try bodies(again, count: 120) == sent)
      #expect(try bodies(second.connect(), count: 120) == sent)
      #expect(try again.offset(of: "t", at: -1).offset == 240)
    }
  }

  @Test("a parked fetch is answered by the append it waits for", arguments: settings)
  func longPoll(keys: [String: String]) throws {
    try withBroker(keys) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let id = try client.send(FetchRequest.from("t", 0, 0, maxWaitMs: 60_000), version: 11)
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      let other = try broker.connect()
      while partition.parkedCount == 0 { _ = try other.ask(MetadataRequest(), version: 5) }
      _ = try other.produce(Batches.of(["here"]), to: "t")
      let answer = try client.receive(FetchRequest.self, version: 11, correlationID: id)
      let found = try #require(answer.responses.first?.partitions.first)
      #expect(try Batches.values(in: found.records).map(\.1) == ["here"])
    }
  }

  @Test("the cache of the process tells what it did, while the broker runs and after")
  func report() throws {
    try withDirectory { directory in
      let broker = try TestBroker.start(in: directory, ["millrace.cache": "process"])
      let path = "\(directory)/data/process-cache.json"
      #expect(try text(path).contains(#""appended_bytes":0,"#))
      let client = try broker.connect()
      try client.createTopic("t")
      let batch = try Batches.of([String(repeating: "x", count: 10_000)])
      _ = try client.produce(batch, to: "t")
      let found = try client.fetch("t", from: 0)
      #expect(found.records.byteCount == batch.readableBytes)
      broker.running.stop()
      let line = try text(path)
      #expect(line.contains(#""appended_bytes":\#(batch.readableBytes),"#), "\(line)")
      #expect(line.contains(#""hit_bytes":\#(batch.readableBytes),"#), "\(line)")
      #expect(line.contains(#""misses":0,"#), "\(line)")
    }
  }

  private func text(_ path: String) throws -> String {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  @Test(
    "a directory that the other engine wrote is refused, with a word on what to do", arguments: ["append", "btree"])
  func otherEngine(writer: String) throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory, ["millrace.log.engine": writer])
      try first.connect().createTopic("t")
      first.running.stop()
      let error = #expect(throws: LogDirectoryError.self) {
        try TestBroker.start(in: directory, ["millrace.log.engine": writer == "append" ? "btree" : "append"])
      }
      #expect("\(try #require(error))".contains("millrace.log.engine=\(writer)"))
      try TestBroker.start(in: directory, ["millrace.log.engine": writer]).running.stop()
    }
  }

  @Test(
    "a program without the arm that is configured says so at its start, and names the key",
    arguments: [
      ("millrace.log.engine", "btree"), ("millrace.cache", "process"), ("millrace.cache", "both"),
      ("millrace.write.path", "direct"),
    ])
  func notRegistered(key: String, value: String) throws {
    try withDirectory { directory in
      let config = try Config(overrides: [key: value, "log.dirs": directory])
      let error = #expect(throws: LogDirectoryError.noArm(setting: "\(key)=\(value)")) {
        try LogDirectories(config, disk: RealDisk(), arms: Arms())
      }
      #expect("\(try #require(error))".contains("\(key)=\(value)"))
      // A directory that was locked for it is free again.
      _ = try LogDirectories(Config(overrides: ["log.dirs": directory]), disk: RealDisk(), arms: Arms())
    }
  }

  @Test(
    "that contradict each other are refused",
    arguments: [
      ["millrace.cache": "process", "millrace.read.path": "sendfile"],
      ["millrace.cache": "both", "millrace.read.path": "mmap"],
      ["millrace.log.engine": "btree", "millrace.cache": "both"],
      ["millrace.log.engine": "btree", "millrace.write.path": "direct"],
      ["millrace.cache": "process", "millrace.cache.block.bytes": "5000"],
    ])
  func contradictions(keys: [String: String]) throws {
    let error = #expect(throws: ConfigError.self) { try Config(overrides: keys) }
    for name in keys.keys.sorted().prefix(1) { #expect("\(try #require(error))".contains(name)) }
    #expect(try Config(overrides: ["millrace.cache": "process"]).readPath == .copy)
  }
}
