import Model

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
    guard try active.file().file.firstHole(from: 0) ?? size >= size else { return nil }
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

  private func hasIndexes(_ segment: Segment) -> Bool {
    let name = Segment.name(segment.baseOffset)
    return names.contains(name + OffsetIndex.suffix) && names.contains(name + TimeIndex.suffix)
  }

  /// Lends a buffer from the heap, since recovery threads may have small stacks.
  func withBuffer<T>(
    _ bytes: Int, _ body: (UnsafeMutableRawBufferPointer) throws(DiskError) -> T
  ) throws(DiskError) -> T {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 16)
    defer { buffer.deallocate() }
    return try body(buffer)
  }
}
