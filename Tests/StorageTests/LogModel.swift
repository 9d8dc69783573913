import Base
import Glibc
import Model
import NIOCore
import Testing

@testable import Storage
@testable import StorageArms

/// Something the log should not have done.
struct Wrong: Error {
  var what: String
  init(_ what: String) { self.what = what }
}

/// A log beside an array that says what it must hold; random operations on both, compared after each.
///
/// Segments are on a fake disk, which crashes, tears and fails, with a cache of the process in front of it or none. A B-tree and direct
/// I/O want the real one: there a crash is a kill, and what faults do is left out.
final class LogModel {
  struct Batch {
    var batch: RecordBatch
    var timestamps: [Int64]
    var header: RecordBatchHeader { batch.header }
    var baseOffset: Offset { header.baseOffset }
    var nextOffset: Offset { header.nextOffset }
  }

  let seed: UInt64
  private var random: SplitMix
  private let engine: LogEngine
  private let disk = FakeDisk()
  /// What the log is given: the fake disk, or one on the real.
  private let files: any Disk
  private let temporary: TemporaryDirectory?
  private let partition = TopicPartition("model", 0)
  private let directory: String
  private var config = LogConfig()
  private var log: Log
  /// Nil for a B-tree, which has none.
  private var segments: Log? { engine == .append ? log : nil }
  private var canFail: Bool { temporary == nil }
  private var nowMs: Int64 = 1_700_000_000_000
  private(set) var history: [String] = []

  /// What the log must hold, retention aside: everything appended and not truncated.
  private var batches: [Batch] = []
  private var logStart: Offset = 0
  private var end: Offset = 0
  private var epoch: LeaderEpoch = 0
  /// What a checkpoint last wrote down.
  private var memory = LogMemory()
  /// Batches from here on were appended since the log was opened or cut: all five retries are known.
  private var knownFrom: Offset = 0
  private var nextProducer: Int64 = 1
  private var batchNumber: UInt64 = 0

  /// Whether batches are appended several at a time.
  private let isGrouped: Bool

  init(seed: UInt64, arm: Arm, isGrouped: Bool = false) throws {
    self.seed = seed
    self.isGrouped = isGrouped
    engine = arm.engine
    switch arm {
    case .page:
      files = disk
      temporary = nil
    case .both:
      files = CachedFakeDisk(disk, try Arm.cache(seed % 2 == 0 ? .compact : .boxed))
      temporary = nil
    default:
      files = try arm.disk()
      temporary = try TemporaryDirectory()
    }
    directory = (temporary?.path ?? "/data") + "/model-0"
    random = SplitMix(seed: seed)
    config.segmentBytes = Int.random(in: 1000...12_000, using: &random)
    config.indexIntervalBytes = Int.random(in: 0...800, using: &random)
    config.segmentMs = Bool.random(using: &random) ? 500_000 : config.segmentMs
    config.segmentIndexBytes = Bool.random(using: &random) ? 120 : config.segmentIndexBytes
    config.preallocate = Int.random(in: 0..<4, using: &random) == 0
    config.retentionBytes = Bool.random(using: &random) ? 30_000 : -1
    try disk.makeDirectory("/data")
    log = try EngineBench.create(engine, files, directory, partition, config)
  }

  func run(steps: Int) throws {
    for _ in 0..<steps {
      nowMs += Int64.random(in: 0...20_000, using: &random)
      try step()
      try check()
    }
    try kill()
    try checkAll()
  }

  private func note(_ text: String) { history.append(text) }

  private func step() throws {
    switch Int.random(in: 0..<100, using: &random) {
    case ..<36: try append()
    case ..<40: try appendAsFollower()
    case ..<45: try retry()
    case ..<48: try gap()
    case ..<60: try read()
    case ..<65: try lookUpTime()
    case ..<68: try roll()
    case ..<74: try flush(appending: Bool.random(using: &random))
    case ..<78: checkpoint()
    case ..<81: try crash()
    case ..<83: try kill()
    case ..<85: try stop()
    case ..<87: try truncate()
    case ..<88: try restart()
    case ..<90: try deleteRecords()
    case ..<92: try retain()
    case ..<94: try failWrite()
    case ..<95: try failSync()
    case ..<96: try fillDisk()
    case ..<97: epoch += 1
    default: _ = try log.purgeDeleted(nowMs: nowMs)
    }
  }

  // MARK: Appending

  private func makeBatch(producerID: Int64 = -1, epoch: Int16 = -1, sequence: Int32 = -1) -> Batch {
    batchNumber += 1
    let count = Int.random(in: 1...8, using: &random)
    let base = nowMs
    let timestamps = (0..<count).map { _ in base + Int64.random(in: -30_000...0, using: &random) }
    let batch = Batches.make(
      timestamps: timestamps, valueBytes: Int.random(in: 0...70, using: &random), seed: batchNumber,
      producerID: producerID, producerEpoch: epoch, baseSequence: sequence)
    return Batch(batch: batch, timestamps: timestamps)
  }

  /// The last batch of each producer that is still in the log.
  private var lastOfProducers: [Int64: Batch] {
    var last: [Int64: Batch] = [:]
    for batch in batches where batch.header.hasProducer && batch.baseOffset >= logStart {
      last[batch.header.producerID] = batch
    }
    return last
  }

  private func nextBatch() -> Batch {
    guard Bool.random(using: &random) else { return makeBatch() }
    let known = lastOfProducers.values.sorted { $0.baseOffset < $1.baseOffset }
    guard known.count > 2, let last = known.randomElement(using: &random) else {
      nextProducer += 1
      // Near the wrap now and then.
      let first: Int32 = Bool.random(using: &random) ? 0 : .max - 4
      return makeBatch(producerID: nextProducer, epoch: 0, sequence: first)
    }
    let next = last.header.lastSequence == .max ? 0 : last.header.lastSequence + 1
    let bump = Int.random(in: 0..<8, using: &random) == 0
    return makeBatch(
      producerID: last.header.producerID, epoch: last.header.producerEpoch + (bump ? 1 : 0), sequence: bump ? 0 : next)
  }

  private func append() throws {
    if isGrouped { return try appendTogether(expectingTrouble: false) }
    let batch = nextBatch()
    let appended = try log.append(batch.batch, leaderEpoch: epoch, nowMs: nowMs)
    note("append \(batch.header.count) at \(appended.baseOffset)")
    try #require(appended.baseOffset == end)
    try #require(!appended.isDuplicate)
    appendedToModel(batch)
  }

  private func appendedToModel(_ batch: Batch) {
    var batch = batch
    batch.batch.header.baseOffset = end
    batch.batch.header.partitionLeaderEpoch = epoch
    batches.append(batch)
    end = batch.nextOffset
  }

  private func appendAsFollower() throws {
    var bytes = ByteBuffer()
    var added: [Batch] = []
    var next = end
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      var batch = makeBatch()
      batch.batch.header.baseOffset = next
      batch.batch.header.partitionLeaderEpoch = epoch
      next = batch.nextOffset
      bytes.writeImmutableBuffer(Batches.bytes(batch.batch))
      added.append(batch)
    }
    // A fetch may end in the middle of a batch.
    bytes.writeBytes([0, 0, 0, 0, 0])
    let appended = try log.appendAsFollower(bytes, nowMs: nowMs)
    note("follow \(added.count) batches at \(end)")
    try #require(appended?.baseOffset == end)
    try #require(appended?.lastOffset == next - 1)
    batches += added
    end = next
  }

  private func retry() throws {
    let candidates = batches.suffix(30).filter { $0.header.hasProducer && $0.baseOffset >= logStart }
    guard let batch = candidates.randomElement(using: &random) else { return }
    let own = batches.filter {
      $0.header.producerID == batch.header.producerID && $0.header.producerEpoch == batch.header.producerEpoch
    }
    let isCurrent = lastOfProducers[batch.header.producerID]?.header.producerEpoch == batch.header.producerEpoch
    let isLast = own.last?.baseOffset == batch.baseOffset
    guard isCurrent, isLast || batch.baseOffset >= knownFrom else { return }
    guard own.suffix(5).contains(where: { $0.baseOffset == batch.baseOffset }) else { return }
    let appended = try log.append(batch.batch, leaderEpoch: epoch, nowMs: nowMs)
    note("retry of \(batch.baseOffset)")
    try #require(appended.isDuplicate, "batch \(batch.baseOffset) was doubled")
    try #require(appended.baseOffset == batch.baseOffset)
  }

  private func gap() throws {
    guard let last = lastOfProducers.values.sorted(by: { $0.baseOffset < $1.baseOffset }).last else { return }
    let batch = makeBatch(
      producerID: last.header.producerID, epoch: last.header.producerEpoch,
      sequence: (last.header.lastSequence &+ 100) & .max)
    note("gap")
    #expect(throws: AppendError.self) { try self.log.append(batch.batch, leaderEpoch: self.epoch, nowMs: self.nowMs) }
    let fenced = makeBatch(producerID: last.header.producerID, epoch: last.header.producerEpoch - 1, sequence: 0)
    guard fenced.header.producerEpoch >= 0 else { return }
    #expect(throws: AppendError.self) { try self.log.append(fenced.batch, leaderEpoch: self.epoch, nowMs: self.nowMs) }
  }

  private func roll() throws {
    try segments?.roll(nowMs: nowMs)
    note("roll")
  }

  // MARK: Reading

  private func read() throws {
    guard end > logStart else { return }
    let from = logStart + Int.random(in: 0...(end - logStart), using: &random)
    let upTo = from + Int.random(in: 0...max(1, end - from), using: &random)
    let maxBytes = Int.random(in: 0...3000, using: &random)
    let whole = Bool.random(using: &random)
    let slice = try log.read(from: from, upTo: upTo, maxBytes: maxBytes, atLeastOneBatch: whole)
    let wanted = batches.filter { $0.header.lastOffset >= from && $0.nextOffset <= upTo }
    let got = try slice.bytes().batches()
    note("read \(from)..<\(upTo) in \(maxBytes): \(got.count) batches")
    try #require(got.count <= wanted.count)
    for (found, expected) in zip(got, wanted) { try compare(found, expected) }
    if got.isEmpty {
      try #require(wanted.isEmpty || (wanted[0].header.sizeInBytes > maxBytes && !whole))
    } else {
      try #require(slice.byteCount <= maxBytes || (whole && got.count == 1))
      try #require(slice.nextOffset > from)
      // Nothing that would have fitted was left out, but for the end of a segment.
      let bases = segments?.baseOffsets ?? []
      if got.count < wanted.count, !bases.contains(wanted[got.count].baseOffset), slice.byteCount <= maxBytes {
        try #require(slice.byteCount + wanted[got.count].header.sizeInBytes > maxBytes)
      }
    }
  }

  private func compare(_ found: RecordBatch, _ expected: Batch) throws {
    try #require(found.header == expected.header)
    try #require(found.body == expected.batch.body)
  }

  private func lookUpTime() throws {
    let target = nowMs - Int64.random(in: -1000...400_000, using: &random)
    var expected: TimedOffset?
    search: for batch in batches {
      for (index, timestamp) in batch.timestamps.enumerated() {
        let offset = batch.baseOffset + index
        if timestamp >= target && offset >= logStart {
          expected = TimedOffset(
            timestamp: timestamp, offset: offset, leaderEpoch: batch.header.partitionLeaderEpoch)
          break search
        }
      }
    }
    note("time \(target)")
    let found = try log.offset(forTimestamp: target)
    try #require(found == expected, "at \(target): \(found as Any), not \(expected as Any)")
    let newest = kept.flatMap(\.timestamps).max()
    try #require(try log.offsetOfMaxTimestamp()?.timestamp == newest)
  }

  // MARK: Flushing and dying

  private func flush(appending: Bool) throws {
    guard let ticket = log.flushTicket() else { return }
    if appending {
      try append()
      try append()
      try #require(log.flushTicket() == nil)
    }
    try ticket.run()
    let next = log.complete(ticket, .success(()), nowMs: nowMs)
    note("flushed to \(ticket.upTo)")
    try #require(log.flushedOffset >= ticket.upTo)
    try #require((next != nil) == appending, "who asked meanwhile gets the next ticket")
    if let next {
      try next.run()
      _ = log.complete(next, .success(()), nowMs: nowMs)
      try #require(log.flushedOffset == end)
    }
  }

  private func checkpoint() {
    memory.recoveryPoint = log.flushedOffset
    memory.logStartOffset = log.logStartOffset
  }

  private func crash() throws {
    if !canFail { return try kill() }
    let flushed = log.flushedOffset
    disk.crash(&random)
    try reopen(clean: false, losingAfter: flushed)
    note("crash with \(flushed) flushed: \(end) left")
  }

  private func kill() throws {
    disk.kill()
    try reopen(clean: false, losingAfter: end)
    note("kill")
  }

  private func stop() throws {
    try log.close(nowMs: nowMs)
    checkpoint()
    let flushed = log.flushedOffset
    try #require(flushed == end)
    if Bool.random(using: &random) { disk.crash(&random) } else { disk.kill() }
    try reopen(clean: true, losingAfter: end)
    note("stop")
  }

  /// Opens the log again; everything before `flushed` must be there, and what there is must be a prefix.
  private func reopen(clean: Bool, losingAfter flushed: Offset) throws {
    var memory = memory
    memory.isClean = clean
    log = try EngineBench.open(engine, files, directory, partition, config, memory, nowMs: nowMs)
    let recovered = log.logEndOffset
    try #require(recovered >= flushed, "flushed to \(flushed), but after the crash the log ends at \(recovered)")
    try #require(recovered <= max(end, memory.logStartOffset), "the log ends at \(recovered), past \(end)")
    try #require(log.logStartOffset <= logStart)
    try #require(log.logStartOffset >= memory.logStartOffset)
    logStart = log.logStartOffset
    batches.removeAll { $0.nextOffset > recovered }
    try #require(batches.isEmpty || batches.last?.nextOffset == recovered || logStart == recovered)
    end = recovered
    self.memory.recoveryPoint = min(memory.recoveryPoint, end)
    knownFrom = end
    try checkAll()
  }

  // MARK: Forgetting

  private func truncate() throws {
    guard end > logStart else { return }
    let offset = logStart + Int.random(in: 0...(end - logStart), using: &random)
    try log.truncate(to: offset, nowMs: nowMs)
    note("truncate to \(offset)")
    guard offset < end else { return }
    batches.removeAll { $0.header.lastOffset >= offset }
    end = min(offset, log.logEndOffset)
    // A batch that the log's start divides goes whole: nothing is left, and the log may end below that start.
    try #require(batches.isEmpty || batches.last?.nextOffset == end || end <= logStart)
    logStart = min(logStart, end)
    forgotten()
  }

  private func restart() throws {
    let offset = end + Int.random(in: 0...50, using: &random)
    try log.truncateFullyAndStart(at: offset, nowMs: nowMs)
    note("restart at \(offset)")
    batches = []
    logStart = offset
    end = offset
    forgotten()
  }

  /// What deletion from the front has left.
  private var kept: [Batch] {
    batches.filter { batch in
      segments.map { batch.baseOffset >= $0.baseOffsets[0] } ?? (batch.nextOffset > logStart)
    }
  }

  /// A truncation is followed by checkpoints before anything else is appended, as a follower's is.
  private func forgotten() {
    knownFrom = end
    checkpoint()
  }

  private func deleteRecords() throws {
    let offset = logStart + Int.random(in: 0...(end - logStart), using: &random)
    try log.deleteRecords(before: offset, nowMs: nowMs)
    note("delete records before \(offset)")
    logStart = max(logStart, offset)
  }

  private func retain() throws {
    config.retentionMs = Bool.random(using: &random) ? 600_000 : -1
    log.config = config
    let count = try log.applyRetention(nowMs: nowMs, highWatermark: end)
    note("retention: \(count) segments")
    try #require(log.logStartOffset >= logStart)
    logStart = log.logStartOffset
    if config.retentionBytes >= 0, segments?.segmentCount ?? 2 > 1 {
      try #require(log.sizeInBytes < Int(config.retentionBytes) + config.segmentBytes)
    }
    config.retentionMs = -1
    log.config = config
  }

  // MARK: Failing

  private func failWrite() throws {
    if !canFail { return }
    let batch = nextBatch()
    let truncateFails = Int.random(in: 0..<4, using: &random) == 0
    disk.inject(
      .write(
        after: Int.random(in: 0...3, using: &random),
        bytesWritten: Int.random(in: 0..<40, using: &random), code: Bool.random(using: &random) ? EIO : ENOSPC))
    if truncateFails { disk.inject(.truncate(after: 0)) }
    try appendExpectingTrouble(batch)
    disk.removeFaults()
    if log.failure != nil { try kill() }
  }

  /// What a member of a group is there for.
  private enum Part { case follows, repeats, skips }

  /// Appends a group in which a producer's batches follow each other, some come twice, and some leave a gap.
  private func appendTogether(expectingTrouble: Bool) throws {
    let (batchesBefore, endBefore) = (batches, end)
    var members: [(batch: Batch, part: Part)] = []
    // Now and then more than one write takes.
    let count = Int.random(in: 0..<60, using: &random) == 0 ? 70 : Int.random(in: 1...6, using: &random)
    for _ in 0..<count {
      let batch = nextBatch()
      members.append((batch, .follows))
      // So that the next one may follow it.
      appendedToModel(batch)
      guard batch.header.hasProducer else { continue }
      switch Int.random(in: 0..<8, using: &random) {
      case 0: members.append((batch, .repeats))
      case 1:
        let sequence = (batch.header.lastSequence &+ 100) & .max
        members.append(
          (
            makeBatch(
              producerID: batch.header.producerID, epoch: batch.header.producerEpoch, sequence: sequence), .skips
          ))
      default: break
      }
    }
    (batches, end) = (batchesBefore, endBefore)
    let bodies = members.map { Array($0.batch.batch.body.readableBytesView) }
    var group = zip(members, bodies).map { member, body in
      GroupedBatch(
        header: member.batch.header, body: UnsafeRawBufferPointer(start: nil, count: 0), wantsAllInSync: false)
    }
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: bodies.reduce(0) { $0 + $1.count }, alignment: 1)
    defer { room.deallocate() }
    var position = 0
    for (index, body) in bodies.enumerated() {
      let part = UnsafeMutableRawBufferPointer(rebasing: room[position..<position + body.count])
      part.copyBytes(from: body)
      position += body.count
      group[index] = GroupedBatch(
        header: members[index].batch.header, body: UnsafeRawBufferPointer(part), wantsAllInSync: false)
      group[index].next = index + 1 < members.count ? index + 1 : -1
    }
    let shared = BatchGroup()
    let bytes = group.withUnsafeMutableBufferPointer {
      shared.batches = $0
      return log.append(shared, from: 0, leaderEpoch: epoch, nowMs: nowMs)
    }
    note("append \(members.count) together at \(end)\(expectingTrouble ? " under faults" : "")")
    var appendedBytes = 0
    var broken: Set<Int64> = []
    for (index, (member, batch)) in zip(members, group).enumerated() {
      let id = member.batch.header.producerID
      switch batch.outcome {
      case .appended(let appended) where appended.isDuplicate:
        try #require(member.part == .repeats || broken.contains(id), "a batch was taken for a retry")
      case .appended(let appended):
        try #require(member.part == .follows || broken.contains(id), "a batch that may not follow was appended")
        try #require(appended.baseOffset == end)
        appendedBytes += member.batch.batch.sizeInBytes
        appendedToModel(member.batch)
      case .failed:
        switch shared.errors[index] {
        case .diskFailed, .offline:
          try #require(expectingTrouble, "\(String(describing: shared.errors[index])) without a fault")
          broken.insert(id)
        case .outOfOrderSequence:
          try #require(member.part == .skips || broken.contains(id), "a batch that follows was refused")
        default: throw Wrong("failed with \(String(describing: shared.errors[index]))")
        }
      case .waits, .refused: throw Wrong("\(batch.outcome)")
      }
    }
    try #require(bytes == appendedBytes)
    try #require(log.logEndOffset == end)
  }

  private func appendExpectingTrouble(_ batch: Batch) throws {
    if isGrouped { return try appendTogether(expectingTrouble: true) }
    do throws(AppendError) {
      _ = try log.append(batch.batch, leaderEpoch: epoch, nowMs: nowMs)
      note("append under faults at \(end)")
      appendedToModel(batch)
    } catch {
      note("append failed: \(error)")
      switch error {
      case .diskFailed, .offline: break
      default: Issue.record("\(error) is no disk's failure")
      }
      try #require(log.logEndOffset == end)
    }
  }

  private func failSync() throws {
    if !canFail { return }
    guard let ticket = log.flushTicket() else { return }
    disk.inject(.sync(after: Int.random(in: 0...1, using: &random)))
    let flushed = log.flushedOffset
    do throws(DiskError) {
      try ticket.run()
      _ = log.complete(ticket, .success(()), nowMs: nowMs)
    } catch {
      _ = log.complete(ticket, .failure(error), nowMs: nowMs)
      note("sync failed")
      try #require(log.flushedOffset == flushed)
      #expect(throws: AppendError.self) {
        try self.log.append(self.makeBatch().batch, leaderEpoch: self.epoch, nowMs: self.nowMs)
      }
      try crash()
    }
    disk.removeFaults()
  }

  private func fillDisk() throws {
    if !canFail { return }
    disk.setCapacity(disk.usedBytes + Int.random(in: 0...300, using: &random))
    for _ in 0..<3 { try appendExpectingTrouble(nextBatch()) }
    disk.setCapacity(.max)
    if log.failure != nil { try kill() }
  }

  // MARK: Comparing

  private func check() throws {
    try #require(log.logEndOffset == end)
    try #require(log.logStartOffset == logStart)
    try #require(log.flushedOffset <= end)
    if let bases = segments?.baseOffsets {
      try #require(bases == bases.sorted() && Set(bases).count == bases.count)
      try #require(bases[0] <= logStart)
    }
    try #require(log.sizeInBytes == kept.reduce(0) { $0 + $1.header.sizeInBytes })
  }

  /// Reads everything, and looks at the files as a dump would.
  private func checkAll() throws {
    var offset = logStart
    var left = batches.filter { $0.header.lastOffset >= logStart }[...]
    while offset < end {
      let slice = try log.read(from: offset, upTo: end, maxBytes: 700, atLeastOneBatch: true)
      for found in try slice.bytes().batches() {
        guard let expected = left.popFirst() else { throw Wrong("more than was appended") }
        try compare(found, expected)
      }
      guard slice.nextOffset > offset else { throw Wrong("no batch at \(offset)") }
      offset = slice.nextOffset
    }
    try #require(left.isEmpty)
    for batch in batches where batch.baseOffset >= logStart {
      try #require(log.epochs.epoch(at: batch.baseOffset) == batch.header.partitionLeaderEpoch)
    }
    let faults = try segments?.indexFaults() ?? []
    try #require(faults == [], "\(faults.joined(separator: "\n"))")
  }
}
