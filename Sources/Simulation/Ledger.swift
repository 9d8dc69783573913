import Base
import Broker
import Model
import NIOCore

/// Holds the expected contents of one partition's log: every batch sent, acknowledged, read or possibly lost.
final class Ledger {
  let partition: TopicPartition
  private let promise: Promise
  private let report: (String) -> Void

  /// Holds the settings that decide which promises the log makes.
  struct Promise {
    /// `millrace.flush.before.ack`.
    var flushesBeforeAck: Bool
    /// `flush.messages`: the number of unflushed records at which an append waits for a flush.
    var flushMessages: Int64
    /// `retention.bytes`; nil without retention by size.
    var retentionBytes: Int64?
    /// Whether the admin may delete records.
    var mayDeleteRecords: Bool
    /// Whether `message.timestamp.type` is LogAppendTime.
    var isLogAppendTime: Bool
    /// The number of different keys, in a topic that is compacted; nil in one that is not.
    var keys: Int?
  }

  /// Identifies a batch by its producer's number and its own.
  struct BatchID: Hashable {
    var producer: UInt32
    var batch: UInt32
  }

  private struct Batch {
    var count: Int
    var bytes: Int
    var isIdempotent: Bool
    /// The first record's timestamp; each later record's is a millisecond later.
    var timestamp: Int64
    var sends = 0
    /// The acknowledged base offset.
    var acknowledgedAt: Int64?
    /// Whether the log may hold the batch twice: it was sent again without a producer id, or under another.
    var mayRepeat = false
    /// Whether the batch was acknowledged and then lost in a power failure, as is allowed.
    var isLost = false
    /// The base offsets at which the batch was read or acknowledged.
    var places: Set<Int64> = []
  }

  struct RecordID: Hashable {
    var batch: BatchID
    var index: Int
  }

  private var batches: [BatchID: Batch] = [:]
  private var records: [Int64: RecordID] = [:]
  private(set) var logStart: Int64 = 0
  private(set) var highWatermark: Int64 = 0
  private(set) var acknowledgedEnd: Int64 = 0
  private var durableEnd: Int64 = 0
  private var deletedBefore: Int64 = 0
  /// Whether a power failure has lost acknowledged records, so that producers' sequences may have gaps.
  private(set) var hasLostRecords = false
  private var crashes = 0
  /// The outcomes of the transactions that have batches here; nil in a run without transactions.
  var transactions: TransactionLedger?
  /// The offsets of transaction markers.
  private var markers: Set<Int64> = []
  /// Offsets of records that a reading of the whole log has found: see `beginWhole`.
  private var found: Set<Int64> = []

  private var isCompacted: Bool { promise.keys != nil }

  init(_ partition: TopicPartition, _ promise: Promise, report: @escaping (String) -> Void) {
    self.partition = partition
    self.promise = promise
    self.report = report
  }

  private func violation(_ what: String) { report("\(partition): \(what)") }

  // MARK: Producing

  func sending(_ id: BatchID, count: Int, bytes: Int, timestamp: Int64, isIdempotent: Bool) {
    if batches[id] == nil {
      batches[id] = Batch(count: count, bytes: bytes, isIdempotent: isIdempotent, timestamp: timestamp)
    }
    batches[id]?.sends += 1
  }

  func mayRepeat(_ id: BatchID) { batches[id]?.mayRepeat = true }

  func acknowledged(_ id: BatchID, at base: Int64, logStart start: Int64) {
    guard var batch = batches[id] else { return violation("an acknowledgement of batch \(id) that was never sent") }
    // The broker has forgotten the offset of an old duplicate.
    guard base >= 0 else { return }
    if let before = batch.acknowledgedAt, before != base, !batch.mayRepeat {
      violation("batch \(id) is acknowledged at \(base), and was at \(before)")
    }
    batch.acknowledgedAt = base
    batch.places.insert(base)
    batches[id] = batch
    for index in 0..<batch.count { place(RecordID(batch: id, index: index), at: base + Int64(index)) }
    let end = base + Int64(batch.count)
    acknowledgedEnd = max(acknowledgedEnd, end)
    if promise.flushesBeforeAck { durableEnd = max(durableEnd, end) }
    if promise.flushMessages < .max { durableEnd = max(durableEnd, end - promise.flushMessages) }
    saw(logStart: start)
  }

  private func place(_ record: RecordID, at offset: Int64) {
    if let other = records[offset], other != record {
      return violation("offset \(offset) holds \(record), and held \(other)")
    }
    records[offset] = record
  }

  // MARK: Reading

  /// Holds the high watermark and log start that one reader has observed; neither may decrease. Responses of several
  /// connections may overtake each other, so readers are not compared.
  struct Seen {
    fileprivate var crashes = 0
    fileprivate var highWatermark: Int64 = 0
    fileprivate var logStart: Int64 = 0
  }

  /// Checks and records the high watermark and log start that one reader has observed.
  func saw(highWatermark mark: Int64, logStart start: Int64, by reader: inout Seen) {
    if reader.crashes != crashes { reader = Seen(crashes: crashes) }
    if mark < reader.highWatermark { violation("the high watermark fell from \(reader.highWatermark) to \(mark)") }
    if start >= 0, start < reader.logStart { violation("the log start fell from \(reader.logStart) to \(start)") }
    reader.highWatermark = max(reader.highWatermark, mark)
    reader.logStart = max(reader.logStart, start)
    highWatermark = max(highWatermark, mark)
    saw(logStart: start)
  }

  /// Checks and records a log start that a client has observed.
  func saw(logStart start: Int64) {
    guard start > logStart else { return }
    logStart = start
    guard start > deletedBefore else { return }
    guard let kept = promise.retentionBytes else {
      return violation("log start moved to \(start) without DeleteRecords or retention")
    }
    checkRetention(kept, start)
  }

  /// Checks that retention by size leaves at least `kept` bytes, counting batches that are not acknowledged yet.
  private func checkRetention(_ kept: Int64, _ start: Int64) {
    var bytes: Int64 = 0
    for batch in batches.values {
      // Each send may have been appended.
      if batch.mayRepeat {
        bytes += Int64(batch.bytes * batch.sends)
      } else if let base = batch.acknowledgedAt ?? batch.places.max() {
        if base + Int64(batch.count) > start { bytes += Int64(batch.bytes) }
      } else if !batch.isLost {
        bytes += Int64(batch.bytes)
      }
    }
    if bytes < kept {
      violation("retention.bytes is \(kept), and the log start moved to \(start), which leaves at most \(bytes) bytes")
    }
  }

  func deletingRecords(before offset: Int64) { deletedBefore = max(deletedBefore, offset) }

  /// Checks the batches of a fetch from `from`; returns the next offset to fetch.
  ///
  /// - Parameter each: gets each batch that is right, and what its producer calls it: nil for a control batch, and for one without records.
  func read(
    _ bytes: ByteBuffer, from: Int64, each: (RecordBatch, BatchID?) -> Void = { _, _ in }
  ) -> Int64 {
    var rest = bytes
    var position = from
    var isFirst = true
    while rest.readableBytes > 0 {
      let batch: RecordBatch
      do throws(RecordBatchError) { batch = try RecordBatch(viewing: rest) } catch {
        // partition.max.bytes may truncate the last batch, but not the first.
        if case .truncated = error, !isFirst { return position }
        violation("no valid batch was read at \(position): \(error)")
        return position
      }
      rest.moveReaderIndex(forwardBy: batch.sizeInBytes)
      let base = batch.header.baseOffset.rawValue
      // Compaction leaves gaps.
      if !isCompacted, isFirst ? base > position : base != position {
        violation("a fetch from \(from) returned offset \(base), expected \(position)")
      }
      isFirst = false
      if promise.isLogAppendTime != batch.header.attributes.isLogAppendTime {
        violation("the batch at \(base) says isLogAppendTime=\(batch.header.attributes.isLogAppendTime)")
      }
      let (due, id) = readRecords(of: batch, from: base)
      let next = batch.header.nextOffset.rawValue
      if isCompacted ? due > next : due != next {
        violation("the batch at \(base) has records up to \(due) and offsets up to \(next)")
      }
      each(batch, id)
      position = max(position, next)
    }
    return position
  }

  /// Checks a batch's records; returns the offset after the last, and what its producer calls the batch.
  private func readRecords(of batch: RecordBatch, from base: Int64) -> (due: Int64, id: BatchID?) {
    var due = base
    var id: BatchID?
    do {
      for record in try batch.records() {
        let offset = record.offset.rawValue
        if isCompacted ? offset < due : offset != due { violation("a record has offset \(offset), expected \(due)") }
        if batch.header.attributes.isControl {
          markers.insert(offset)
        } else {
          check(record)
          found.insert(offset)
          id = id ?? Payload.id(of: record)?.batch
        }
        due = offset + 1
      }
    } catch { violation("the records of the batch at \(base) cannot be read: \(error)") }
    return (due, id)
  }

  /// Checks a response to ListOffsets by time: `offset` must be the first record not older than `asked`; -1 without one.
  ///
  /// - Parameter isWhole: whether nothing can have been removed from the log's front.
  func found(_ offset: Int64, timestamp: Int64, asked: Int64, end: Int64, isWhole: Bool) {
    if offset >= 0, timestamp < asked {
      violation("ListOffsets at \(asked) returned offset \(offset) with the earlier timestamp \(timestamp)")
    }
    guard !promise.isLogAppendTime else { return }
    if let id = records[offset], let batch = batches[id.batch], batch.timestamp + Int64(id.index) != timestamp {
      violation(
        "ListOffsets returned timestamp \(timestamp) for \(offset), which has \(batch.timestamp + Int64(id.index))")
    }
    guard isWhole, !isCompacted else { return }
    for earlier in logStart..<max(logStart, offset < 0 ? end : offset) {
      guard let id = records[earlier], let batch = batches[id.batch] else { continue }
      if batch.timestamp + Int64(id.index) >= asked {
        return violation("ListOffsets at \(asked) returned offset \(offset), and \(earlier) is as late")
      }
    }
  }

  private func check(_ record: Record) {
    let offset = record.offset.rawValue
    guard let id = Payload.id(of: record) else {
      return violation("the record at \(offset) was not written by a simulated producer")
    }
    guard var batch = batches[id.batch], id.index < batch.count else {
      return violation("the record at \(offset) is \(id), which was never sent here")
    }
    let sent = Payload.record(
      id, timestamp: 0, bytes: record.value?.readableBytes ?? 0, keys: promise.keys)
    if record.value != sent.value || record.key != sent.key || record.headers != sent.headers {
      violation("the record at \(offset), \(id), has other bytes than it was sent with")
    }
    let base = offset - Int64(id.index)
    if batch.places.insert(base).inserted {
      if batch.places.count > 1, !batch.mayRepeat {
        violation("\(id), at \(offset), is stored twice: its batch is at \(batch.places.sorted())")
      }
      batches[id.batch] = batch
    }
    place(id, at: offset)
  }

  // MARK: Crashes

  /// Checks the partition's ends after a restart, before any client is connected again.
  ///
  /// - Parameters:
  ///   - lostPower: whether records that were not promised to be durable may be lost.
  ///   - isOrderly: whether the node was stopped in order, with all its state written.
  func restarted(logStart start: Int64, end: Int64, lostPower: Bool, isOrderly: Bool) {
    let promised = lostPower ? durableEnd : max(acknowledgedEnd, highWatermark)
    if end < promised, end < max(promised, start) {
      violation("after a \(lostPower ? "power failure" : "restart") the log ends at \(end); \(promised) was promised")
    }
    if isOrderly, start < logStart {
      violation("after an orderly stop the log start fell from \(logStart) to \(start)")
    }
    if start > max(logStart, deletedBefore), promise.retentionBytes == nil {
      violation("after a restart the log starts at \(start) without DeleteRecords or retention")
    }
    if lostPower, end < max(acknowledgedEnd, highWatermark) { forget(from: end) }
    // A crash may lose a log start that was not checkpointed; the next DeleteRecords or retention moves it again.
    logStart = start
    highWatermark = end
    if !isOrderly { crashes += 1 }
  }

  private func forget(from end: Int64) {
    for offset in records.keys where offset >= end { records[offset] = nil }
    markers = markers.filter { $0 < end }
    for (id, batch) in batches {
      var batch = batch
      if let base = batch.acknowledgedAt, base + Int64(batch.count) > end {
        batch.acknowledgedAt = nil
        batch.isLost = true
        hasLostRecords = true
      }
      batch.places = batch.places.filter { $0 + Int64(batch.count) <= end }
      batches[id] = batch
    }
    acknowledgedEnd = min(acknowledgedEnd, end)
    durableEnd = min(durableEnd, end)
  }

  // MARK: The end

  /// Forgets which records were found before: the whole log is read next.
  func beginWhole() { found = [] }

  /// Checks the whole log, which has been read from its start to `end`.
  func finish(end: Int64) {
    for offset in logStart..<max(logStart, end)
    where records[offset] == nil && !markers.contains(offset) && !isCompacted {
      violation("offset \(offset) was never read")
    }
    if let keys = promise.keys { checkCompacted(keys) }
    var last: [UInt32: Int64] = [:]
    for (id, batch) in batches.sorted(by: { ($0.key.producer, $0.key.batch) < ($1.key.producer, $1.key.batch) }) {
      guard let base = batch.acknowledgedAt else { continue }
      for index in 0..<batch.count where base + Int64(index) >= logStart {
        if records[base + Int64(index)] != RecordID(batch: id, index: index) {
          violation("\(id) was acknowledged at \(base) and is missing")
        }
      }
      guard batch.isIdempotent, !batch.mayRepeat else { continue }
      if let before = last[id.producer], before > base { violation("\(id) at \(base) comes before its predecessor") }
      last[id.producer] = base
    }
  }
}

extension Ledger {
  /// Checks that the last acknowledged record of each key is in the log, or a later one of the key. Of transactions those count that are
  /// known to be committed: a record of any other may stand for none.
  private func checkCompacted(_ keys: Int) {
    var last: [Int: Int64] = [:]
    for offset in found {
      guard let id = records[offset], counts(id.batch) else { continue }
      let key = Payload.key(of: id, keys: keys)
      last[key] = max(last[key] ?? -1, offset)
    }
    for (id, batch) in batches.sorted(by: { ($0.key.producer, $0.key.batch) < ($1.key.producer, $1.key.batch) }) {
      guard let base = batch.acknowledgedAt, counts(id) else { continue }
      for index in 0..<batch.count where base + Int64(index) >= logStart {
        let record = RecordID(batch: id, index: index)
        let key = Payload.key(of: record, keys: keys)
        guard last[key] ?? -1 < base + Int64(index) else { continue }
        violation(
          "\(record) was acknowledged at \(base + Int64(index)); the last record of its key \(key) is at \(last[key] ?? -1)"
        )
      }
    }
  }
}

extension Ledger {
  /// Whether a batch belongs to no transaction, or to one that is committed.
  private func counts(_ id: BatchID) -> Bool {
    guard let transactions, transactions.transaction(of: id) != nil else { return true }
    return transactions.outcome(of: id) == .commit
  }
}

/// Builds record values that identify themselves: producer 4, batch 4, index 2, then bytes derived from these.
enum Payload {
  static let headBytes = 10

  static func value(_ id: Ledger.RecordID, bytes: Int) -> ByteBuffer {
    let bytes = max(bytes, headBytes)
    // Room for whole words, of which the last is truncated.
    var value = ByteBuffer()
    value.reserveCapacity(bytes + MemoryLayout<UInt64>.size)
    value.writeInteger(id.batch.producer)
    value.writeInteger(id.batch.batch)
    value.writeInteger(UInt16(truncatingIfNeeded: id.index))
    var random = SplitMix(seed: UInt64(id.batch.producer) << 48 ^ UInt64(id.batch.batch) << 16 ^ UInt64(id.index))
    value.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { space in
      // Half of the words compress.
      for position in stride(from: 0, to: bytes - headBytes, by: MemoryLayout<UInt64>.size) {
        let word = random.next()
        let written = word & 1 == 0 ? word : 0x6D69_6C6C_7261_6365
        space.storeBytes(of: written.bigEndian, toByteOffset: position, as: UInt64.self)
      }
      return bytes - headBytes
    }
    return value
  }

  /// One record in so many of a compacted topic is a tombstone.
  private static let tombstoneOneIn = 7
  private static let idHeader = "id"

  /// Builds a record. One of a compacted topic has a key, and its identity in a header too, because a tombstone has no value.
  static func record(_ id: Ledger.RecordID, timestamp: Int64, bytes: Int, keys: Int?) -> Record {
    guard let keys else {
      return Record(offset: 0, timestamp: timestamp, key: nil, value: value(id, bytes: bytes))
    }
    let isTombstone = mixed(id, 1) % UInt64(tombstoneOneIn) == 0
    return Record(
      offset: 0, timestamp: timestamp, key: ByteBuffer(string: "key \(key(of: id, keys: keys))"),
      value: isTombstone ? nil : value(id, bytes: bytes),
      headers: [RecordHeader(idHeader, value(id, bytes: headBytes))])
  }

  /// The number of a record's key.
  static func key(of id: Ledger.RecordID, keys: Int) -> Int { Int(mixed(id, 0) % UInt64(max(1, keys))) }

  private static func mixed(_ id: Ledger.RecordID, _ purpose: UInt64) -> UInt64 {
    let name = UInt64(id.batch.producer) << 40 ^ UInt64(id.batch.batch) << 12 ^ UInt64(id.index)
    return SplitMix.mixed(name &* 2 &+ purpose &+ 1)
  }

  static func id(of record: Record) -> Ledger.RecordID? {
    id(of: record.headers.first { $0.key == idHeader }?.value ?? record.value)
  }

  private static func id(of value: ByteBuffer?) -> Ledger.RecordID? {
    guard var value, let producer = value.readInteger(as: UInt32.self), let batch = value.readInteger(as: UInt32.self),
      let index = value.readInteger(as: UInt16.self)
    else { return nil }
    return Ledger.RecordID(batch: Ledger.BatchID(producer: producer, batch: batch), index: Int(index))
  }
}
