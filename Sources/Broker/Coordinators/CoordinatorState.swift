import Model
import NIOCore

/// The state that a coordinator (of groups, of transactions) keeps for the partitions of its internal topic: what `CoordinatorLog` loads,
/// and drops again.
///
/// The calls for one partition come one after the other, on threads of the offload; they are short, and none waits.
protocol CoordinatorState: AnyObject, Sendable {
  /// This broker leads the partition since `epoch`. What was known of it is dropped, and requests get COORDINATOR_LOAD_IN_PROGRESS
  /// until `loaded`.
  func began(_ partition: Int32, epoch: LeaderEpoch)

  /// Takes in one record, in the order of the log.
  func replay(_ record: CoordinatorRecord, in batch: CoordinatorBatch, of partition: Int32)

  /// Takes in the end of a producer's transaction, in its place among the records.
  func replay(_ marker: EndTransactionMarker, of producerID: Int64, in partition: Int32)

  /// All records that the log had were replayed; requests are served from now on.
  ///
  /// A transaction marker that is appended at this moment may have been replayed or not; whoever appends it reports it to the coordinator
  /// as well.
  ///
  /// - Parameter error: why the log could not be read to its end; requests then get COORDINATOR_NOT_AVAILABLE.
  func loaded(_ partition: Int32, epoch: LeaderEpoch, error: ErrorCode?)

  /// Another broker leads the partition, or it was deleted: what waits gets NOT_COORDINATOR.
  func resigned(_ partition: Int32)
}

/// One record of an internal topic.
struct CoordinatorRecord: Sendable, Equatable {
  var key: ByteBuffer
  /// Nil in a tombstone, which deletes the key.
  var value: ByteBuffer?
  /// In milliseconds since 1970.
  var timestampMs: Int64

  init(key: ByteBuffer, value: ByteBuffer?, timestampMs: Int64) {
    self.key = key
    self.value = value
    self.timestampMs = timestampMs
  }
}

/// What the batch of a replayed record says of its producer.
struct CoordinatorBatch: Sendable, Equatable {
  /// -1 when the coordinator itself wrote the batch.
  var producerID: Int64
  var producerEpoch: Int16
  /// Whether the records count only when the producer's transaction is committed.
  var isTransactional: Bool
  var baseOffset: Offset
}
