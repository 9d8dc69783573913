import CMillrace
package import Model

/// A `.snapshot` file: the producers as they were when the log ended at the offset in its name.
///
/// ```
/// version 2 (= 1) │ CRC-32C of what follows 4 │ count 4 │ count × (producer id 8 │ epoch 2 │ last sequence 4 │
/// last offset 8 │ offset delta 4 │ timestamp 8 │ coordinator epoch 4 │ transaction start or -1 8)
/// ```
///
/// Of each producer's five batches it holds the last. After a crash, when retries of the others must be expected, recovery
/// goes back to an older snapshot; after an orderly stop such a retry is refused, not doubled.
package enum ProducerSnapshot {
  static let suffix = ".snapshot"
  static let headerBytes = 10, entryBytes = 46
  private static let version: Int16 = 1

  package static func encode(_ state: ProducerState) -> [UInt8] {
    var body: [UInt8] = []
    body.reserveCapacity(4 + state.count * entryBytes)
    body.appendBigEndian(Int32(state.count))
    for (id, producer) in state.producers.sorted(by: { $0.key < $1.key }) {
      let last = producer.lastBatch
      body.appendBigEndian(id)
      body.appendBigEndian(producer.epoch)
      body.appendBigEndian(last?.lastSequence ?? -1)
      body.appendBigEndian(last?.lastOffset.rawValue ?? -1)
      body.appendBigEndian(last?.offsetDelta ?? 0)
      body.appendBigEndian(producer.lastTimestamp)
      body.appendBigEndian(producer.coordinatorEpoch)
      body.appendBigEndian(producer.transactionStart?.rawValue ?? -1)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(6 + body.count)
    bytes.appendBigEndian(version)
    bytes.appendBigEndian(body.withUnsafeBytes { millrace_crc32c(0, $0.baseAddress, $0.count) })
    bytes.append(contentsOf: body)
    return bytes
  }

  /// Nil where the bytes are no snapshot: an older one then serves, or the log is read again.
  package static func decode(_ bytes: [UInt8], endOffset: Offset) -> ProducerState? {
    bytes.withUnsafeBytes { bytes in
      guard bytes.count >= headerBytes, bytes.bigEndian(at: 0, as: Int16.self) == version else { return nil }
      let body = UnsafeRawBufferPointer(rebasing: bytes[6...])
      guard millrace_crc32c(0, body.baseAddress, body.count) == bytes.bigEndian(at: 2, as: UInt32.self) else {
        return nil
      }
      let count = Int(bytes.bigEndian(at: 6, as: Int32.self))
      guard count >= 0, bytes.count - headerBytes == count * entryBytes else { return nil }
      var state = ProducerState()
      state.endOffset = endOffset
      for index in 0..<count {
        let at = headerBytes + index * entryBytes
        var producer = ProducerState.Producer(epoch: bytes.bigEndian(at: at + 8, as: Int16.self))
        let batch = ProducerState.Batch(
          lastSequence: bytes.bigEndian(at: at + 10, as: Int32.self),
          lastOffset: Offset(bytes.bigEndian(at: at + 14, as: Int64.self)),
          offsetDelta: bytes.bigEndian(at: at + 22, as: Int32.self),
          timestamp: bytes.bigEndian(at: at + 26, as: Int64.self))
        if batch.lastOffset >= 0 {
          guard batch.offsetDelta >= 0, batch.lastOffset - Int(batch.offsetDelta) >= 0, batch.lastOffset < endOffset
          else {
            return nil
          }
          producer.remember(batch)
        }
        producer.lastTimestamp = batch.timestamp
        producer.coordinatorEpoch = bytes.bigEndian(at: at + 34, as: Int32.self)
        let start = bytes.bigEndian(at: at + 38, as: Int64.self)
        if start >= 0 { producer.transactionStart = Offset(start) }
        state.restore(bytes.bigEndian(at: at, as: Int64.self), producer)
      }
      return state
    }
  }
}
