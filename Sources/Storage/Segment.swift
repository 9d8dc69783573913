import Base
import Glibc
import Model

/// Holds one segment of a partition's log: `<base>.log` holds the batches back to back exactly as sent, `.index` and
/// `.timeindex` find offsets and timestamps in it, `.txnindex` its aborted transactions, `.snapshot` the producers as
/// they were at its start. All but the last segment of a log are closed: they never change again.
///
/// Not locked: belongs to its `Log`. Nothing is opened before it is asked for.
final class Segment {
  let baseOffset: Offset
  let directory: String
  /// Without suffix.
  let path: String
  /// What follows the usual names of the files: nothing, or `.cleaned` while compaction writes them.
  private let ending: String
  private let disk: any Disk
  private var opened: SegmentFile?

  /// Bytes of whole batches in the `.log`; with preallocation the file is longer.
  private(set) var size: Int
  var offsetIndex: OffsetIndex
  var timeIndex: TimeIndex
  var transactionIndex: TransactionIndex
  /// Batches' bytes since the last index entry: the next entry is due when they exceed the interval.
  private var bytesSinceEntry = 0

  /// The size at which the file was last seen to be whole.
  private var wholeSize = 0

  /// Where the blocks allocated ahead of appends end; nil where the file system cannot.
  private var reservedEnd: Int? = 0
  /// True when blocks beyond the end may be allocated: they are released when the segment is finished.
  private var mayHoldReserve = false

  /// The largest record timestamp and its batch's last offset; nil until looked up (closed segments are asked rarely).
  private var newest: TimeIndex.Entry?
  /// Timestamp of the first batch: `segment.ms` counts from it. Nil until looked up.
  private var firstTimestamp: Int64?
  /// When the segment was made or found, and last written: stands in where records have no timestamps.
  private(set) var modifiedMs: Int64
  private let createdMs: Int64

  private enum Limits {
    /// No file system that we know has larger blocks. A hole is made of whole ones.
    static let blockBytesMax = 64 * 1024
  }

  static let logSuffix = LogFileSuffix.log
  static let suffixes = [
    logSuffix, OffsetIndex.suffix, TimeIndex.suffix, TransactionIndex.suffix, ProducerSnapshot.suffix,
  ]

  /// A segment whose files are there, or are about to be made by `create`.
  init(disk: any Disk, directory: String, baseOffset: Offset, size: Int, modifiedMs: Int64, ending: String = "") {
    self.disk = disk
    self.ending = ending
    self.directory = directory
    self.baseOffset = baseOffset
    self.size = size
    self.modifiedMs = modifiedMs
    createdMs = modifiedMs
    path = "\(directory)/\(Self.name(baseOffset))"
    offsetIndex = OffsetIndex(segmentPath: path, base: baseOffset, ending: ending)
    timeIndex = TimeIndex(segmentPath: path, base: baseOffset, ending: ending)
    transactionIndex = TransactionIndex(segmentPath: path, ending: ending)
  }

  /// An offset as file names have it: 20 digits.
  static func name(_ offset: Offset) -> String {
    let digits = String(offset.rawValue)
    return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
  }

  /// The offset in a file's name, where the name is an offset and `suffix`.
  static func offset(inName name: String, suffix: String) -> Offset? {
    guard name.utf8.count == 20 + suffix.utf8.count, name.hasSuffix(suffix) else { return nil }
    let digits = name.prefix(20)
    guard digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int64(digits).flatMap { Offset(stored: $0) }
  }

  /// Makes the files of an empty segment.
  static func create(
    disk: any Disk, directory: String, baseOffset: Offset, config: LogConfig, nowMs: Int64, ending: String = ""
  ) throws(DiskError) -> Segment {
    let segment = Segment(
      disk: disk, directory: directory, baseOffset: baseOffset, size: 0, modifiedMs: nowMs, ending: ending)
    let opened = try open(segment.path + logSuffix + ending, creating: true, on: disk)
    try opened.file.truncate(to: 0)
    if config.preallocate { try opened.file.reserve(config.segmentBytes) }
    segment.opened = opened
    try segment.offsetIndex.reset(on: disk)
    try segment.timeIndex.reset(on: disk)
    segment.newest = TimeIndex.Entry(timestamp: -1, offset: baseOffset)
    return segment
  }

  /// The `.log`, opened on first use.
  func file() throws(DiskError) -> SegmentFile {
    if let opened { return opened }
    let file = try Self.open(path + Self.logSuffix + ending, creating: false, on: disk)
    opened = file
    return file
  }

  /// Opens a file that stays open, unless that leaves too few descriptors for others.
  private static func open(_ path: String, creating: Bool, on disk: any Disk) throws(DiskError) -> SegmentFile {
    let file = try disk.open(path, creating: creating)
    guard let descriptors = disk.segmentDescriptors else { return SegmentFile(file, path: path) }
    guard let lease = descriptors.take(file.descriptor) else { throw DiskError("open", path, code: EMFILE) }
    return SegmentFile(file, path: path, lease: lease)
  }

  // MARK: Appending

  /// Whether a batch must go to a new segment (Kafka's `LogSegment.shouldRoll`).
  ///
  /// - Parameter unwritten: the bytes of batches that will stand before it and are not written yet; 0 in an empty segment.
  func mustRoll(
    for header: RecordBatchHeader, bytes: Int, unwritten: Int = 0, config: LogConfig, nowMs: Int64
  ) throws(DiskError) -> Bool {
    guard header.lastOffset - baseOffset <= Int(Int32.max) else { return true }
    guard size > 0 else { return false }
    let size = size + unwritten
    if size > config.segmentBytes - bytes { return true }
    if offsetIndex.count >= config.segmentIndexBytes / OffsetIndex.entryBytes { return true }
    if timeIndex.count >= config.segmentIndexBytes / TimeIndex.entryBytes - 1 { return true }
    return try waitedMs(for: header.maxTimestamp, nowMs: nowMs) > config.segmentMs
  }

  /// How long the segment has been open: by its records' timestamps where they have any.
  private func waitedMs(for timestamp: Int64, nowMs: Int64) throws(DiskError) -> Int64 {
    let first = try firstBatchTimestamp()
    return first >= 0 ? timestamp.subtractingClamped(first) : nowMs.subtractingClamped(createdMs)
  }

  func firstBatchTimestamp() throws(DiskError) -> Int64 {
    if let firstTimestamp { return firstTimestamp }
    guard size > 0 else { return -1 }
    let bytes = try file().file.read(BatchField.records, at: 0)
    guard bytes.count == BatchField.records else { return -1 }
    let first = bytes.withUnsafeBytes { RecordBatchHeader(reading: $0) }.maxTimestamp
    firstTimestamp = first
    return first
  }

  /// Writes whole batches at the segment's end as one gathered write. On failure the segment is as before; when even
  /// that cannot be had, `isIntact` says so.
  func write(_ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer) throws(SegmentWriteError) {
    do { try makeReady() } catch { throw SegmentWriteError(cause: error, isIntact: true) }
    do {
      let file = try file().file
      reserveAhead(in: file, for: head.count + body.count)
      #if DEBUG
      if PlantedFault.losesAWrite.isPlanted, (head.count + body.count) % 7 == 0 { return }
      #endif
      try file.write(head, body, at: size)
    } catch {
      do { try file().file.truncate(to: size) } catch let second {
        throw SegmentWriteError(cause: second, isIntact: false)
      }
      throw SegmentWriteError(cause: error, isIntact: true)
    }
  }

  /// Writes whole batches at the segment's end as one gathered write, as `write(_:_:)` does.
  ///
  /// - Parameters:
  ///   - parts: heads and bodies in turn.
  ///   - count: the bytes of all parts.
  func write(_ parts: UnsafeMutableBufferPointer<iovec>, count: Int) throws(SegmentWriteError) {
    do { try makeReady() } catch { throw SegmentWriteError(cause: error, isIntact: true) }
    do {
      let file = try file().file
      reserveAhead(in: file, for: count)
      #if DEBUG
      if PlantedFault.losesAWrite.isPlanted, count % 7 == 0 { return }
      #endif
      try file.write(parts, count: count, at: size)
    } catch {
      do { try file().file.truncate(to: size) } catch let second {
        throw SegmentWriteError(cause: second, isIntact: false)
      }
      throw SegmentWriteError(cause: error, isIntact: true)
    }
  }

  /// Whether the indexes surely have room for this many batches.
  func hasIndexRoom(for batches: Int, _ config: LogConfig) -> Bool {
    offsetIndex.count + batches < config.segmentIndexBytes / OffsetIndex.entryBytes
      && timeIndex.count + batches < config.segmentIndexBytes / TimeIndex.entryBytes - 1
  }

  /// Does what the disk may refuse of indexing the next batches.
  func makeReady() throws(DiskError) {
    try offsetIndex.makeReady(on: disk)
    try timeIndex.makeReady(on: disk)
  }

  /// Has the file system find blocks for the appends to come, many at once: it looks for some with each write otherwise, which
  /// costs a fifth of an append of 64 KiB and a quarter of one of 256 KiB.
  private func reserveAhead(in file: any DiskFile, for bytes: Int) {
    guard let reserved = reservedEnd, size + bytes > reserved, size >= SegmentReserve.from else { return }
    // With preallocation the file is longer than its batches, and its blocks are there.
    guard let end = try? file.size(), end == size else { return reservedEnd = nil }
    let ahead = size + bytes + min(max(size / SegmentReserve.share, SegmentReserve.bytesMin), SegmentReserve.bytesMax)
    mayHoldReserve = true
    reservedEnd = file.reserveAhead(from: size, to: ahead) ? ahead : nil
  }

  /// Takes note of a batch that stands at the segment's end, and indexes it when an entry is due.
  ///
  /// - Precondition: the indexes have room (`write` and `index` see to it).
  func wrote(_ header: RecordBatchHeader, indexIntervalBytes: Int, nowMs: Int64) {
    if firstTimestamp == nil, size == 0 { firstTimestamp = header.maxTimestamp }
    // A batch that compaction has emptied has no record of that time.
    if header.maxTimestamp > newest?.timestamp ?? .min, header.count > 0 {
      newest = TimeIndex.Entry(timestamp: header.maxTimestamp, offset: header.lastOffset)
    }
    if bytesSinceEntry > indexIntervalBytes {
      var position = size
      #if DEBUG
      if PlantedFault.indexesOneBatchOff.isPlanted { position += header.sizeInBytes }
      #endif
      offsetIndex.append(OffsetIndex.Entry(offset: header.lastOffset, position: position))
      if let newest { timeIndex.append(newest) }
      bytesSinceEntry = 0
    }
    size += header.sizeInBytes
    bytesSinceEntry += header.sizeInBytes
    modifiedMs = nowMs
  }

  func makeIndexRoom() throws(DiskError) {
    try offsetIndex.makeRoom(on: disk)
    try timeIndex.makeRoom(on: disk)
  }

  /// Throws when the file ends before the segment's batches do, or was never written in their midst: another program has cut
  /// it, and what was appended since stands behind zeros. Throws also when the file has no name any more: what is appended to
  /// it is gone when it is closed.
  func checkWhole() throws(DiskError) {
    let file = try file().file
    guard try disk.info(path + Self.logSuffix) != nil else {
      throw DiskError("stat", path + Self.logSuffix, code: ENOENT)
    }
    // Where the file was whole before, its last blocks are looked at again: if it was cut before them, they lie within the hole.
    let known = max(0, min(wholeSize, size) - Limits.blockBytesMax)
    guard try file.size() >= size, try file.firstHole(from: known) ?? size >= size else {
      throw DiskError("segment cut by another program", path + Self.logSuffix, code: DiskError.unexpectedEnd)
    }
    wholeSize = size
  }

  /// Finishes the segment, which takes no more batches: its indexes are written to the disk whole.
  func finish(config: LogConfig) throws(DiskError) {
    if config.preallocate || mayHoldReserve {
      try file().file.truncate(to: size)
      mayHoldReserve = false
      reservedEnd = 0
    }
    try timeIndex.load(from: disk)
    if let newest {
      try timeIndex.makeRoom(on: disk)
      timeIndex.append(newest)
    }
    try offsetIndex.finish(on: disk)
    try timeIndex.finish(on: disk)
  }

  // MARK: Time

  /// The largest record timestamp, and the last offset of the batch that has it; -1 when there is none.
  func newestEntry() throws(DiskError) -> TimeIndex.Entry {
    if let newest { return newest }
    let entry = try timeIndex.last(on: disk) ?? TimeIndex.Entry(timestamp: -1, offset: baseOffset)
    newest = entry
    return entry
  }

  /// The time that retention by time compares: the largest timestamp, or the last write's time if records have none.
  func retentionTimestamp() throws(DiskError) -> Int64 {
    let newest = try newestEntry().timestamp
    return newest >= 0 ? newest : modifiedMs
  }

  // MARK: Coming back

  /// Forgets everything: recovery is about to read the log and call `wrote` for each batch.
  func beginRecovery(keepingTransactions: Bool = false) throws(DiskError) {
    try offsetIndex.reset(on: disk)
    try timeIndex.reset(on: disk)
    if !keepingTransactions { try transactionIndex.reset(on: disk) }
    newest = TimeIndex.Entry(timestamp: -1, offset: baseOffset)
    firstTimestamp = nil
    size = 0
    bytesSinceEntry = 0
    // An orderly stop has given it back, and what follows a damaged batch is not ours to cut off there.
    mayHoldReserve = !keepingTransactions
  }

  /// Goes on where the trusted indexes end; `wrote` follows for each batch from the returned position.
  func beginResumption() throws(DiskError) -> Int {
    let entry = try offsetIndex.last(on: disk)
    newest = try timeIndex.last(on: disk) ?? TimeIndex.Entry(timestamp: -1, offset: baseOffset)
    try timeIndex.load(from: disk)
    size = entry?.position ?? 0
    // The entry's own batch is seen again: it must not be indexed twice.
    bytesSinceEntry = 0
    return size
  }

  /// Forgets the batches from `position` on, the first of which has the offset `offset`.
  func truncate(toPosition position: Int, offset: Offset) throws(DiskError) {
    try file().file.truncate(to: position)
    reservedEnd = reservedEnd.map { _ in 0 }
    try offsetIndex.truncate(toPosition: position, on: disk)
    try timeIndex.truncate(to: offset, on: disk)
    try transactionIndex.truncate(to: offset, on: disk)
    size = position
    let last = try offsetIndex.last(on: disk)
    bytesSinceEntry = position - (last?.position ?? 0)
    newest = nil
    if position == 0 { firstTimestamp = nil }
  }

  /// Sets what a truncation cannot know without reading: the newest timestamp of what is left.
  func setNewest(_ entry: TimeIndex.Entry) { newest = entry }

  // MARK: Going away

  /// Renames all files so that they are no part of the log any more; returns their new names.
  ///
  /// - Parameter keepingSnapshot: the segment's successor begins at the same offset, with the same producers.
  func markDeleted(keepingSnapshot: Bool = false) throws(DiskError) -> [String] {
    var renamed: [String] = []
    for suffix in Self.suffixes where !keepingSnapshot || suffix != ProducerSnapshot.suffix {
      let from = path + suffix
      guard try disk.info(from) != nil else { continue }
      try disk.rename(from, to: from + LogFileSuffix.deleted)
      renamed.append(from + LogFileSuffix.deleted)
    }
    return renamed
  }
}

/// Blocks a segment has allocated ahead of its appends: a quarter of what it holds, within bounds, so that a thousand small
/// partitions take little disk for nothing. Given back when the segment takes no more.
enum SegmentReserve {
  /// Smaller segments reserve nothing.
  static let from = 1 << 20
  static let share = 4
  static let bytesMin = 1 << 20
  static let bytesMax = 16 << 20
}

/// A write that failed, and whether the segment is as it was before.
struct SegmentWriteError: Error {
  var cause: DiskError
  var isIntact: Bool
}

/// What file names of a log may end in besides their kind.
package enum LogFileSuffix {
  /// A segment's batches.
  package static let log = ".log"
  package static let temporary = ".tmp"
  static let deleted = ".deleted", cleaned = ".cleaned", swap = ".swap"
}
