import Base
package import Model

extension Log {
  /// Opens the log in `directory`, recovering it unless the last stop was orderly.
  ///
  /// A directory without segments becomes an empty log at `memory.logStartOffset`.
  ///
  /// - Parameter arms: makes the store arm, unless the log uses segments.
  package static func open(
    disk: any Disk, directory: String, partition: TopicPartition, config: LogConfig, memory: LogMemory, nowMs: Int64,
    arms: (any StoreArmMaker)? = nil
  ) throws(DiskError) -> Log {
    if let arms {
      let arm = try arms.open(in: directory, on: disk, nowMs: nowMs)
      let stored = try arm.stored()
      let end = stored.logEndOffset
      let log = Log(
        Start(
          partition: partition, directory: directory,
          topicID: try PartitionMetadata.read(from: directory, on: disk), config: config, disk: disk,
          logStartOffset: stored.logStartOffset, logEndOffset: end,
          flushedOffset: memory.isClean ? end : min(memory.recoveryPoint, end), epochs: stored.epochs, nowMs: nowMs),
        .arm(arm))
      try arm.recover(log, memory, nowMs: nowMs)
      return log
    }
    var recovery = LogRecovery(disk: disk, directory: directory, config: config, nowMs: nowMs)
    try recovery.findFiles()
    var end = try recovery.recover(memory)
    let isEmpty = recovery.segments.isEmpty
    if isEmpty || end < memory.logStartOffset {
      // All that was not flushed is gone, down to below where DeleteRecords had moved the start.
      for segment in recovery.segments {
        for path in try segment.markDeleted() { try disk.remove(path) }
      }
      end = memory.logStartOffset
      recovery.segments = [
        try Segment.create(disk: disk, directory: directory, baseOffset: end, config: config, nowMs: nowMs)
      ]
      recovery.producers = ProducerState()
      recovery.producers.endOffset = end
      _ = recovery.epochs.truncate(to: end)
    }
    // What is no part of the log any more must be gone for good before anything is appended. Worked case: the log was cut
    // at 8, segment 13 removed; a power failure after 8–12 were appended anew brought segment 13 back, where it fitted.
    if !recovery.wasResumed { try disk.syncDirectory(directory) }
    let start = max(memory.logStartOffset, recovery.segments[0].baseOffset)
    if !recovery.wasResumed || recovery.epochDamage != nil { try recovery.findEpochs(from: start) }
    _ = recovery.epochs.raiseStart(to: start)
    if recovery.epochs != recovery.storedEpochs || recovery.epochDamage != nil {
      try recovery.epochs.write(to: directory, on: disk)
    }
    #if DEBUG
    if PlantedFault.losesProducers.isPlanted {
      recovery.producers = ProducerState()
      recovery.producers.endOffset = end
    }
    #endif
    let log = Log(
      Start(
        partition: partition, directory: directory,
        topicID: try PartitionMetadata.read(from: directory, on: disk), config: config, disk: disk,
        logStartOffset: start, logEndOffset: end, flushedOffset: memory.isClean ? end : min(memory.recoveryPoint, end),
        producers: recovery.producers, epochs: recovery.epochs, nowMs: nowMs),
      .segments, segments: recovery.segments)
    log.holes = recovery.holes
    log.epochDamage = recovery.epochDamage
    log.cleanedOffset = memory.cleanedOffset
    if recovery.wasResumed, !isEmpty { log.closedAs = log.extent }
    return log
  }

  /// Makes the directory and files of a new, empty log.
  package static func create(
    disk: any Disk, directory: String, partition: TopicPartition, topicID: TopicID?, config: LogConfig, nowMs: Int64,
    arms: (any StoreArmMaker)? = nil
  ) throws(DiskError) -> Log {
    try disk.makeDirectory(directory)
    if let topicID { try PartitionMetadata.create(topicID, in: directory, on: disk) }
    let start = Start(
      partition: partition, directory: directory, topicID: topicID, config: config, disk: disk, nowMs: nowMs)
    let log: Log
    if let arms {
      log = Log(start, .arm(try arms.open(in: directory, on: disk, nowMs: nowMs)))
    } else {
      let segment = try Segment.create(disk: disk, directory: directory, baseOffset: 0, config: config, nowMs: nowMs)
      log = Log(start, .segments, segments: [segment])
    }
    log.flushing.isNewDirectory = true
    return log
  }

  // MARK: After a truncation

  /// Rebuilds the state of a segment that was truncated at `end`.
  func resume(_ segment: Segment, to end: Int) throws(DiskError) {
    let from = try segment.beginResumption()
    var headers: [RecordBatchHeader] = []
    let file = try segment.file()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: BatchScan.lookupBytes, alignment: 16)
    defer { buffer.deallocate() }
    var scan = BatchScan(file, from: from, to: end, checkingCRC: false, buffer: buffer)
    while case .batch(let header, _) = try scan.next() { headers.append(header) }
    for header in headers {
      try segment.makeIndexRoom()
      segment.wrote(header, indexIntervalBytes: config.indexIntervalBytes, nowMs: segment.modifiedMs)
    }
  }

  /// Returns the offsets of the producer snapshots in the directory, ascending.
  private func snapshotOffsets() throws(DiskError) -> [Offset] {
    try disk.names(in: directory).compactMap { Segment.offset(inName: $0, suffix: ProducerSnapshot.suffix) }.sorted()
  }

  func removeSnapshots(after end: Offset) throws(DiskError) {
    for offset in try snapshotOffsets() where offset > end {
      try disk.remove("\(directory)/\(Segment.name(offset))\(ProducerSnapshot.suffix)")
    }
  }

  /// Restores the producer state from the files, up to the log end.
  func reloadProducers() throws(DiskError) {
    var recovery = LogRecovery(disk: disk, directory: directory, config: config, nowMs: 0)
    recovery.segments = segments
    recovery.snapshots = try snapshotOffsets()
    producers = try recovery.producers(at: logEndOffset)
  }
}
