package import Model

/// Another way to keep a log's batches than in segments, which an experiment compares with them (`millrace.log.engine`).
///
/// The log decides what may be appended, which offsets it gets and where it begins and ends; the arm keeps the batches, finds them again,
/// and remembers what the log has to know when it is opened again. Each call is whole or has changed nothing.
///
/// Not locked, not Sendable: belongs to its `Log`, which it is lent for each call.
package protocol StoreArm: AnyObject {
  /// Bytes of all batches.
  var sizeInBytes: Int { get }
  /// Bytes appended since `filesToSync` was asked last.
  var bytesSinceFlush: Int { get }

  /// What is kept: where the log begins and ends, and its leader epochs.
  func stored() throws(DiskError) -> StoredLog
  /// Makes the log, which is as `stored` says, what may be believed after the last stop, with its producers.
  func recover(_ log: Log, _ memory: LogMemory, nowMs: Int64) throws(DiskError)

  /// Puts a batch at the log's end, and with it all that must be known of it after a crash. Returns whether it is durable already.
  ///
  /// - Parameter fill: writes the batch into the room it is given.
  func append(
    _ batch: ArmAppend, to log: Log, nowMs: Int64, _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(DiskError) -> Bool
  /// After such a failure the log's memory and files may differ.
  func isFatal(_ error: DiskError) -> Bool

  /// Finds whole batches from the one that holds `offset` to the last one wholly below `bound`: see `Log.read`.
  func read(from offset: Offset, bound: Offset, maxBytes: Int, atLeastOneBatch: Bool) throws(DiskError) -> LogSlice
  func batch(forTimestamp timestamp: Int64, from: Offset) throws(DiskError) -> TimedBatch?
  func batchOfMaxTimestamp(in log: Log) throws(DiskError) -> TimedBatch?
  func boundaries(in log: Log, writtenUpTo time: Int64, nowMs: Int64, max: Int) -> [Offset]
  func abortedTransactions(from: Offset, upTo: Offset) throws(DiskError) -> [AbortedTransaction]

  func filesToSync(of log: Log) throws(DiskError) -> [SegmentFile]
  /// Writes everything down and syncs it, for an orderly stop.
  func close(_ log: Log) throws(DiskError)

  /// Returns the number of batches removed.
  func applyRetention(to log: Log, nowMs: Int64, highWatermark: Offset) throws(DiskError) -> Int
  /// Takes the batches out that are wholly before `offset`, where the log begins from now on; returns how many.
  func dropFront(of log: Log, before offset: Offset) throws(DiskError) -> Int
  /// Removes everything from `offset` on; a batch that holds `offset` is removed whole.
  func truncate(_ log: Log, to offset: Offset) throws(DiskError)
  /// Removes everything; the log continues at `offset`.
  func restart(_ log: Log, at offset: Offset) throws(DiskError)
}

/// Makes the arms of one `millrace.log.engine`.
package protocol StoreArmMaker: Sendable {
  /// Opens the arm's files in a log's directory, creating missing ones.
  func open(in directory: String, on disk: any Disk, nowMs: Int64) throws(DiskError) -> any StoreArm
}

/// What an arm keeps of a log besides its batches.
package struct StoredLog {
  package var logStartOffset: Offset
  package var logEndOffset: Offset
  package var epochs: LeaderEpochs

  package init(logStartOffset: Offset, logEndOffset: Offset, epochs: LeaderEpochs) {
    self.logStartOffset = logStartOffset
    self.logEndOffset = logEndOffset
    self.epochs = epochs
  }
}

/// A batch that an arm is to keep, with what it changes.
package struct ArmAppend {
  package let header: RecordBatchHeader
  /// The log's leader epochs, when the batch begins one.
  package let epochs: LeaderEpochs?
  /// The transaction that the batch, a marker, aborts.
  package let aborted: AbortedTransaction?
}

extension Log {
  /// Has an arm put a batch at the log's end, and takes note of it.
  func append(
    _ header: RecordBatchHeader, _ marker: EndTransactionMarker?, nowMs: Int64, to arm: any StoreArm,
    _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(AppendError) {
    var changedEpochs: LeaderEpochs?
    if header.partitionLeaderEpoch != epochs.latest {
      var changed = epochs
      if changed.assign(header.partitionLeaderEpoch, startOffset: header.baseOffset) { changedEpochs = changed }
    }
    // Markers are rare: they alone are told to a copy, because what they end must be written with them.
    var afterMarker: ProducerState?
    var aborted: AbortedTransaction?
    if let marker {
      var changed = producers
      if let ended = changed.appended(marker, header), ended.isAborted {
        aborted = AbortedTransaction(
          producerID: ended.producerID, firstOffset: ended.firstOffset, lastOffset: ended.lastOffset,
          lastStableOffset: changed.lastStableOffset(after: ended))
      }
      afterMarker = changed
    }
    let isDurable: Bool
    do throws(DiskError) {
      isDurable = try arm.append(
        ArmAppend(header: header, epochs: changedEpochs, aborted: aborted), to: self, nowMs: nowMs, fill)
    } catch {
      if arm.isFatal(error) { failure = error }
      throw .diskFailed(error)
    }
    if let changedEpochs { epochs = changedEpochs }
    if let afterMarker {
      producers = afterMarker
    } else if header.attributes.isControl {
      producers.endOffset = header.nextOffset
    } else {
      producers.appended(header)
    }
    logEndOffset = header.nextOffset
    flushing.appended(nowMs: nowMs)
    if isDurable { try committedDurably() }
  }

  /// The arm's commit has reached the disk; with the first one the names of its files have to, which are left to the log.
  private func committedDurably() throws(AppendError) {
    do {
      for names in flushing.takeNewNames(in: directory) { try disk.syncDirectory(names) }
    } catch {
      failure = error
      throw .offline(error)
    }
    wasFlushed()
  }

  // MARK: What an arm tells its log

  /// The producers as of the log's end, as a snapshot has them.
  package var producerSnapshot: [UInt8] { ProducerSnapshot.encode(producers) }

  /// The front has gone: the log begins at `start`.
  package func frontDropped(start: Offset, epochs: LeaderEpochs) {
    logStartOffset = start
    self.epochs = epochs
    check()
  }

  /// Records have gone from the end: the log ends at `end`.
  package func truncated(start: Offset, end: Offset, epochs: LeaderEpochs) {
    logStartOffset = start
    logEndOffset = end
    flushedOffset = min(flushedOffset, end)
    self.epochs = epochs
    flushing.generation += 1
    check()
  }

  /// The producers as the arm has found them for the log's end.
  package func recovered(_ producers: ProducerState) { self.producers = producers }
}
