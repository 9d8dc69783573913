import Base
import Model
import NIOCore
import Testing

@testable import Storage

/// Directories that Apache Kafka 3.9 wrote, and what its kafka-dump-log says of them.
@Suite("Golden logs")
struct GoldenLogTests {
  enum Golden: String, CaseIterable {
    /// All codecs, keys, headers; two segments; index.interval.bytes 1024.
    case mixed = "golden-mixed-0"
    /// Transactions, a third of them aborted; two segments; index.interval.bytes 512.
    case transactions = "golden-tx-0"

    var partition: TopicPartition { TopicPartition(String(rawValue.dropLast(2)), 0) }
    var indexIntervalBytes: Int { self == .mixed ? 1024 : 512 }
    var endOffset: Offset { self == .mixed ? 1000 : 270 }
  }

  private let root: String = {
    let here: StaticString = #filePath
    return "\(here)".directoryPart + "/Golden/logdir"
  }()
  private let disk = RealDisk()
  private let temporary: TemporaryDirectory
  private var logs: String { temporary.path }

  init() throws { temporary = try TemporaryDirectory() }

  private func text(_ path: String) throws -> String {
    String(decoding: try #require(try disk.contents(of: path)), as: UTF8.self)
  }

  private func copy(_ golden: Golden, where wanted: (String) -> Bool = { _ in true }) throws -> String {
    let to = "\(logs)/\(golden.rawValue)"
    try disk.makeDirectory(to)
    for name in try disk.names(in: "\(root)/\(golden.rawValue)") where wanted(name) {
      let bytes = try #require(try disk.contents(of: "\(root)/\(golden.rawValue)/\(name)"))
      let file = try disk.open("\(to)/\(name)", creating: true)
      try file.write(bytes, at: 0)
    }
    return to
  }

  private func open(_ golden: Golden, clean: Bool) throws -> Log {
    var config = LogConfig()
    config.indexIntervalBytes = golden.indexIntervalBytes
    return try Log.open(
      disk: disk, directory: "\(logs)/\(golden.rawValue)", partition: golden.partition, config: config,
      memory: LogMemory(isClean: clean), nowMs: 1_800_000_000_000)
  }

  @Test(
    "dump line for line as Kafka's tool does: records, indexes, aborted transactions, producers",
    arguments: Golden.allCases)
  func dump(golden: Golden) throws {
    // A copy: files of a read-only clone cannot be opened for writing.
    let directory = try copy(golden)
    var lines: [String] = []
    let faults = try LogDump(disk: disk) { lines.append($0.line) }.dump(directory)
    #expect(faults == [])
    let expected = try text("\(root)/\(golden.rawValue).dump.txt").split(separator: "\n").map(String.init)
    #expect(lines.count == expected.count)
    for (line, wanted) in zip(lines, expected) where line != wanted {
      Issue.record("wrote \(line)\nbut Kafka \(wanted)")
      break
    }
  }

  @Test("dump as JSON what the lines say", arguments: Golden.allCases)
  func dumpAsJSON(golden: Golden) throws {
    let directory = try copy(golden)
    var kinds: [String: Int] = [:]
    _ = try LogDump(disk: disk) { entry in
      guard let json = entry.json else { return }
      let read = try? JSON(json.encoded)
      #expect(read == json, "\(entry.line)")
      let kind = json["kind"]?.asString ?? ""
      kinds[kind, default: 0] += 1
      // Every number of the object stands in the line; a timestamp of a batch may stand there twice.
      for member in json.asMembers ?? [] {
        guard let number = member.value.asInt else { continue }
        #expect(entry.line.contains("\(number)"), "\(member.name) \(number) of: \(entry.line)")
      }
    }.dump(directory)
    #expect(
      kinds["file", default: 0] > 0 && kinds["batch", default: 0] > 0 && kinds["record", default: 0] > 0, "\(kinds)")
  }

  @Test("open, and give every batch back as Kafka wrote it", arguments: Golden.allCases, [true, false])
  func read(golden: Golden, clean: Bool) throws {
    let directory = try copy(golden)
    let log = try open(golden, clean: clean)
    #expect(log.logStartOffset == 0)
    #expect(log.logEndOffset == golden.endOffset)
    #expect(log.topicID != nil)
    var bytes = ByteBuffer()
    var offset: Offset = 0
    while offset < log.logEndOffset {
      let slice = try log.read(from: offset, upTo: log.logEndOffset, maxBytes: 4000, atLeastOneBatch: true)
      bytes.writeImmutableBuffer(try slice.bytes())
      offset = slice.nextOffset
    }
    var files: [UInt8] = []
    for base in log.baseOffsets {
      files += try #require(try disk.contents(of: "\(directory)/\(Segment.name(base)).log"))
    }
    #expect(Array(buffer: bytes) == files)
    #expect(try log.indexFaults() == [])
    for batch in try bytes.batches() {
      #expect(try batch.records().map(\.offset).first == batch.header.baseOffset)
    }
  }

  @Test("recovery makes Kafka's own indexes again from the log alone", arguments: Golden.allCases)
  func rebuild(golden: Golden) throws {
    let directory = try copy(golden) { $0.hasSuffix(".log") }
    let log = try open(golden, clean: false)
    try log.close(nowMs: 1_800_000_000_000)
    // Kafka also noted an epoch that began at the log's end and has no records; the log cannot tell of it.
    let others = [PartitionMetadata.fileName, golden == .transactions ? LeaderEpochs.fileName : ""]
    for name in try disk.names(in: "\(root)/\(golden.rawValue)") where !others.contains(name) {
      let ours = try disk.contents(of: "\(directory)/\(name)")
      let kafkas = try disk.contents(of: "\(root)/\(golden.rawValue)/\(name)")
      #expect(ours == kafkas, "\(name)")
    }
  }

  @Test("list the aborted transactions that a reader must skip")
  func aborted() throws {
    _ = try copy(.transactions)
    let log = try open(.transactions, clean: true)
    let all = try log.abortedTransactions(from: 0, upTo: 270)
    #expect(all.count == 10)
    #expect(all.first == AbortedTransaction(producerID: 3, firstOffset: 0, lastOffset: 8, lastStableOffset: 9))
    #expect(try log.abortedTransactions(from: 40, upTo: 80).map(\.firstOffset) == [54])
    #expect(log.lastStableOffset(highWatermark: 270) == 270)
    #expect(log.producerCount == 1)
  }

  @Test("find records by their time, exactly")
  func timestamps() throws {
    _ = try copy(.mixed)
    let log = try open(.mixed, clean: true)
    // Record n was written at 1700000000000 + 1000 n.
    for offset in [0, 1, 19, 20, 437, 579, 580, 581, 998, 999] as [Int64] {
      for early in [0, 1, 999] as [Int64] {
        let found = try log.offset(forTimestamp: 1_700_000_000_000 + 1000 * offset - early)
        #expect(
          found == TimedOffset(timestamp: 1_700_000_000_000 + 1000 * offset, offset: Offset(offset), leaderEpoch: 0))
      }
    }
    #expect(try log.offset(forTimestamp: 1_700_000_999_001) == nil)
    #expect(try log.offsetOfMaxTimestamp()?.offset == 999)
  }
}
