import Client
import Compression
import Model
import NIOCore
import Synchronization

/// What the workers of a run share across event loops: how far it is. Written a batch at a time.
final class RunProgress: Sendable {
  let received = Atomic<Int>(0)
  let finishedWorkers = Atomic<Int>(0)
  /// Records acknowledged.
  let produced = Atomic<Int>(0)
  let lastReceivedNs = Atomic<UInt64>(0)
  /// Something went wrong that ends the run.
  let hasFailed = Atomic<Bool>(false)
}

/// One connection's consuming: reads its partitions, checks every record. Confined to its event loop.
final class ConsumeWorker {
  private let consumer: Consumer
  private let counts: LoopCounts
  private let progress: RunProgress
  private let plan: Plan
  private let from: [Int32: Offset]
  /// Where each partition ends for this run; nil: it does not.
  private let ends: [Int32: Offset]?
  private let measuresEndToEnd: Bool
  private var reader = StampReader()
  private(set) var integrity = IntegrityCheck()
  private var isFinished = false
  private(set) var firstNs: UInt64 = 0, lastNs: UInt64 = 0

  init(
    _ plan: Plan, consumer: Consumer, counts: LoopCounts, progress: RunProgress, from: [Int32: Offset],
    ends: [Int32: Offset]?
  ) {
    self.plan = plan
    self.consumer = consumer
    self.counts = counts
    self.progress = progress
    self.from = from
    self.ends = ends
    measuresEndToEnd = plan.command == .endToEnd
    consumer.received = { [unowned self] in self.received($0, $1, $2) }
    consumer.answered = { [unowned self] in self.finishIfAtEnd() }
    consumer.failed = { [unowned self] error in
      self.counts.count { $0.addError(error) }
      self.progress.hasFailed.store(true, ordering: .relaxed)
    }
  }

  var requests: Int { consumer.requests }
  var bytesSent: Int { consumer.bytesSent }
  var bytesReceived: Int { consumer.bytesReceived }

  func start() {
    firstNs = Clocks.monotonicNs()
    consumer.fetch()
    finishIfAtEnd()
  }

  func close() { consumer.close() }

  private func received(_ partition: Int32, _ batch: RecordBatch, _ atNs: UInt64) {
    lastNs = atNs
    let start = from[partition] ?? 0
    counts.count { counts in
      var count = Int(batch.header.count)
      var bytes = batch.body.readableBytes
      if plan.verifies {
        (count, bytes) = verify(batch, partition, from: start, atNs, &counts)
      }
      counts.receivedRecords += count
      counts.receivedBytes += bytes
      counts.receivedBatchBytes += batch.sizeInBytes
      counts.receivedBatches += 1
      progress.received.add(count, ordering: .relaxed)
    }
    progress.lastReceivedNs.store(atNs, ordering: .relaxed)
  }

  /// Looks at each record.
  ///
  /// - Returns: how many records, and bytes of keys and values.
  private func verify(
    _ batch: RecordBatch, _ partition: Int32, from start: Offset, _ atNs: UInt64, _ counts: inout RunCounts
  ) -> (count: Int, bytes: Int) {
    var (count, bytes) = (0, 0)
    let fromStart = start == 0
    do {
      try batch.forEachRecord { record in
        guard record.offset >= start else { return }
        count += 1
        bytes += (record.key?.count ?? 0) + (record.value?.count ?? 0)
        guard let value = record.value else { return integrity.receivedCorrupt() }
        if plan.compressesEachMessage {
          verifyPacked(value, partition, fromStart, atNs, &counts)
        } else {
          verify(value, partition, fromStart, atNs, &counts)
        }
      }
    } catch {
      // Its checksum was right, so what it holds was never a batch of records.
      let missing = Int(batch.header.count) - count
      for _ in 0..<max(1, missing) { integrity.receivedCorrupt() }
    }
    return (count, bytes)
  }

  @inline(__always)
  private func verify(
    _ value: UnsafeRawBufferPointer, _ partition: Int32, _ fromStart: Bool, _ atNs: UInt64, _ counts: inout RunCounts
  ) {
    guard let stamp = reader.read(value), stamp.stream.partition == Int(partition) else {
      return integrity.receivedCorrupt()
    }
    integrity.received(stamp.stream, sequence: stamp.sequence, fromStart: fromStart)
    if measuresEndToEnd { counts.endToEnd.record(from: stamp.timeNs, to: atNs) }
  }

  private func verifyPacked(
    _ value: UnsafeRawBufferPointer, _ partition: Int32, _ fromStart: Bool, _ atNs: UInt64, _ counts: inout RunCounts
  ) {
    guard let plain = try? plan.codec.decompress(ByteBuffer(bytes: value), limit: Limits.recordBytesMax) else {
      return integrity.receivedCorrupt()
    }
    counts.valueBytes += plain.readableBytes
    counts.packedValueBytes += value.count
    plain.withUnsafeReadableBytes { verify($0, partition, fromStart, atNs, &counts) }
  }

  private func finishIfAtEnd() {
    guard !isFinished, let ends else { return }
    for (partition, offset) in consumer.positions where offset < ends[partition] ?? 0 { return }
    isFinished = true
    progress.finishedWorkers.add(1, ordering: .relaxed)
  }

  /// How many of the records its producer was given never came, at the end of each stream.
  func addMissing(_ stream: StreamID, given: UInt64) {
    integrity.addLost(integrity.missing(from: stream, upTo: given))
  }
}
