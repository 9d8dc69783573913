package import Model
import NIOCore

/// A copy of a partition's log that grows in another log directory until it can take the log's place (AlterReplicaLogDirs; Kafka calls it
/// a future replica).
///
/// Its directory is `<topic>-<n>.0-future` while it grows, and `<topic>-<n>.0-moved` once it holds everything. Then the log's own directory is
/// renamed away, and the copy gets its name. A crash at any point leaves one whole log: where the log is there still, a copy is removed and
/// begun anew; where it is gone, `-moved` is the log (`LogDirectory.finishMoves`).
///
/// Not locked and not Sendable, as `Log` is not.
package final class LogCopy {
  package let directory: LogDirectory
  private let log: Log
  /// The truncations of the log that is copied, when it was read last; nil before.
  private var generation: Int?

  /// Begins an empty copy; what an earlier one has left is removed.
  package init(
    of partition: TopicPartition, topicID: TopicID?, config: LogConfig, in directory: LogDirectory, nowMs: Int64
  ) throws(LogDirectoryError) {
    self.directory = directory
    log = try directory.createCopy(of: partition, topicID: topicID, config: config, nowMs: nowMs)
  }

  /// The offset with which the copy goes on.
  package var endOffset: Offset { log.logEndOffset }
  package var sizeInBytes: Int { log.sizeInBytes }

  // MARK: Growing

  /// Finds what the copy lacks next; empty when it has everything. Called under the lock of `source`.
  package func next(of source: Log, maxBytes: Int, nowMs: Int64) throws(LogCopyError) -> LogSlice {
    if let cause = source.failure { throw .source(cause) }
    log.config = source.config
    // A follower's log that was truncated has, or will have, other records where the copy ends.
    if isOutdated(by: source) { try begin(at: source.logStartOffset, nowMs: nowMs) }
    generation = source.flushing.generation
    // Also at the beginning, and when retention or DeleteRecords have overtaken the copy.
    if endOffset < source.logStartOffset { try begin(at: source.logStartOffset, nowMs: nowMs) }
    do throws(ReadError) {
      return try source.read(from: endOffset, upTo: source.logEndOffset, maxBytes: maxBytes, atLeastOneBatch: true)
    } catch {
      if case .diskFailed(let cause) = error { throw .source(cause) }
      throw .damaged(at: endOffset)
    }
  }

  /// Whether `source` was truncated since `next`: what that has found may be no batches any more.
  package func isOutdated(by source: Log) -> Bool { generation.map { $0 != source.flushing.generation } ?? false }

  /// Forgets what is copied and goes on at `offset`.
  private func begin(at offset: Offset, nowMs: Int64) throws(LogCopyError) {
    do throws(DiskError) { try log.truncateFullyAndStart(at: offset, nowMs: nowMs) } catch { throw .copy(error) }
  }

  /// Appends what `next` has found, and waits until it is on the disk: the last step, under the log's lock, then has little to sync.
  package func take(_ slice: LogSlice, nowMs: Int64) throws(LogCopyError) {
    let before = endOffset
    if let range = slice.range {
      var bytes = ByteBuffer()
      do throws(DiskError) { _ = try range.read(into: &bytes) } catch { throw .source(error) }
      // The log's start may lie within its first batch.
      if log.sizeInBytes == 0, let first = RecordBatchHeader.peekBaseOffset(bytes), first < endOffset {
        try begin(at: first, nowMs: nowMs)
      }
      do throws(AppendError) { _ = try log.appendAsFollower(bytes, nowMs: nowMs) } catch {
        switch error {
        case .diskFailed(let cause), .offline(let cause): throw .copy(cause)
        default: throw .damaged(at: endOffset)
        }
      }
    }
    guard endOffset > before else { throw .damaged(at: before) }
    do throws(DiskError) { try log.flush(nowMs: nowMs) } catch { throw .copy(error) }
  }

  // MARK: Taking the log's place

  /// Puts the copy in the place of the log that it was made of. Called under the lock of `source`, which is held for some syncs.
  ///
  /// - Parameters:
  ///   - maxBytes: what may still be copied, under the lock.
  ///   - highWatermark: of the partition, for the checkpoint.
  /// - Returns: the log that takes the place of `source`; nil when more than `maxBytes` are missing.
  /// - Throws: `.committed` when the log's directory is gone and the copy cannot be opened: the next start opens it. After any other error
  ///   the log is as it was.
  package func replace(
    _ source: Log, in sourceDirectory: LogDirectory, maxBytes: Int, highWatermark: Offset, nowMs: Int64
  ) throws(LogCopyError) -> Log? {
    var left = maxBytes
    while true {
      let slice = try next(of: source, maxBytes: left, nowMs: nowMs)
      if slice.isEmpty { break }
      left -= slice.byteCount
      guard left >= 0 else { return nil }
      try take(slice, nowMs: nowMs)
    }
    do throws(DiskError) { try log.becomeTwin(of: source, nowMs: nowMs) } catch { throw .copy(error) }
    do throws(LogDirectoryError) { try directory.completeCopy(of: source, highWatermark: highWatermark) } catch {
      throw .directory(error)
    }
    do throws(LogDirectoryError) {
      try sourceDirectory.delete(source.partition, delayMs: source.config.fileDeleteDelayMs, nowMs: nowMs)
      return try directory.openMoved(as: source, highWatermark: highWatermark, nowMs: nowMs)
    } catch { throw .committed(error) }
  }
}

/// Says why a log was not moved to another directory.
package enum LogCopyError: Error, Hashable, Sendable {
  /// The log that is copied cannot be read.
  case source(DiskError)
  /// The copy cannot be written.
  case copy(DiskError)
  case directory(LogDirectoryError)
  /// What was read at an offset is no whole batch.
  case damaged(at: Offset)
  /// The log's own directory is renamed away, and the copy could not get its name, or not be opened.
  case committed(LogDirectoryError)
}

extension LogCopyError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .source(let error): "the log cannot be read: \(error)"
    case .copy(let error): "the copy cannot be written: \(error)"
    case .directory(let error): "\(error)"
    case .damaged(let offset): "the log is damaged at offset \(offset)"
    case .committed(let error): "the copy cannot be opened in the place of the log, as the next start will: \(error)"
    }
  }
}

extension RecordBatchHeader {
  /// The base offset of the first batch in `bytes`; nil when they are too few.
  fileprivate static func peekBaseOffset(_ bytes: ByteBuffer) -> Offset? {
    bytes.getInteger(at: bytes.readerIndex, as: Int64.self).map { Offset($0) }
  }
}

extension Log {
  /// Makes this log, which has all batches of `source`, equal to it in what batches do not say, and leaves its files as an orderly stop does.
  fileprivate func becomeTwin(of source: Log, nowMs: Int64) throws(DiskError) {
    // Compaction can have removed the last batches.
    if logEndOffset < source.logEndOffset {
      try roll(to: source.logEndOffset, nowMs: nowMs)
      logEndOffset = source.logEndOffset
    }
    if logStartOffset < source.logStartOffset { try deleteRecords(before: source.logStartOffset, nowMs: nowMs) }
    // Those whose batches are deleted or compacted away are known, too.
    producers = source.producers
    epochs = source.epochs
    try writeEpochs()
    try close(nowMs: nowMs)
  }
}
