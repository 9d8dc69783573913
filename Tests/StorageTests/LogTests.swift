import Model
import NIOCore
import Testing

@testable import Storage

private let partition = TopicPartition("orders", 3)
private let now: Int64 = 1_700_000_000_000

@Suite("A log on the real disk")
struct LogTests {
  let temporary: TemporaryDirectory

  init() throws { temporary = try TemporaryDirectory() }

  private func makeLog(_ config: LogConfig = LogConfig()) throws -> Log {
    try Log.create(
      disk: RealDisk(), directory: "\(temporary.path)/\(partition)", partition: partition, topicID: nil,
      config: config, nowMs: now)
  }

  private func reopen(_ config: LogConfig = LogConfig(), clean: Bool) throws -> Log {
    try Log.open(
      disk: RealDisk(), directory: "\(temporary.path)/\(partition)", partition: partition, config: config,
      memory: LogMemory(isClean: clean), nowMs: now)
  }

  @Test("what is appended is read back, byte for byte, with offsets and epoch filled in")
  func appendAndRead() throws {
    let log = try makeLog()
    for index in 0..<10 {
      let batch = Batches.make(records: 3, bodyBytes: 100, fill: UInt64(index))
      let appended = try log.append(batch, leaderEpoch: 7, nowMs: now)
      #expect(appended.baseOffset == Offset(Int64(index) * 3))
    }
    #expect(log.logEndOffset == 30)
    let slice = try log.read(from: 4, upTo: 30, maxBytes: 1 << 20, atLeastOneBatch: true)
    let batches = try slice.bytes().batches()
    #expect(batches.map(\.header.baseOffset) == (1..<10).map { Offset($0 * 3) })
    #expect(batches.allSatisfy { $0.header.partitionLeaderEpoch == 7 })
    #expect(slice.nextOffset == 30)
    #expect(batches[0].body == Batches.make(records: 3, bodyBytes: 100, fill: 1).body)
  }

  @Test("a log comes back after an orderly stop and after a crash", arguments: [true, false])
  func reopening(clean: Bool) throws {
    var config = LogConfig()
    config.segmentBytes = 20_000
    do {
      let log = try makeLog(config)
      for index in 0..<200 {
        _ = try log.append(
          Batches.make(records: 2, bodyBytes: 500, fill: UInt64(index)), leaderEpoch: 1, nowMs: now)
      }
      #expect(log.segmentCount > 3)
      if clean { try log.close(nowMs: now) }
    }
    let log = try reopen(config, clean: clean)
    #expect(log.logEndOffset == 400)
    var offset: Offset = 0
    var seen: [Offset] = []
    while offset < log.logEndOffset {
      let slice = try log.read(from: offset, upTo: log.logEndOffset, maxBytes: 3000, atLeastOneBatch: true)
      #expect(slice.byteCount <= 3000)
      seen += try slice.bytes().batches().map(\.header.baseOffset)
      offset = slice.nextOffset
    }
    #expect(seen == (0..<200).map { Offset($0 * 2) })
  }
}
