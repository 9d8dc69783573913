import Base
import Compression
import DiskSupport
import Model
import NIOCore
import Testing

@testable import Storage

/// A compacted log beside a list of all that was ever appended to it; random operations, and after each what a reader must find.
///
/// The rules:
/// 1. What is in the log is what was appended at that offset, and offsets rise.
/// 2. Of each key, the last record that is not of an aborted transaction is there, if it is decided; a tombstone may be gone once
///    delete.retention.ms have passed, and then nothing of the key before it is left.
/// 3. A reader of committed records gets none of an aborted transaction.
/// 4. A producer's next sequence is taken, and no other.
/// 5. Indexes obey the rules of Kafka's dump tool.
/// 6. A cleaning that has ended leaves one record of each key below its end.
final class CleanerModel {
  struct Entry {
    enum Kind: Equatable { case records, commit, abort }
    var kind: Kind
    var producer: Int64
    var base: Offset
    var end: Offset
    var sequence: Int32
    var isTransactional: Bool
    var appendedMs: Int64
    var records: [(key: String, value: String?)]
  }

  private(set) var history: [String] = []
  private var random: SplitMix
  private let disk = MortalDisk()
  private var config = LogConfig()
  private var log: Log
  private var memory = LogMemory()
  private var nowMs: Int64 = 1_700_000_000_000
  private var entries: [Entry] = []
  private var nextValue = 0
  private let keys: Int
  private let resources: CleaningResources
  private static let retentionMs: Int64 = 60_000

  init(seed: UInt64) throws {
    random = SplitMix(seed: seed)
    config.compacts = true
    config.deletesOldSegments = false
    config.segmentBytes = 600 + random.below(4_000)
    config.indexIntervalBytes = random.below(500)
    config.segmentIndexBytes = random.below(3) == 0 ? 120 : config.segmentIndexBytes
    config.deleteRetentionMs = Self.retentionMs
    config.fileDeleteDelayMs = Int64(random.below(2) * 10_000)
    keys = random.pick([2, 8, 40])
    resources = CleaningResources(
      dedupeBytes: random.pick([8, 20, 1000]) * OffsetMap.slotBytes, loadFactor: 0.9,
      bufferBytes: random.pick([100, 4096]))
    try disk.real.makeDirectory("/data")
    log = try Log.create(
      disk: disk, directory: "/data/c-0", partition: TopicPartition("c", 0), topicID: nil, config: config, nowMs: nowMs)
  }

  func run(steps: Int) throws {
    for _ in 0..<steps {
      nowMs += Int64(random.below(6_000))
      try step()
      try check()
    }
  }

  private func note(_ text: String) { history.append(text) }

  private func step() throws {
    switch random.below(100) {
    case ..<45: try append()
    case ..<58: try end()
    case ..<66: try roll()
    case ..<72: try log.flush(nowMs: nowMs)
    case ..<76: checkpoint()
    case ..<88: try clean(dyingWithin: nil)
    case ..<92: try clean(dyingWithin: 60)
    case ..<94: try restart(losingPower: true)
    case ..<96: try restart(losingPower: false)
    case ..<98: try deleteRecords()
    default: _ = try log.purgeDeleted(nowMs: nowMs)
    }
  }

  // MARK: Appending

  private static let producers: [Int64] = [-1, -1, 1, 2, 3]

  private func lastOf(_ producer: Int64) -> Entry? { entries.last { $0.producer == producer && $0.kind == .records } }

  private func isOpen(_ producer: Int64) -> Bool {
    guard let last = entries.last(where: { $0.producer == producer && ($0.isTransactional || $0.kind != .records) })
    else { return false }
    return last.kind == .records
  }

  /// Whether the producer's records are deleted and a marker of it is not. After a restart the log knows no sequence number of such a producer, and takes
  /// only 0, as Kafka does.
  private func isKnownByMarkersAlone(_ producer: Int64) -> Bool {
    guard let last = lastOf(producer), last.base < log.logStartOffset else { return false }
    return entries.contains {
      $0.producer == producer && $0.kind != .records && $0.base >= log.logStartOffset
    }
  }

  private func nextSequence(_ producer: Int64) -> Int32 {
    guard producer >= 0 else { return -1 }
    return lastOf(producer).map { $0.sequence + Int32($0.records.count) } ?? 0
  }

  private func append() throws {
    let producer = random.pick(Self.producers)
    guard !isKnownByMarkersAlone(producer) else { return }
    let isTransactional = isOpen(producer) || producer > 1 && random.below(2) == 0
    let records = (0..<1 + random.below(5)).map { _ -> (key: String, value: String?) in
      nextValue += 1
      let value = random.below(5) == 0 ? nil : "\(nextValue) " + String(repeating: "v", count: random.below(60))
      return ("k\(random.below(keys))", value)
    }
    let sequence = nextSequence(producer)
    let batch = try CompactedLog.batch(
      records.map { ($0.key, $0.value) }, timestamp: nowMs, codec: random.pick(Codec.allCases), producer: producer,
      sequence: sequence, transactional: isTransactional)
    if let last = lastOf(producer), producer >= 0, last.base >= log.logStartOffset { try expectGap(producer, sequence) }
    let appended = try log.append(batch, leaderEpoch: 0, nowMs: nowMs)
    try #require(!appended.isDuplicate)
    note(
      "append \(records.count) of \(producer)\(isTransactional ? " in a transaction" : "") at \(appended.baseOffset)")
    entries.append(
      Entry(
        kind: .records, producer: producer, base: appended.baseOffset, end: log.logEndOffset, sequence: sequence,
        isTransactional: isTransactional, appendedMs: nowMs, records: records))
  }

  private func expectGap(_ producer: Int64, _ sequence: Int32) throws {
    let gap = try CompactedLog.batch(
      [("gap", nil)], timestamp: nowMs, producer: producer, sequence: sequence + 77)
    #expect(throws: AppendError.self) { try self.log.append(gap, leaderEpoch: 0, nowMs: self.nowMs) }
  }

  private func end() throws {
    guard let producer = [2, 3].first(where: { isOpen($0) && random.below(2) == 0 }) else { return }
    // A marker for a producer whose records are all gone would make it known to the log, without a sequence number to go on from.
    guard let last = lastOf(producer), last.base >= log.logStartOffset else { return }
    let commits = random.below(2) == 0
    let marker = Batches.marker(
      commit: commits, producerID: producer, producerEpoch: 0, coordinatorEpoch: 0, timestamp: nowMs)
    let appended = try log.append(marker, leaderEpoch: 0, nowMs: nowMs)
    note("\(commits ? "commit" : "abort") of \(producer) at \(appended.baseOffset)")
    entries.append(
      Entry(
        kind: commits ? .commit : .abort, producer: producer, base: appended.baseOffset, end: log.logEndOffset,
        sequence: -1, isTransactional: true, appendedMs: nowMs, records: []))
  }

  private func roll() throws {
    try log.roll(nowMs: nowMs)
    note("roll")
  }

  // MARK: Cleaning and dying

  private func clean(dyingWithin changes: Int?) throws {
    if random.below(2) == 0 { try log.roll(nowMs: nowMs) }
    guard let plan = try log.planCleaning(highWatermark: log.logEndOffset, nowMs: nowMs) else { return }
    if random.below(5) > 0 { try log.flush(nowMs: nowMs) }
    if random.below(5) > 0 { memory.recoveryPoint = log.flushedOffset }
    let cleaning = Cleaning(plan, resources, hash: KeyHash128(using: &random))
    if let changes { disk.allow(random.below(changes)) }
    note("clean from \(plan.firstDirtyOffset) to \(plan.firstUncleanableOffset)")
    do {
      let end = try CompactedLog.finish(
        cleaning, plan, log, recoveryPoint: memory.recoveryPoint, nowMs: nowMs, turnBytes: 1 + random.below(2_000))
      note("clean to \(end.map { "\($0)" } ?? "nothing")")
      if let end { try checkOneOfEach(below: end) }
    } catch {
      guard disk.isDead else { throw error }
      note("died: \(error)")
    }
    guard changes != nil else { return }
    disk.allow(.max)
    try restart(losingPower: random.below(2) == 0)
  }

  private func checkpoint() {
    memory.recoveryPoint = log.flushedOffset
    memory.logStartOffset = log.logStartOffset
    memory.cleanedOffset = log.cleanedOffset
  }

  private func restart(losingPower: Bool) throws {
    let flushed = log.flushedOffset
    let end = log.logEndOffset
    let start = log.logStartOffset
    if losingPower { disk.real.crash(&random) } else { disk.real.kill() }
    log = try Log.open(
      disk: disk, directory: "/data/c-0", partition: TopicPartition("c", 0), config: config, memory: memory,
      nowMs: nowMs)
    note("\(losingPower ? "power failure" : "kill"): \(end), flushed to \(flushed), became \(log.logEndOffset)")
    try #require(log.logEndOffset >= (losingPower ? flushed : end))
    try #require(log.logEndOffset <= end)
    try #require(log.logStartOffset <= start)
    try #require(log.holes == [])
    entries.removeAll { $0.end > log.logEndOffset }
    memory.recoveryPoint = min(memory.recoveryPoint, log.logEndOffset)
    let names = try disk.names(in: "/data/c-0")
    try #require(!names.contains { $0.hasSuffix(".swap") || $0.hasSuffix(".cleaned") }, "\(names)")
  }

  private func deleteRecords() throws {
    let offset = log.logStartOffset + random.below(log.logEndOffset - log.logStartOffset + 1) / 4
    try log.deleteRecords(before: offset, nowMs: nowMs)
    note("delete records before \(offset)")
  }

  // MARK: Checking

  private func check() throws {
    let from = log.logStartOffset + random.below(log.logEndOffset - log.logStartOffset + 1)
    let found = try checkRecords(CompactedLog.batches(log))
    let later = try CompactedLog.batches(log, from: from).filter { !$0.header.attributes.isControl }
      .flatMap { try $0.records().map(\.offset) }
    try #require(later.filter { $0 >= from } == found.filter { $0 >= from }, "a reader from \(from)")
    try checkLast(found)
    try checkCommitted()
    try #require(try log.indexFaults() == [])
  }

  /// Rule 1; returns the offsets of the records that are there.
  private func checkRecords(_ batches: [RecordBatch]) throws -> [Offset] {
    let byOffset = Dictionary(
      uniqueKeysWithValues: entries.flatMap { entry in
        entry.records.enumerated().map { (entry.base + $0.offset, $0.element) }
      })
    var offsets: [Offset] = []
    var next: Offset = 0
    for batch in batches {
      try #require(batch.header.baseOffset >= next, "batch \(batch.header.baseOffset) after \(next)")
      next = batch.header.nextOffset
      guard !batch.header.attributes.isControl else { continue }
      for record in try batch.records() {
        let expected = try #require(byOffset[record.offset], "nothing was appended at \(record.offset)")
        try #require(record.key.map { String(buffer: $0) } == expected.key, "at \(record.offset)")
        try #require(record.value.map { String(buffer: $0) } == expected.value, "at \(record.offset)")
        offsets.append(record.offset)
      }
    }
    return offsets
  }

  /// The outcome of an entry's transaction; nil while it is open.
  private func isCommitted(_ index: Int) -> Bool? {
    let entry = entries[index]
    guard entry.isTransactional else { return true }
    let end = entries[index...].first { $0.producer == entry.producer && $0.kind != .records }
    return end.map { $0.kind == .commit }
  }

  /// Rule 2.
  private func checkLast(_ found: [Offset]) throws {
    let present = Set(found)
    var last: [String: (offset: Offset, value: String?, appendedMs: Int64)] = [:]
    var ofKey: [String: [Offset]] = [:]
    for (index, entry) in entries.enumerated() where entry.kind == .records {
      let isCommitted = isCommitted(index)
      for (place, record) in entry.records.enumerated() {
        let offset = entry.base + place
        if isCommitted == true { last[record.key] = (offset, record.value, entry.appendedMs) }
        if isCommitted != false, present.contains(offset) { ofKey[record.key, default: []].append(offset) }
        // An open transaction's records all stay: nobody knows what will become of them.
        if isCommitted == nil, offset >= log.logStartOffset { try #require(present.contains(offset), "open \(offset)") }
      }
    }
    for (key, last) in last.sorted(by: { $0.key < $1.key }) where last.offset >= log.logStartOffset {
      if present.contains(last.offset) { continue }
      try #require(last.value == nil, "the last of \(key), \(last.offset), is gone")
      try #require(
        nowMs >= last.appendedMs + Self.retentionMs, "the tombstone of \(key), \(last.offset), went too early")
      let older = (ofKey[key] ?? []).filter { $0 < last.offset }
      try #require(older.isEmpty, "the tombstone of \(key), \(last.offset), is gone, and \(older) are back")
    }
  }

  /// Rule 6.
  private func checkOneOfEach(below end: Offset) throws {
    var first: [String: Offset] = [:]
    for batch in try CompactedLog.batches(log) where !batch.header.attributes.isControl {
      for record in try batch.records() where record.offset >= log.logStartOffset && record.offset < end {
        let key = record.key.map { String(buffer: $0) } ?? ""
        let older = first.updateValue(record.offset, forKey: key)
        try #require(
          older == nil, "\(key) is at \(older ?? 0) and at \(record.offset), which were cleaned up to \(end)")
      }
    }
  }

  /// Rule 3.
  private func checkCommitted() throws {
    let lines = try CleaningTransactionsTests.committed(log)
    let offsets = Set(lines.compactMap { $0.split(separator: " ").first.flatMap { Int64($0) } })
    for (index, entry) in entries.enumerated() where isCommitted(index) == false && entry.kind == .records {
      for place in entry.records.indices {
        try #require(!offsets.contains((entry.base + place).rawValue), "\(entry.base + place) was aborted, and is read")
      }
    }
  }
}

@Suite("A compacted log against a model")
struct CleanerModelTests {
  @Test("has the last of each key, in its place, whatever is done to it", arguments: Seeds.all)
  func model(seed: UInt64) throws {
    let model = try CleanerModel(seed: seed)
    do { try model.run(steps: 200) } catch {
      Issue.record("MILLRACE_SEED=\(seed): \(error) after \(model.history.suffix(40).joined(separator: "; "))")
    }
  }
}

@Suite("A cleaning that dies")
struct CleanerCrashTests {
  /// Every point at which a process can be killed, or the power can fail, between two changes of the disk.
  @Test("leaves a log with the last of each key, at whatever change of the disk", arguments: [true, false])
  func everyChange(losingPower: Bool) throws {
    var random = SplitMix(seed: 7)
    var count = 0
    while true {
      let disk = MortalDisk()
      let (log, expected) = try Self.fill(disk)
      let plan = try #require(try log.planCleaning(highWatermark: log.logEndOffset, nowMs: 0))
      let cleaning = Cleaning(
        plan, CleaningResources(dedupeBytes: 10_000, loadFactor: 0.9, bufferBytes: 200), hash: KeyHash128(key: 1, 2))
      let before = disk.changes
      disk.allow(count)
      var isComplete = true
      do { _ = try CompactedLog.finish(cleaning, plan, log, nowMs: 0, turnBytes: 100) } catch { isComplete = false }
      disk.allow(.max)
      if losingPower { disk.real.crash(&random) } else { disk.real.kill() }
      let again = try Log.open(
        disk: disk, directory: "/t-0", partition: CompactedLog.partition, config: log.config,
        memory: LogMemory(recoveryPoint: log.flushedOffset), nowMs: 0)
      try Self.check(again, expected, "killed after \(count) changes")
      count += 1
      if isComplete {
        #expect(disk.changes > before && count > 40, "\(count) changes")
        return
      }
    }
  }

  /// Twelve segments, which become four.
  private static func fill(_ disk: MortalDisk) throws -> (Log, [String: Offset]) {
    var config = LogConfig()
    config.compacts = true
    config.segmentBytes = 800
    config.indexIntervalBytes = 50
    let log = try Log.create(
      disk: disk, directory: "/t-0", partition: CompactedLog.partition, topicID: nil, config: config, nowMs: 0)
    var expected: [String: Offset] = [:]
    for round in 0..<12 {
      for place in 0..<3 {
        let key = "k\((round * 5 + place) % 9)"
        let batch = try CompactedLog.batch(
          [(key, "\(round)")], timestamp: Int64(1_000 + round), producer: 3, sequence: Int32(3 * round + place))
        expected[key] = try log.append(batch, leaderEpoch: 0, nowMs: 0).baseOffset
      }
      try log.roll(nowMs: 0)
    }
    try log.flush(nowMs: 0)
    return (log, expected)
  }

  private static func check(_ log: Log, _ expected: [String: Offset], _ when: String) throws {
    try #require(log.logEndOffset == 36, "\(when)")
    var found: [String: Offset] = [:]
    for batch in try CompactedLog.batches(log) {
      for record in try batch.records() { found[String(buffer: record.key ?? ByteBuffer())] = record.offset }
    }
    try #require(found == expected, "\(when): \(found)")
    try #require(try log.indexFaults() == [], "\(when)")
    try #require(log.holes == [], "\(when)")
    let next = try CompactedLog.batch([("n", "1")], timestamp: 0, producer: 3, sequence: 36)
    try #require(try log.append(next, leaderEpoch: 0, nowMs: 0).baseOffset == 36, "\(when)")
  }
}
