import Base
import Model
import Testing

@testable import Storage

@Suite("Logs that are not used")
struct IdleLogTests {
  private static let now: Int64 = 1_700_000_000_000
  private static let id = TopicID(high: 1, low: 2)
  private let disk = FakeDisk()

  private func create() throws -> Log {
    try Log.create(
      disk: disk, directory: "/t-0", partition: TopicPartition("t", 0), topicID: Self.id, config: LogConfig(),
      nowMs: Self.now)
  }

  private func reopen(_ memory: LogMemory = LogMemory(isClean: true)) throws -> Log {
    try Log.open(
      disk: disk, directory: "/t-0", partition: TopicPartition("t", 0), config: LogConfig(), memory: memory,
      nowMs: Self.now)
  }

  private func append(_ records: Int, to log: Log) throws {
    _ = try log.append(Batches.make(records: records, bodyBytes: 50), leaderEpoch: 0, nowMs: Self.now)
  }

  @Test("wait for no sync, neither when they are made nor at a stop, also the second")
  func empty() throws {
    let before = disk.syncs
    try create().close(nowMs: Self.now)
    #expect(disk.syncs == before)
    let again = try reopen()
    #expect(again.topicID == Self.id)
    try again.close(nowMs: Self.now)
    #expect(disk.syncs == before)
  }

  @Test("a log that has not changed since it was opened is left alone at a stop; one that has is written down")
  func unchanged() throws {
    let log = try create()
    try append(5, to: log)
    try log.close(nowMs: Self.now)
    var before = disk.syncs
    let again = try reopen()
    try again.close(nowMs: Self.now)
    #expect(disk.syncs == before)
    let last = try reopen()
    try append(3, to: last)
    before = disk.syncs
    try last.close(nowMs: Self.now)
    #expect(disk.syncs > before)
    #expect(try reopen().logEndOffset == 8)
  }

  @Test("the id of a topic is durable with the first flush", arguments: UInt64(1)...20)
  func topicID(seed: UInt64) throws {
    let log = try create()
    try append(5, to: log)
    try log.flush(nowMs: Self.now)
    var random = SplitMix(seed: seed)
    disk.crash(&random)
    let again = try reopen(LogMemory(recoveryPoint: 5))
    #expect(again.logEndOffset == 5)
    #expect(again.topicID == Self.id)
  }
}
