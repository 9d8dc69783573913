import Base
import Glibc
import Model
import NIOCore
import Testing

@testable import Storage

private let partition = TopicPartition("orders", 0)
private let now: Int64 = 1_700_000_000_000

@Suite("Recovery")
struct LogRecoveryTests {
  let disk = FakeDisk()
  let log: Log

  init() throws {
    log = try Log.create(
      disk: disk, directory: "/orders-0", partition: partition, topicID: nil, config: LogConfig(), nowMs: now)
  }

  private func append(_ records: Int, epoch: LeaderEpoch = 0, fill: UInt64 = 0, to log: Log) throws {
    _ = try log.append(Batches.make(records: records, bodyBytes: 50, fill: fill), leaderEpoch: epoch, nowMs: now)
  }

  private func reopen(_ memory: LogMemory = LogMemory()) throws -> Log {
    try Log.open(
      disk: disk, directory: "/orders-0", partition: partition, config: LogConfig(), memory: memory, nowMs: now)
  }

  @Test("removes what is behind the damage for good, before anything is appended", arguments: UInt64(1)...20)
  func removedSegment(seed: UInt64) throws {
    try append(8, to: log)
    try append(5, to: log)
    try log.roll(nowMs: now)
    try append(8, to: log)
    try log.flush(nowMs: now)
    // The second batch of the first segment is lost.
    disk.overwrite("/orders-0/00000000000000000000.log") { $0.removeLast(30) }
    let cut = try reopen()
    #expect(cut.logEndOffset == 8)
    try append(5, fill: 1, to: cut)
    var random = SplitMix(seed: seed)
    disk.crash(&random)
    let again = try reopen()
    #expect(again.baseOffsets == [0], "the old segment 13 fits behind the new batch, but is none of this log")
    #expect([8, 13].contains(again.logEndOffset))
  }

  @Test("an index made again after an orderly stop leaves the batches behind a damaged one where they are")
  func damagedClosedSegment() throws {
    for _ in 0..<4 { try append(8, to: log) }
    try log.roll(nowMs: now)
    try append(1, to: log)
    try log.close(nowMs: now)
    let path = "/orders-0/00000000000000000000"
    let before = try #require(disk.fileBytes(path + ".log")).count
    try disk.remove(path + ".index")
    // The second batch's magic.
    disk.overwrite(path + ".log") { $0[$0.count / 4 + BatchField.magic] = 99 }
    _ = try? reopen(LogMemory(isClean: true))
    #expect(disk.fileBytes(path + ".log")?.count == before)
  }

  @Test("an epoch begins without waiting for the disk, and is known after a crash", arguments: UInt64(1)...20)
  func unwrittenEpoch(seed: UInt64) throws {
    try append(8, epoch: 1, to: log)
    try log.flush(nowMs: now)
    let syncs = disk.syncs
    try append(5, epoch: 3, to: log)
    #expect(disk.syncs == syncs)
    var random = SplitMix(seed: seed)
    disk.crash(&random)
    let again = try reopen(LogMemory(recoveryPoint: 8))
    let first = LeaderEpochs.Entry(epoch: 1, startOffset: 0)
    let second = LeaderEpochs.Entry(epoch: 3, startOffset: 8)
    #expect([8, 13].contains(again.logEndOffset))
    #expect(again.epochs.entries == (again.logEndOffset == 8 ? [first] : [first, second]))

    // Below the recovery point nothing is read again: there the checkpoint must know.
    try append(2, epoch: 4, to: again)
    let third = LeaderEpochs.Entry(epoch: 4, startOffset: again.logEndOffset - 2)
    try again.roll(nowMs: now)
    try append(1, epoch: 4, to: again)
    try again.flush(nowMs: now)
    disk.crash(&random)
    let last = try reopen(LogMemory(recoveryPoint: again.flushedOffset))
    #expect(last.logEndOffset == again.logEndOffset)
    #expect(last.epochs.entries == again.epochs.entries)
    #expect(last.epochs.entries.last == third)
  }

  @Test("after a crash knows the last five batches of a producer, however many segments they are in", arguments: 1...3)
  func lastFive(batchesPerSegment: Int) throws {
    func send(_ index: Int, to log: Log) throws -> Appended {
      let batch = Batches.make(
        records: 2, bodyBytes: 50, producerID: 5, producerEpoch: 0, baseSequence: Int32(index) * 2)
      return try log.append(batch, leaderEpoch: 0, nowMs: now)
    }
    for index in 0..<8 {
      _ = try send(index, to: log)
      if index % batchesPerSegment == 0 { try log.roll(nowMs: now) }
    }
    try log.flush(nowMs: now)
    let again = try reopen(LogMemory(recoveryPoint: 16))
    for index in 3..<8 {
      let retried = try send(index, to: again)
      #expect(retried.isDuplicate && retried.baseOffset == Offset(Int64(index) * 2), "batch \(index)")
    }
    #expect(throws: AppendError.outOfOrderSequence(producerID: 5, expected: 16, got: 4)) { _ = try send(2, to: again) }
    #expect(try send(8, to: again).isDuplicate == false)
  }

  @Test("reads the epochs from the batches when their checkpoint is damaged", arguments: [true, false])
  func damagedEpochs(isClean: Bool) throws {
    for epoch: LeaderEpoch in [2, 5] { try append(10, epoch: epoch, to: log) }
    try log.roll(nowMs: now)
    try append(10, epoch: 5, to: log)
    try log.flush(nowMs: now)
    try log.close(nowMs: now)
    let path = "/orders-0/leader-epoch-checkpoint"
    disk.overwrite(path) { $0 = Array("0\n2\n2 0\n5 ten\n".utf8) }
    let again = try reopen(LogMemory(recoveryPoint: 30, isClean: isClean))
    #expect(again.epochDamage == CheckpointDamage(path: path, line: 4, text: "5 ten", problem: "no valid entry"))
    #expect(again.epochs.entries == [.init(epoch: 2, startOffset: 0), .init(epoch: 5, startOffset: 10)])
    #expect(try reopen(LogMemory(recoveryPoint: 30, isClean: isClean)).epochDamage == nil, "it was written again")
  }

  @Test("finds the epochs of records that come back from below a raised start")
  func epochs() throws {
    for epoch: LeaderEpoch in [2, 2, 5, 7] { try append(10, epoch: epoch, to: log) }
    // Behind the recovery point nothing is read again.
    try log.roll(nowMs: now)
    try append(10, epoch: 7, to: log)
    try log.flush(nowMs: now)
    try log.deleteRecords(before: 25, nowMs: now)
    #expect(log.epochs.entries == [.init(epoch: 5, startOffset: 25), .init(epoch: 7, startOffset: 30)])
    // No checkpoint took note of the start.
    let again = try reopen(LogMemory(logStartOffset: 15, recoveryPoint: 50))
    #expect(again.logStartOffset == 15)
    let all: [LeaderEpochs.Entry] = [
      .init(epoch: 2, startOffset: 15), .init(epoch: 5, startOffset: 20), .init(epoch: 7, startOffset: 30),
    ]
    #expect(again.epochs.entries == all)
    #expect(try LeaderEpochs.read(from: "/orders-0", on: disk).get().entries == all)
    try again.truncate(to: 20, nowMs: now)
    #expect(again.leaderEpoch == 2)
  }

  @Test(
    "after a truncation that failed on its way finds a prefix that holds what was to stay",
    arguments: [
      FakeDisk.Fault.truncate(after: 0), .truncate(after: 1), .truncate(after: 2), .sync(after: 0),
      .sync(after: 1), .write(after: 0, bytesWritten: 3, code: EIO),
    ], 0..<16)
  func failedTruncation(fault: FakeDisk.Fault, seed: Int) throws {
    var random = SplitMix(seed: UInt64(seed))
    log.config.indexIntervalBytes = 0
    for epoch: LeaderEpoch in 0..<3 {
      for _ in 0..<4 { try append(5, epoch: epoch, to: log) }
      try log.roll(nowMs: now)
    }
    try log.flush(nowMs: now)
    disk.inject(fault)
    #expect(throws: DiskError.self) { try log.truncate(to: 12, nowMs: now) }
    #expect(throws: AppendError.self) { try append(1, to: log) }
    if seed == 0 { disk.kill() } else { disk.crash(&random) }
    // The checkpoint is from before.
    let again = try reopen(LogMemory(recoveryPoint: 60))
    let end = again.logEndOffset
    #expect(end >= 10 && end <= 60 && end.rawValue % 5 == 0)
    #expect(try again.indexFaults() == [])
    #expect(again.leaderEpoch == LeaderEpoch((end.rawValue - 1) / 20))
    try append(7, epoch: 3, fill: 1, to: again)
    try again.flush(nowMs: now)
    disk.crash(&random)
    let last = try reopen(LogMemory(recoveryPoint: end + 7))
    #expect(last.logEndOffset == end + 7)
    #expect(try last.indexFaults() == [])
    let batches = try last.read(from: 0, upTo: end + 7, maxBytes: 1 << 20, atLeastOneBatch: true).bytes().batches()
    #expect(batches.map(\.header.nextOffset).max() ?? 0 <= end + 7)
    #expect(last.epochs.entries.last == .init(epoch: 3, startOffset: end))
  }
}
