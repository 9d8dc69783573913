import Compression
import Model
import NIOCore

/// Batches that are compressed beside the event loop.
extension Producer {
  /// Has a thread compress what `open` holds, as the bytes of `batch`.
  func compress(_ open: OpenBatch, as batch: Batch, baseSequence: Int32, by threads: any BatchCompression) {
    open.builder.recycle(batch.takePlain())
    let draft = open.draft(settings, identity, baseSequence: baseSequence)
    batch.bytes = ByteBuffer()
    batch.isCompressing = true
    let (eventLoop, bound) = (eventLoop, NIOLoopBound((self, batch), eventLoop: eventLoop))
    threads.run {
      let result = draft.compressed()
      eventLoop.execute {
        let (producer, batch) = bound.value
        producer.compressed(batch, result, of: draft.records)
      }
    }
  }

  /// Takes a batch from a thread, and sends what has waited for it.
  private func compressed(_ batch: Batch, _ result: Result<ByteBuffer, CompressionError>, of plain: ByteBuffer) {
    batch.compressed(result, of: plain)
    let leader = leaders[lanes[batch.lane].leader]
    // It may have been given up meanwhile.
    guard !isClosed, lanes[batch.lane].unacknowledged.contains(where: { $0 === batch }) else { return }
    guard case .failure(let error) = result else { return send(leader) }
    leader.ready.removeAll { $0 === batch }
    finish(batch, .failure(.notCompressed(codec: settings.codec.name, reason: "\(error)")))
    send(leader)
  }

  /// Whether batches wait for responses, or for a connection: what is late then is not so for want of compression.
  package var awaitsResponses: Bool {
    leaders.contains { $0.inFlight >= settings.inFlightMax || $0.connection?.isOpen != true }
  }
}
