import Base
import Client
import Model
import NIOCore
import Synchronization

/// Shares the progress of a run's workers across event loops. Updated once per batch.
final class RunProgress: Sendable {
  let received = Atomic<Int>(0)
  let finishedWorkers = Atomic<Int>(0)
  /// The number of records acknowledged.
  let produced = Atomic<Int>(0)
  let lastReceivedNs = Atomic<UInt64>(0)
  /// The latest time until which a reader waits for its own pace.
  private let pacedUntilNs = Atomic<UInt64>(0)
  /// Whether an error ends the run.
  let hasFailed = Atomic<Bool>(false)

  /// Notes that a reader holds records back until a time, as its pace demands.
  func wait(until ns: UInt64) { pacedUntilNs.max(ns, ordering: .relaxed) }

  /// Returns whether no record has arrived for a time, during which no reader held one back.
  func isQuiet(for timeoutNs: UInt64, sinceNs: UInt64, nowNs: UInt64) -> Bool {
    let lastNs = max(lastReceivedNs.load(ordering: .relaxed), pacedUntilNs.load(ordering: .relaxed), sinceNs)
    return nowNs - min(nowNs, lastNs) > timeoutNs
  }
}

/// Consumes over one connection: reads its partitions and checks every record. Confined to its event loop.
final class ConsumeWorker {
  private let consumer: Consumer
  private let counts: LoopCounts
  private let progress: RunProgress
  private let plan: LoadPlan
  /// Where reading of each partition began, for the last time.
  private var from: [Int32: Offset]
  private var group: GroupConsumer?
  /// The number of the fan-out copy, which with a group is the group's.
  let copy: Int
  /// Where, and since when, each partition that a group assigned is read.
  private var assigned: [Int32: (from: Offset, fromNs: UInt64)] = [:]
  /// What was read of such partitions until they were given up.
  private(set) var spans: [ReadSpan] = []
  /// The end offset of each partition for this run; nil without one.
  private let ends: [Int32: Offset]?
  private let recordsPerSecond: Double?
  private let measuresEndToEnd: Bool
  private(set) var receivedRecords = 0
  private var check: RecordCheck
  private var order: GlobalOrder?
  private var keys: KeyCheck?
  private var isFinished = false
  private(set) var firstNs: UInt64 = 0, lastNs: UInt64 = 0

  /// - Parameters:
  ///   - recordsPerSecond: the most records per second; nil for no limit.
  ///   - ownRun: the run whose streams are read from their first record.
  ///   - partitions: the number of the topic's partitions.
  init(
    _ plan: LoadPlan, consumer: Consumer, counts: LoopCounts, progress: RunProgress, from: [Int32: Offset],
    ends: [Int32: Offset]?, recordsPerSecond: Double?, ownRun: Int? = nil, copy: Int = 0, partitions: Int
  ) {
    self.copy = copy
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
    keys = plan.checksKeys ? KeyCheck(partitions: partitions) : nil
    consumer.received = { [unowned self] in self.received($0, $1, $2) }
    consumer.damaged = { [unowned self] in self.receivedDamaged($0, $1, $2) }
    consumer.answered = { [unowned self] in self.finishIfAtEnd() }
    consumer.failed = { [unowned self] in self.fail($0) }
  }

  var integrity: IntegrityCounts { check.integrity.result }
  var outOfGlobalOrder: Int { order?.outOfOrder ?? 0 }
  var offsetsNotRising: Int { order?.offsetsNotRising ?? 0 }
  var misplacedKeys: Int { keys?.misplaced ?? 0 }
  var reading: CopyReading {
    CopyReading(copy: copy, records: receivedRecords, firstNs: firstNs, lastNs: lastNs)
  }
  var requests: Int { consumer.requests }
  var lagSeen: ClosedRange<Int64>? { consumer.lagSeen }
  /// The records of aborted transactions that were skipped.
  var abortedRecords: Int { consumer.abortedRecords }
  var bytesSent: Int { consumer.bytesSent }
  var bytesReceived: Int { consumer.bytesReceived }

  func start() {
    if let group { return group.start() }
    begin()
    consumer.fetch()
    finishIfAtEnd()
  }

  private func begin() {
    firstNs = Clocks.monotonicNs()
    if let recordsPerSecond { keep(to: recordsPerSecond) }
  }

  /// Reads what a group assigns. The run's time begins with the first assignment.
  func read(as group: GroupConsumer) {
    self.group = group
    firstNs = .max
    group.assigned = { [unowned self] offsets in
      if self.firstNs == .max { self.begin() }
      for (partition, offset) in offsets { self.begin(partition, at: offset) }
    }
    group.revoked = { [unowned self] offsets in
      for (partition, offset) in offsets { self.end(partition, at: offset) }
    }
    group.failed = { [unowned self] in self.fail($0) }
  }

  private func begin(_ partition: Int32, at offset: Offset) {
    from[partition] = offset
    assigned[partition] = (offset, Clocks.monotonicNs())
    // Other members may have read it meanwhile.
    check.integrity.beginAgain(in: Int(partition))
    order?.beginAgain(in: partition)
  }

  private func end(_ partition: Int32, at offset: Offset) {
    guard let begun = assigned.removeValue(forKey: partition) else { return }
    spans.append(
      ReadSpan(
        group: copy, partition: partition, from: begun.from, to: offset, fromNs: begun.fromNs,
        toNs: Clocks.monotonicNs()))
  }

  func fail(_ error: ClientError) {
    counts.count { $0.addError(error) }
    progress.hasFailed.store(true, ordering: .relaxed)
  }

  func close() { consumer.close() }

  /// Limits the rate: a batch is read when the interval of its last record is over, so the rate is never above `rate` by
  /// more than a timer's millisecond.
  private func keep(to rate: Double) {
    let pacer = Pacer(startNs: firstNs, recordsPerSecond: rate)
    consumer.pauseNs = { [unowned self] count in
      let dueNs = pacer.intendedNs(self.receivedRecords + count)
      let nowNs = Clocks.monotonicNs()
      guard dueNs > nowNs else { return 0 }
      self.progress.wait(until: dueNs)
      return dueNs - nowNs
    }
  }

  /// Makes each fetch begin at a random offset of its partition's range.
  func readAnywhere(in ranges: [Int32: Range<Offset>], seed: UInt64) {
    var random = SplitMix(seed: seed)
    consumer.nextOffset = { partition in
      guard let range = ranges[partition] else { return 0 }
      return range.lowerBound + random.below(range.upperBound - range.lowerBound)
    }
  }

  private func received(_ partition: Int32, _ batch: RecordBatch, _ atNs: UInt64) {
    lastNs = atNs
    let start = from[partition] ?? 0
    order?.look(at: batch, partition, from: start)
    keys?.look(at: batch, partition, from: start)
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

  /// Counts the records of a batch whose checksum is wrong as corrupt, by the offsets in its header.
  private func receivedDamaged(_ partition: Int32, _ header: RecordBatchHeader, _ atNs: UInt64) {
    lastNs = atNs
    let count = max(1, header.nextOffset - max(header.baseOffset, from[partition] ?? 0))
    check.integrity.receivedCorrupt(in: Int(partition), count: count)
    counts.count { counts in
      counts.receivedRecords += count
      counts.receivedBatchBytes += header.sizeInBytes
      counts.receivedBatches += 1
    }
    receivedRecords += count
    progress.received.add(count, ordering: .relaxed)
    progress.lastReceivedNs.store(atNs, ordering: .relaxed)
  }

  private func finishIfAtEnd() {
    guard !isFinished, let ends else { return }
    for (partition, offset) in consumer.positions where offset < ends[partition] ?? 0 { return }
    isFinished = true
    progress.finishedWorkers.add(1, ordering: .relaxed)
  }

  /// Returns whether every partition of this consumer has been read to its end.
  func hasRead(to ends: [Int32: Offset]) -> Bool {
    consumer.positions.allSatisfy { partition, offset in offset >= ends[partition] ?? 0 }
  }

  /// Counts the records missing at the end of a stream, of which its producer sent `given`.
  ///
  /// - Parameter ends: the partitions' log ends; nil if ListOffsets failed.
  func addMissing(_ stream: StreamID, given: UInt64, ends: [Int32: Offset]?) {
    let partition = Int32(stream.partition)
    let wasRead = ends?[partition].map { (consumer.positions[partition] ?? 0) >= $0 } ?? false
    check.integrity.addMissing(of: stream, upTo: given, wasRead: wasRead)
  }
}
