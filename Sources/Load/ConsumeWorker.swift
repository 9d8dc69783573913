import Base
import Client
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
  private let recordsPerSecond: Double?
  private let measuresEndToEnd: Bool
  private var receivedRecords = 0
  private var check: RecordCheck
  private var order: GlobalOrder?
  private var isFinished = false
  private(set) var firstNs: UInt64 = 0, lastNs: UInt64 = 0

  /// - Parameters:
  ///   - recordsPerSecond: the most records a second; nil: as fast as answers come.
  ///   - ownRun: the run whose records are all read.
  init(
    _ plan: Plan, consumer: Consumer, counts: LoopCounts, progress: RunProgress, from: [Int32: Offset],
    ends: [Int32: Offset]?, recordsPerSecond: Double?, ownRun: Int? = nil
  ) {
    self.recordsPerSecond = recordsPerSecond
    self.plan = plan
    self.consumer = consumer
    self.counts = counts
    self.progress = progress
    self.from = from
    self.ends = ends
    measuresEndToEnd = plan.command == .endToEnd
    check = RecordCheck(unpacking: plan.compressesEachMessage ? plan.codec : nil, ownRun: ownRun)
    order = plan.countsGlobalOrder ? GlobalOrder() : nil
    consumer.received = { [unowned self] in self.received($0, $1, $2) }
    consumer.answered = { [unowned self] in self.finishIfAtEnd() }
    consumer.failed = { [unowned self] error in
      self.counts.count { $0.addError(error) }
      self.progress.hasFailed.store(true, ordering: .relaxed)
    }
  }

  var integrity: IntegrityCounts { check.integrity.result }
  var outOfGlobalOrder: Int { order?.outOfOrder ?? 0 }
  var requests: Int { consumer.requests }
  var lagSeen: ClosedRange<Int64>? { consumer.lagSeen }
  var bytesSent: Int { consumer.bytesSent }
  var bytesReceived: Int { consumer.bytesReceived }

  func start() {
    firstNs = Clocks.monotonicNs()
    if let recordsPerSecond { keep(to: recordsPerSecond) }
    consumer.fetch()
    finishIfAtEnd()
  }

  func close() { consumer.close() }

  /// Fetches wait until the next record is due. An answer brings what it holds, so the pace is kept over answers.
  private func keep(to rate: Double) {
    let pacer = Pacer(startNs: firstNs, recordsPerSecond: rate)
    consumer.pauseNs = { [unowned self] in
      let dueNs = pacer.intendedNs(self.receivedRecords)
      let nowNs = Clocks.monotonicNs()
      return dueNs > nowNs ? dueNs - nowNs : 0
    }
  }

  /// Each fetch begins at an offset of its partition's range, drawn at random.
  func readAnywhere(in ranges: [Int32: Range<Offset>], seed: UInt64) {
    var random = SplitMix(seed: seed)
    consumer.place = { partition in
      guard let range = ranges[partition] else { return 0 }
      return range.lowerBound + random.below(range.upperBound - range.lowerBound)
    }
  }

  private func received(_ partition: Int32, _ batch: RecordBatch, _ atNs: UInt64) {
    lastNs = atNs
    let start = from[partition] ?? 0
    order?.look(at: batch, from: start)
    counts.count { counts in
      var count = Int(batch.header.count)
      var bytes = batch.body.readableBytes
      if plan.verifies {
        (count, bytes) = check.verify(
          batch, partition, from: start, &counts, endToEndAtNs: measuresEndToEnd ? atNs : nil)
      }
      counts.receivedRecords += count
      receivedRecords += count
      counts.receivedBytes += bytes
      counts.receivedBatchBytes += batch.sizeInBytes
      counts.receivedBatches += 1
      progress.received.add(count, ordering: .relaxed)
    }
    progress.lastReceivedNs.store(atNs, ordering: .relaxed)
  }

  private func finishIfAtEnd() {
    guard !isFinished, let ends else { return }
    for (partition, offset) in consumer.positions where offset < ends[partition] ?? 0 { return }
    isFinished = true
    progress.finishedWorkers.add(1, ordering: .relaxed)
  }

  /// Whether every partition of this consumer has been read to its end.
  func hasRead(to ends: [Int32: Offset]) -> Bool {
    consumer.positions.allSatisfy { partition, offset in offset >= ends[partition] ?? 0 }
  }

  /// Counts which of the records its producer was given never came, at the end of each stream.
  ///
  /// - Parameter ends: where the partitions' logs end; nil where nobody could say.
  func addMissing(_ stream: StreamID, given: UInt64, ends: [Int32: Offset]?) {
    let partition = Int32(stream.partition)
    let wasRead = ends?[partition].map { (consumer.positions[partition] ?? 0) >= $0 } ?? false
    check.integrity.addMissing(of: stream, upTo: given, wasRead: wasRead)
  }
}
