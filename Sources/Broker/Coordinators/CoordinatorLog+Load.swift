import Base
import Logging
import Model
import NIOCore
import Storage
import Synchronization

/// Loads partitions when this broker becomes their leader, and drops them when it is no longer.
extension CoordinatorLog {
  /// Begins to load a partition that this broker leads in `epoch`; does nothing when it is loaded or being loaded already. An empty partition
  /// is loaded when this returns. Called on the control lane.
  ///
  /// A leader that stays leader in a later epoch, because a follower has gone, keeps what it has loaded: the log is its own. As in Kafka, the
  /// coordinator's epoch stays the one in which it began.
  func lead(_ partition: Partition, epoch: LeaderEpoch) {
    let number = partition.name.partition
    let isEmpty =
      (try? partition.withLog { log, _ throws(PartitionError) in log.logStartOffset == log.logEndOffset }) ?? false
    let loads = led.withLock { led in
      guard let state = led.state, led.epochs[number] != epoch, !led.loaded.contains(number) else { return false }
      led.epochs[number] = epoch
      state.began(number, epoch: epoch)
      if isEmpty {
        led.loaded.insert(number)
        state.loaded(number, epoch: epoch, error: nil)
      }
      return !isEmpty
    }
    if loads { offload.submit(.coordinatorLoad) { self.load(partition, epoch) } }
  }

  /// Drops a partition that this broker leads no longer. Called on the control lane.
  func resign(_ number: Int32) {
    #if DEBUG
    if PlantedFault.keepsWhatItHasCoordinated.isPlanted { return }
    #endif
    led.withLock { led in
      led.loaded.remove(number)
      guard led.epochs.removeValue(forKey: number) != nil else { return }
      led.state?.resigned(number)
    }
  }

  private func load(_ partition: Partition, _ epoch: LeaderEpoch) {
    var next: Offset = 0
    do throws(PartitionError) {
      while !stopping.isRaised {
        guard let slice = try read(partition, from: next, epoch) else { return loaded(partition, epoch, error: nil) }
        guard try replay(slice, from: next, of: partition, epoch) else { return }
        next = slice.nextOffset
      }
    } catch {
      log.error(
        "a coordinator's partition cannot be loaded", metadata: ["partition": "\(partition.name)", "error": "\(error)"])
      loaded(partition, epoch, error: ErrorCode(error))
    }
  }

  private func loaded(_ partition: Partition, _ epoch: LeaderEpoch, error: ErrorCode?) {
    let number = partition.name.partition
    led.withLock { led in
      guard led.epochs[number] == epoch else { return }
      if error == nil { led.loaded.insert(number) }
      led.state?.loaded(number, epoch: epoch, error: error)
    }
  }

  /// Returns the next batches of the log; nil at its end.
  private func read(
    _ partition: Partition, from next: Offset, _ epoch: LeaderEpoch
  ) throws(PartitionError) -> LogSlice? {
    try partition.withLog { log, marks throws(PartitionError) -> LogSlice? in
      guard marks.leaderEpoch == epoch else { throw .notLeader }
      let from = max(next, log.logStartOffset)
      guard from < log.logEndOffset else { return nil }
      do throws(ReadError) {
        let slice = try log.read(
          from: from, upTo: log.logEndOffset, maxBytes: topic.loadBytes, atLeastOneBatch: true)
        // Compaction may have removed the last records.
        return slice.byteCount > 0 ? slice : nil
      } catch { throw .read(error) }
    }
  }

  /// Replays the batches of a slice; returns false when the leadership has ended meanwhile.
  private func replay(
    _ slice: LogSlice, from next: Offset, of partition: Partition, _ epoch: LeaderEpoch
  ) throws(PartitionError) -> Bool {
    if let range = slice.range {
      var bytes = ByteBuffer()
      do throws(DiskError) { _ = try range.read(into: &bytes) } catch { throw .read(.diskFailed(error)) }
      while bytes.readableBytes > 0 {
        do throws(RecordBatchError) {
          let batch = try RecordBatch(viewing: bytes)
          bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
          let content = try Content(batch, from: next)
          guard replay(content, of: partition.name.partition, epoch) else { return false }
        } catch {
          log.error("a batch cannot be read", metadata: ["partition": "\(partition.name)", "error": "\(error)"])
          throw .append(.corrupt)
        }
      }
    }
    return true
  }

  private func replay(_ content: Content, of number: Int32, _ epoch: LeaderEpoch) -> Bool {
    led.withLock { led in
      guard led.epochs[number] == epoch, let state = led.state else { return false }
      switch content {
      case .records(let records, let batch):
        for record in records { state.replay(record, in: batch, of: number) }
      case .marker(let marker, let producerID): state.replay(marker, of: producerID, in: number)
      case .other: break
      }
      return true
    }
  }

  /// What a batch of an internal topic holds.
  private enum Content {
    case records([CoordinatorRecord], CoordinatorBatch)
    case marker(EndTransactionMarker, producerID: Int64)
    /// A control batch that is no transaction marker.
    case other

    /// - Parameter next: records before this offset have been replayed.
    init(_ batch: RecordBatch, from next: Offset) throws(RecordBatchError) {
      let header = batch.header
      if header.attributes.isControl {
        self = try EndTransactionMarker(reading: batch).map { .marker($0, producerID: header.producerID) } ?? .other
        return
      }
      // A record without a key says nothing of any group or transaction.
      let records = try batch.records(limit: Limits.decompressedBatchBytes).compactMap { record in
        record.key.map { CoordinatorRecord(key: $0, value: record.value, timestampMs: record.timestamp) }
      }
      self = .records(
        records,
        CoordinatorBatch(
          producerID: header.producerID, producerEpoch: header.producerEpoch,
          isTransactional: header.attributes.isTransactional, baseOffset: header.baseOffset))
    }
  }
}
