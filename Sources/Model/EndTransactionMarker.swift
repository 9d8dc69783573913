package import NIOCore

/// The one record of a control batch: how a transaction of the batch's producer ended.
///
/// ```
/// key: version 2 │ type 2 (0 abort, 1 commit)      value: version 2 │ coordinatorEpoch 4
/// ```
package struct EndTransactionMarker: Hashable, Sendable {
  package enum Outcome: Int16, Sendable { case abort = 0, commit = 1 }

  package var outcome: Outcome
  /// Epoch of the transaction coordinator that wrote the marker; an older one's is refused.
  package var coordinatorEpoch: Int32

  package init(_ outcome: Outcome, coordinatorEpoch: Int32) {
    self.outcome = outcome
    self.coordinatorEpoch = coordinatorEpoch
  }

  /// Reads a control batch; nil for control types other than abort and commit (KRaft has some), and for a batch that compaction
  /// has emptied: a reader skips both.
  ///
  /// - Throws: `inconsistent` when the batch is no control batch or its record is not as above.
  package init?(reading batch: RecordBatch) throws(RecordBatchError) {
    guard batch.header.attributes.isControl else { throw .inconsistent("not a control batch") }
    if batch.header.count == 0 { return nil }
    let records = try batch.records()
    guard records.count == 1, var key = records[0].key else {
      throw .inconsistent("a control batch holds one record with a key, not \(records.count)")
    }
    // Later versions may only add fields behind these.
    guard let version = key.readInteger(as: Int16.self), version >= 0, let type = key.readInteger(as: Int16.self) else {
      throw .inconsistent("a control record's key of \(records[0].key?.readableBytes ?? 0) bytes")
    }
    guard let outcome = Outcome(rawValue: type) else { return nil }
    guard var value = records[0].value, let valueVersion = value.readInteger(as: Int16.self), valueVersion >= 0,
      let epoch = value.readInteger(as: Int32.self)
    else {
      throw .inconsistent("an end-transaction marker's value of \(records[0].value?.readableBytes ?? 0) bytes")
    }
    self.init(outcome, coordinatorEpoch: epoch)
  }

  /// The marker as a control batch.
  ///
  /// - Parameter timestamp: milliseconds since 1970.
  package func batch(
    producerID: Int64, producerEpoch: Int16, timestamp: Int64, baseOffset: Offset = 0,
    partitionLeaderEpoch: LeaderEpoch = -1
  ) -> ByteBuffer {
    var key = ByteBuffer()
    key.writeMultipleIntegers(Int16(0), outcome.rawValue)
    var value = ByteBuffer()
    value.writeMultipleIntegers(Int16(0), coordinatorEpoch)
    var builder = RecordBatchBuilder(capacity: 128)
    builder.append(Record(offset: 0, timestamp: timestamp, key: key, value: value))
    do {
      return try builder.finish(
        baseOffset: baseOffset, partitionLeaderEpoch: partitionLeaderEpoch, producerID: producerID,
        producerEpoch: producerEpoch, isTransactional: true, isControl: true)
    } catch {
      preconditionFailure("an uncompressed batch cannot fail: \(error)")
    }
  }
}
