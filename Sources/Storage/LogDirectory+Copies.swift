import Glibc
package import Model

/// The copies of logs that are on their way into a directory (`LogCopy`).
extension LogDirectory {
  /// What follows a partition's name: Kafka's form, `<topic>-<n>.<id>-future`. There is one copy of a partition at a time.
  private static let growingSuffix = ".0-future", completeSuffix = ".0-moved"

  /// The partitions of which copies are here that did not take their logs' place.
  package func copies() throws(LogDirectoryError) -> [TopicPartition] {
    try Set(copies(Self.growingSuffix) + copies(Self.completeSuffix)).sorted()
  }

  private func copies(_ suffix: String) throws(LogDirectoryError) -> [TopicPartition] {
    do throws(DiskError) {
      return try disk.names(in: path).filter { $0.hasSuffix(suffix) }
        .compactMap { Self.partition(inName: String($0.dropLast(suffix.count))) }
    } catch { throw .disk(error) }
  }

  static func isCopy(_ name: String) -> Bool {
    [growingSuffix, completeSuffix].contains { suffix in
      name.hasSuffix(suffix) && partition(inName: String(name.dropLast(suffix.count))) != nil
    }
  }

  /// Removes what there is of a copy.
  package func removeCopy(of partition: TopicPartition) throws(LogDirectoryError) {
    do throws(DiskError) {
      for suffix in [Self.growingSuffix, Self.completeSuffix] { try removeTree(directory(of: partition) + suffix) }
    } catch { throw .disk(error) }
  }

  func createCopy(
    of partition: TopicPartition, topicID: TopicID?, config: LogConfig, nowMs: Int64
  ) throws(LogDirectoryError) -> sending Log {
    try removeCopy(of: partition)
    let copy = directory(of: partition) + Self.growingSuffix
    return try create(partition, topicID: topicID, at: copy, config: config, nowMs: nowMs)
  }

  /// Names a copy as complete, and writes down what a start must know of it: from here on a crash may leave it as the only one.
  func completeCopy(of log: Log, highWatermark: Offset) throws(LogDirectoryError) {
    let partition = log.partition
    do throws(DiskError) {
      try disk.rename(
        directory(of: partition) + Self.growingSuffix, to: directory(of: partition) + Self.completeSuffix)
    } catch { throw .disk(error) }
    try syncNames()
    let offsets: [OffsetCheckpoint: Offset?] = [
      .logStart: log.logStartOffset, .recoveryPoint: log.logEndOffset, .highWatermark: highWatermark, .cleaner: nil,
    ]
    for (checkpoint, offset) in offsets.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      var all = read(checkpoint)
      all[partition] = offset
      try write(checkpoint, all)
    }
  }

  /// Gives a complete copy the log's name, and opens it.
  func openMoved(as log: Log, highWatermark: Offset, nowMs: Int64) throws(LogDirectoryError) -> Log {
    try nameMoved(log.partition)
    let memory = LogMemory(
      logStartOffset: log.logStartOffset, recoveryPoint: log.logEndOffset, highWatermark: highWatermark, isClean: true,
      hasLogStart: true)
    do throws(DiskError) {
      let moved = try Log.open(
        disk: disk, directory: directory(of: log.partition), partition: log.partition, config: log.config,
        memory: memory,
        nowMs: nowMs)
      // A cleaning or a flush of the log before is none of this one.
      moved.flushing.generation = log.flushing.generation + 1
      return moved
    } catch { throw .disk(error) }
  }

  private func nameMoved(_ partition: TopicPartition) throws(LogDirectoryError) {
    do throws(DiskError) {
      try disk.rename(directory(of: partition) + Self.completeSuffix, to: directory(of: partition))
    } catch { throw .disk(error) }
    try syncNames()
  }

  /// Ends the moves that a crash has interrupted between the last two names, before anything looks at the directories: the log is gone from where
  /// it was, and the copy is complete.
  ///
  /// - Parameter all: every directory of the broker. With one missing the log may be there still.
  package static func finishMoves(among all: [LogDirectory]) throws(LogDirectoryError) {
    for target in all {
      for partition in try target.copies(completeSuffix) {
        var isThere = false
        for other in all where try other.has(partition) { isThere = true }
        if isThere { continue }
        try target.nameMoved(partition)
      }
    }
  }

  private func has(_ partition: TopicPartition) throws(LogDirectoryError) -> Bool {
    do throws(DiskError) { return try disk.info(directory(of: partition)) != nil } catch { throw .disk(error) }
  }
}
