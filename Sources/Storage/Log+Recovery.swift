package import Model
import NIOCore

/// Holds a partition's entries in the checkpoints of its log directory.
package struct LogMemory: Hashable, Sendable {
  package var logStartOffset: Offset
  package var recoveryPoint: Offset
  /// Of the last checkpoint: records before it were acknowledged.
  package var highWatermark: Offset
  /// Whether the last stop was orderly, so that files are trusted.
  package var isClean: Bool
  /// Whether the log start checkpoint has the partition; `logStartOffset` is 0 otherwise.
  package var hasLogStart: Bool
  /// Up to where the log was cleaned; nil before the first cleaning.
  package var cleanedOffset: Offset?
  /// False when the recovery point is 0 because its checkpoint is damaged.
  package var isRecoveryPointKnown: Bool

  package init(
    logStartOffset: Offset = 0, recoveryPoint: Offset = 0, highWatermark: Offset = 0, isClean: Bool = false,
    hasLogStart: Bool = false, cleanedOffset: Offset? = nil, isRecoveryPointKnown: Bool = true
  ) {
    self.cleanedOffset = cleanedOffset
    self.isRecoveryPointKnown = isRecoveryPointKnown
    self.hasLogStart = hasLogStart
    self.logStartOffset = logStartOffset
    self.recoveryPoint = recoveryPoint
    self.highWatermark = highWatermark
    self.isClean = isClean
  }

  /// Where the log ends at the least, if nothing was lost.
  package var endExpected: Offset { max(recoveryPoint, highWatermark) }
}

/// Offsets that a log's segments skip, though nothing has deleted their records: a file was cut, damaged or removed by hand.
/// Reads continue behind them.
package struct LogHole: Hashable, Sendable {
  /// The file that ends where the offsets begin, or, at the front of a log, the file that begins behind them.
  package var path: String
  package var offsets: Range<Offset>
}

/// Opens a log from its files, with recovery after a crash.
///
/// After an orderly stop each segment is checked from its last index entry on (`findHoles` for the closed ones). Otherwise every segment that
/// reaches past the recovery point is read batch by batch: length, magic, CRC. The log ends before the first bytes that are
/// not a batch; everything behind them, including later segments, is removed. Worked case: a power failure kept segment 200 (its pages happened
/// to be written) but lost the tail of segment 100, which now ends at 180. Readers must not see 200…: records 180–199, which
/// came before them, are gone. So the log ends at 180.
struct LogRecovery {
  let disk: any Disk
  let directory: String
  let config: LogConfig
  let nowMs: Int64

  var segments: [Segment] = []
  var snapshots: [Offset] = []
  var names: Set<String> = []
  var producers = ProducerState()
  var epochs = LeaderEpochs()
  /// The leader epochs from `leader-epoch-checkpoint`.
  private(set) var storedEpochs = LeaderEpochs()
  /// What is wrong with `leader-epoch-checkpoint`.
  private(set) var epochDamage: CheckpointDamage?
  /// Whether the file names are as an orderly stop left them.
  private(set) var wasResumed = false
  /// Offsets missing between segments, and before the first.
  private(set) var holes: [LogHole] = []

  /// Bytes read again of the closed segments before the first suspect one: a snapshot has each producer's last batch
  /// only, and after a crash a producer may send its last five again. Where segments are larger than this, five batches
  /// are not spread over three.
  private static let rereadBytes = 8 << 20

  init(disk: any Disk, directory: String, config: LogConfig, nowMs: Int64) {
    self.disk = disk
    self.directory = directory
    self.config = config
    self.nowMs = nowMs
  }

  // MARK: What is there

  /// Lists the directory, removes the remains of an interrupted deletion or cleaning, and finds the segments.
  mutating func findFiles() throws(DiskError) {
    var logs: [Offset] = []
    var swaps: Set<String> = []
    for name in try disk.names(in: directory) {
      if name.hasSuffix(LogFileSuffix.deleted) || name.hasSuffix(LogFileSuffix.cleaned)
        || name.hasSuffix(LogFileSuffix.temporary)
      {
        try disk.remove("\(directory)/\(name)")
      } else if name.hasSuffix(LogFileSuffix.swap) {
        swaps.insert(name)
      } else {
        names.insert(name)
        if let base = Segment.offset(inName: name, suffix: Segment.logSuffix) { logs.append(base) }
        if let offset = Segment.offset(inName: name, suffix: ProducerSnapshot.suffix) { snapshots.append(offset) }
      }
    }
    snapshots.sort()
    try finishSwaps(&swaps, &logs)
    for base in logs.sorted() {
      let path = "\(directory)/\(Segment.name(base))\(Segment.logSuffix)"
      guard let info = try disk.info(path) else { continue }
      segments.append(
        Segment(disk: disk, directory: directory, baseOffset: base, size: info.size, modifiedMs: info.modifiedMs))
    }
    try removeOrphans(Set(logs))
  }

  /// Finishes the replacements that a crash has interrupted (`Log.replace`). Indexes of cleaned segments whose `.log` has its name
  /// already, or never got the one that says it is whole, are made again.
  private mutating func finishSwaps(_ swaps: inout Set<String>, _ logs: inout [Offset]) throws(DiskError) {
    let ending = Segment.logSuffix + LogFileSuffix.swap
    for base in swaps.compactMap({ Segment.offset(inName: $0, suffix: ending) }).sorted() {
      try finishSwap(base, &swaps, &logs)
    }
    for name in swaps.sorted() { try disk.remove("\(directory)/\(name)") }
  }

  /// A cleaned segment is complete once its `.log` is called `.swap`: it takes the place of those it was made from.
  private mutating func finishSwap(
    _ base: Offset, _ swaps: inout Set<String>, _ logs: inout [Offset]
  ) throws(DiskError) {
    let path = "\(directory)/\(Segment.name(base))"
    let swap = path + Segment.logSuffix + LogFileSuffix.swap
    let end = try endOfBatches(inSwap: swap, from: base)
    for replaced in logs where replaced >= base && replaced < end || replaced == base {
      // The producers at the base are those of the new segment too.
      for suffix in Segment.suffixes where suffix != ProducerSnapshot.suffix || replaced != base {
        let name = Segment.name(replaced) + suffix
        if names.remove(name) != nil { try disk.remove("\(directory)/\(name)") }
      }
      if replaced != base { snapshots.removeAll { $0 == replaced } }
    }
    logs.removeAll { $0 >= base && $0 < end || $0 == base }
    // The `.log` last: until it has its name, another crash begins here again.
    for suffix in CleanedSegment.suffixes {
      let name = Segment.name(base) + suffix
      guard swaps.remove(name + LogFileSuffix.swap) != nil else { continue }
      try disk.rename("\(directory)/\(name)\(LogFileSuffix.swap)", to: "\(directory)/\(name)")
      names.insert(name)
    }
    logs.append(base)
  }

  private func endOfBatches(inSwap path: String, from base: Offset) throws(DiskError) -> Offset {
    let size = try disk.info(path)?.size ?? 0
    let cleaned = SegmentFile(try disk.open(path, creating: false), path: path)
    var end = base
    try withBuffer(BatchScan.replayBytes) { buffer throws(DiskError) in
      var scan = BatchScan(cleaned, from: 0, to: size, checkingCRC: false, buffer: buffer)
      while case .batch(let header, _) = try scan.next() { end = header.nextOffset }
    }
    return end
  }

  /// Removes indexes without a log, which a deletion interrupted by a crash has left.
  private mutating func removeOrphans(_ bases: Set<Offset>) throws(DiskError) {
    for suffix in [OffsetIndex.suffix, TimeIndex.suffix, TransactionIndex.suffix] {
      for name in names {
        guard let base = Segment.offset(inName: name, suffix: suffix), !bases.contains(base) else { continue }
        try disk.remove("\(directory)/\(name)")
        names.remove(name)
      }
    }
  }

  private func hasIndexes(_ segment: Segment) -> Bool {
    let name = Segment.name(segment.baseOffset)
    return names.contains(name + OffsetIndex.suffix) && names.contains(name + TimeIndex.suffix)
  }

  // MARK: Coming back

  /// Restores `segments`, `producers` and `epochs` from the files; returns the log end.
  mutating func recover(_ memory: LogMemory) throws(DiskError) -> Offset {
    switch try LeaderEpochs.read(from: directory, on: disk) {
    case .success(let epochs): storedEpochs = epochs
    case .failure(let damage): epochDamage = damage
    }
    epochs = storedEpochs
    try findHoles(memory)
    let logEnd: Offset
    if memory.isClean, let end = try resume(), end >= memory.endExpected {
      logEnd = end
      wasResumed = true
    } else {
      logEnd = try recoverSegments(from: firstSuspect(memory), memory)
    }
    _ = epochs.truncate(to: logEnd)
    return logEnd
  }

  // MARK: Holes

  /// Finds the offsets missing before the first segment, and between those that recovery will not read whole.
  ///
  /// Worked case: segment 0 held batches of the offsets 0 to 4, and the next begins at 5. Its file was cut within batch 1: it
  /// now ends behind batch 0, 1 to 4 are missing, and a read from 1 finds 5.
  private mutating func findHoles(_ memory: LogMemory) throws(DiskError) {
    guard let front = segments.first else { return }
    if memory.isClean, memory.hasLogStart, front.baseOffset > memory.logStartOffset {
      holes.append(
        LogHole(path: front.path + Segment.logSuffix, offsets: memory.logStartOffset..<front.baseOffset))
    }
    for index in 0..<firstSuspect(memory) {
      let segment = segments[index]
      let next = segments[index + 1].baseOffset
      let end = try checkEnd(of: segment, before: next, memory)
      guard end.offset < next, next > memory.logStartOffset, !end.isWhole || !mayHaveGap(before: next, memory) else {
        continue
      }
      holes.append(
        LogHole(path: segment.path + Segment.logSuffix, offsets: max(end.offset, memory.logStartOffset)..<next))
    }
  }

  /// Whether compaction may have removed what is missing before `offset`, also of a log that is not compacted any more. What it
  /// replaces is below the recovery point (`Log.replace`): a gap above that is a crash's.
  private func mayHaveGap(before offset: Offset, _ memory: LogMemory) -> Bool {
    if offset <= memory.cleanedOffset ?? 0 { return true }
    return config.compacts && (offset <= memory.recoveryPoint || !memory.isRecoveryPointKnown)
  }

  /// Returns the offset after the last whole batch of a closed segment, and whether the file ends with that batch. Of a file
  /// that does not, the rest is no part of the segment; it stays where it is.
  private mutating func checkEnd(
    of segment: Segment, before next: Offset, _ memory: LogMemory
  ) throws(DiskError) -> (offset: Offset, isWhole: Bool) {
    let size = segment.size
    var isWhole = true
    if hasIndexes(segment) {
      let last = try segment.offsetIndex.last(on: disk)
      let end = try endOfBatches(of: segment, from: last?.position ?? 0)
      if end.position == size, last == nil || last!.position < size { return (end.offset, true) }
      isWhole = false
    }
    isWhole = try rebuildIndexes(segment) && isWhole
    let name = Segment.name(segment.baseOffset)
    names.formUnion([name + OffsetIndex.suffix, name + TimeIndex.suffix])
    return (try endOfBatches(of: segment, from: 0).offset, isWhole)
  }

  /// Returns where the whole batches from `position` on end, and the next offset.
  private func endOfBatches(
    of segment: Segment, from position: Int
  ) throws(DiskError) -> (offset: Offset, position: Int) {
    var offset = segment.baseOffset
    guard position < segment.size else { return (offset, position) }
    // Not the segment's own file, which would stay open.
    let path = segment.path + Segment.logSuffix
    let file = SegmentFile(try disk.open(path, creating: false), path: path)
    return try withBuffer(position == 0 ? BatchScan.replayBytes : BatchScan.lookupBytes) { buffer throws(DiskError) in
      var scan = BatchScan(file, from: position, to: segment.size, checkingCRC: false, buffer: buffer)
      while case .batch(let header, _) = try scan.next() { offset = header.nextOffset }
      return (offset, scan.position)
    }
  }

  /// Opens trusted files and checks the end of the active segment. Nil if that is damaged after all.
  private mutating func resume() throws(DiskError) -> Offset? {
    guard let active = segments.last else { return nil }
    guard hasIndexes(active) else { return nil }
    let size = active.size
    // Zeros in the midst of the file, which something was appended to after it was cut.
    guard try active.file().file.firstHole() ?? size >= size else { return nil }
    if let last = try active.offsetIndex.last(on: disk) {
      // A segment's first batch has no entry, so no position is 0.
      guard last.offset >= active.baseOffset, last.position > 0, last.position < size else { return nil }
    }
    var end = active.baseOffset
    let (disk, config, nowMs) = (disk, config, active.modifiedMs)
    let from = try active.beginResumption()
    let isWhole = try withBuffer(BatchScan.lookupBytes) { buffer throws(DiskError) -> Bool in
      var scan = BatchScan(try active.file(), from: from, to: size, checkingCRC: false, buffer: buffer)
      while true {
        switch try scan.next() {
        case .end: return true
        case .damaged: return false
        case .batch(let header, _):
          guard header.baseOffset >= end else { return false }
          try active.offsetIndex.makeRoom(on: disk)
          try active.timeIndex.makeRoom(on: disk)
          active.wrote(header, indexIntervalBytes: config.indexIntervalBytes, nowMs: nowMs)
          end = header.nextOffset
        }
      }
    }
    guard isWhole else { return nil }
    producers = try producers(at: end)
    return end
  }

  /// Returns the first segment that may hold unflushed data. A segment that ends at the recovery point is among them: its records are
  /// safe, but it may have been closed, and the last of its index written, after that flush.
  private func firstSuspect(_ memory: LogMemory) -> Int {
    if memory.isClean { return max(0, segments.count - 1) }
    for index in segments.indices {
      let end = index + 1 < segments.count ? segments[index + 1].baseOffset : Offset(.max)
      if end >= memory.recoveryPoint || !hasIndexes(segments[index]) { return index }
    }
    return max(0, segments.count - 1)
  }

  /// Reads every batch of the segments from `first` on; truncates the log at the first invalid byte.
  private mutating func recoverSegments(from first: Int, _ memory: LogMemory) throws(DiskError) -> Offset {
    let recoveryPoint = memory.recoveryPoint
    guard first < segments.count else { return 0 }
    var end = segments[first].baseOffset
    // The batches themselves say which epochs they are of, better than a checkpoint whose start may have been raised.
    _ = epochs.truncate(to: end)
    try removeSnapshots(after: end)
    producers = try producers(at: end, rereadingBytes: Self.rereadBytes)
    var index = first
    while index < segments.count {
      let segment = segments[index]
      // A gap: the tail of the segment before was lost. Compaction makes gaps too, but none above the recovery point.
      // Below the recovery point all was flushed, so no crash has made this gap, and what follows it stays.
      if segment.baseOffset > end && index > first && !mayHaveGap(before: segment.baseOffset, memory) {
        guard segment.baseOffset <= recoveryPoint else { break }
        holes.append(
          LogHole(path: segments[index - 1].path + Segment.logSuffix, offsets: end..<segment.baseOffset))
      }
      // A segment that begins inside the one before it was left behind by a roll that failed.
      if segment.baseOffset < end { break }
      end = max(end, segment.baseOffset)
      if index > first { try writeSnapshot(at: end) }
      if index > first {
        try close(segments[index - 1])
        // No later flush reaches back here, but the cut that closed it may be in the page cache alone.
        if segment.baseOffset <= recoveryPoint { try segments[index - 1].file().file.sync() }
      }
      let isWhole = try recoverSegment(segment, &end)
      index += 1
      if !isWhole, index == segments.count || segments[index].baseOffset > recoveryPoint { break }
    }
    for lost in segments[index...].reversed() {
      for path in try lost.markDeleted() { try disk.remove(path) }
    }
    segments.removeSubrange(index...)
    try removeSnapshots(after: end)
    return end
  }

  /// Ends the recovery of a segment that others follow. Its new indexes are made durable here, because later starts trust
  /// them: no flush would pass this segment again.
  private func close(_ segment: Segment) throws(DiskError) {
    try segment.finish(config: config)
    for suffix in [OffsetIndex.suffix, TimeIndex.suffix] {
      try disk.open(segment.path + suffix, creating: false).sync()
    }
    try segment.transactionIndex.sync(on: disk)
    try disk.syncDirectory(directory)
  }

  /// Reads the epochs of the batches before the first known epoch. Worked case: DeleteRecords raised the start from
  /// 177 to 193, and the epochs with it; a crash before the start's checkpoint brings 177–192 back.
  mutating func findEpochs(from start: Offset) throws(DiskError) {
    let known = epochs.entries
    let end = known.first?.startOffset ?? Offset(.max)
    guard start < end else { return }
    var found = LeaderEpochs()
    try withBuffer(BatchScan.replayBytes) { buffer throws(DiskError) in
      for (index, segment) in segments.enumerated() where segment.baseOffset < end {
        if index + 1 < segments.count, segments[index + 1].baseOffset <= start { continue }
        let from = try segment.offsetIndex.floor(start, on: disk)?.position ?? 0
        var scan = BatchScan(try segment.file(), from: from, to: segment.size, checkingCRC: false, buffer: buffer)
        while case .batch(let header, _) = try scan.next(), header.baseOffset < end {
          guard header.nextOffset > start, header.partitionLeaderEpoch > found.latest ?? -1 else { continue }
          _ = found.assign(header.partitionLeaderEpoch, startOffset: header.baseOffset)
        }
      }
    }
    for entry in known { _ = found.assign(entry.epoch, startOffset: entry.startOffset) }
    epochs = found
  }

  /// Reads one segment, checks CRCs, and rebuilds its indexes; returns false if it was truncated.
  private mutating func recoverSegment(_ segment: Segment, _ end: inout Offset) throws(DiskError) -> Bool {
    let file = try segment.file()
    let size = try file.file.size()
    try segment.beginRecovery()
    var log = self
    var reached = end
    let damagedAt = try withBuffer(min(BatchScan.recoveryBytes, max(size, BatchField.records))) {
      buffer throws(DiskError) -> Int? in
      var scan = BatchScan(file, from: 0, to: size, checkingCRC: true, buffer: buffer)
      while true {
        switch try scan.next() {
        case .end: return nil
        case .damaged(let position): return position
        case .batch(let header, let position):
          guard header.baseOffset >= reached else { return position }
          try segment.makeIndexRoom()
          segment.wrote(header, indexIntervalBytes: log.config.indexIntervalBytes, nowMs: segment.modifiedMs)
          reached = header.nextOffset
          if header.partitionLeaderEpoch > log.epochs.latest ?? -1 {
            _ = log.epochs.assign(header.partitionLeaderEpoch, startOffset: header.baseOffset)
          }
          try log.note(header, at: position, in: segment, indexingAborts: true)
        }
      }
    }
    self = log
    end = reached
    guard let damagedAt else { return true }
    try file.file.truncate(to: damagedAt)
    // What is appended here next must not be followed by the old bytes after another crash.
    try file.file.sync()
    return false
  }

  /// Rebuilds a closed segment's indexes over its whole batches; returns false if other bytes follow them.
  private func rebuildIndexes(_ segment: Segment) throws(DiskError) -> Bool {
    let size = segment.size
    try segment.beginRecovery(keepingTransactions: true)
    let interval = config.indexIntervalBytes
    let isWhole = try withBuffer(BatchScan.replayBytes) { buffer throws(DiskError) -> Bool in
      var scan = BatchScan(try segment.file(), from: 0, to: size, checkingCRC: false, buffer: buffer)
      while case .batch(let header, _) = try scan.next() {
        try segment.makeIndexRoom()
        segment.wrote(header, indexIntervalBytes: interval, nowMs: segment.modifiedMs)
      }
      return scan.position == size
    }
    try close(segment)
    return isWhole
  }

  // MARK: Producers

  /// Restores the producers as of `end`, from a snapshot at or before it and the batches since.
  ///
  /// - Parameter rereadingBytes: use a snapshot at most this many bytes of segments before `end`.
  mutating func producers(at end: Offset, rereadingBytes: Int = 0) throws(DiskError) -> ProducerState {
    let start = rereadStart(before: end, bytes: rereadingBytes)
    var found = ProducerState()
    found.endOffset = segments.first?.baseOffset ?? 0
    // Before the first offset of all there were no producers.
    if start > 0 {
      if let snapshot = try snapshot(notAfter: start) {
        found = snapshot
      } else if let snapshot = try snapshot(notAfter: end) {
        found = snapshot
      }
    }
    producers = found
    for (index, segment) in segments.enumerated() {
      let next = index + 1 < segments.count ? segments[index + 1].baseOffset : Offset(.max)
      guard next > producers.endOffset, segment.baseOffset < end, producers.endOffset < end else { continue }
      try replay(segment, to: end)
    }
    return producers
  }

  /// Returns the base offset of the earliest run of segments that ends at `end` with at most `bytes`; `end` without one.
  private func rereadStart(before end: Offset, bytes: Int) -> Offset {
    var (start, left) = (end, bytes)
    for segment in segments.reversed() where segment.baseOffset < end {
      left -= segment.size
      guard left >= 0 else { break }
      start = segment.baseOffset
    }
    return start
  }

  /// Returns the newest readable snapshot; unreadable ones are removed.
  private mutating func snapshot(notAfter end: Offset) throws(DiskError) -> ProducerState? {
    for offset in snapshots.reversed() where offset <= end {
      let path = "\(directory)/\(Segment.name(offset))\(ProducerSnapshot.suffix)"
      if let bytes = try disk.contents(of: path), let state = ProducerSnapshot.decode(bytes, endOffset: offset) {
        return state
      }
      try disk.remove(path)
      snapshots.removeAll { $0 == offset }
    }
    return nil
  }

  private mutating func replay(_ segment: Segment, to end: Offset) throws(DiskError) {
    let file = try segment.file()
    let from = try segment.offsetIndex.floor(producers.endOffset, on: disk)?.position ?? 0
    var log = self
    try withBuffer(BatchScan.replayBytes) { buffer throws(DiskError) in
      var scan = BatchScan(file, from: from, to: segment.size, checkingCRC: false, buffer: buffer)
      while case .batch(let header, let position) = try scan.next() {
        if header.baseOffset < log.producers.endOffset { continue }
        if header.baseOffset >= end { break }
        try log.note(header, at: position, in: segment, indexingAborts: false)
      }
    }
    self = log
  }

  private mutating func note(
    _ header: RecordBatchHeader, at position: Int, in segment: Segment, indexingAborts: Bool
  ) throws(DiskError) {
    guard header.attributes.isControl else { return producers.appended(header) }
    let body = try segment.file().file.read(
      header.sizeInBytes - BatchField.records, at: position + BatchField.records)
    let batch = RecordBatch(header: header, body: ByteBuffer(bytes: body))
    guard let marker = (try? EndTransactionMarker(reading: batch)) ?? nil else {
      return producers.appendedControl(header)
    }
    guard let completed = producers.appended(marker, header), completed.isAborted, indexingAborts else { return }
    try segment.transactionIndex.append(
      AbortedTransaction(
        producerID: completed.producerID, firstOffset: completed.firstOffset, lastOffset: completed.lastOffset,
        lastStableOffset: producers.lastStableOffset(after: completed)), on: disk)
  }

  private mutating func writeSnapshot(at offset: Offset) throws(DiskError) {
    let path = "\(directory)/\(Segment.name(offset))\(ProducerSnapshot.suffix)"
    let file = try disk.open(path, creating: true)
    try file.truncate(to: 0)
    try file.write(ProducerSnapshot.encode(producers), at: 0)
    snapshots.append(offset)
  }

  private mutating func removeSnapshots(after end: Offset) throws(DiskError) {
    for offset in snapshots where offset > end {
      try disk.remove("\(directory)/\(Segment.name(offset))\(ProducerSnapshot.suffix)")
    }
    snapshots.removeAll { $0 > end }
  }

  /// Lends a buffer from the heap, since recovery threads may have small stacks.
  private func withBuffer<T>(
    _ bytes: Int, _ body: (UnsafeMutableRawBufferPointer) throws(DiskError) -> T
  ) throws(DiskError) -> T {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 16)
    defer { buffer.deallocate() }
    return try body(buffer)
  }
}
