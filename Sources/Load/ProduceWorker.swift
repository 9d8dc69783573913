import Base
import Client
import Compression
import Model
import NIOCore
import Synchronization

/// Produces over one connection: fills batches as fast as responses make room, or on schedule. Confined to its event loop;
/// works in time slices, so that the loop's other connections are served.
final class ProduceWorker {
  private let producer: Producer
  private let source: RecordSource
  private let counts: LoopCounts
  private let progress: RunProgress
  private let eventLoop: any EventLoop
  private let lingerNs: UInt64
  /// This worker's share of the schedule, from `start` on; nil without a schedule.
  private var pacer: Pacer?
  /// The number of records this worker may still append.
  private var left: Int
  private var endNs: UInt64?
  private let plan: LoadPlan
  private let index: Int
  private var appended = 0
  private var lane: Int
  /// The lane of the next record, with `--partitioner round-robin`.
  private var turn = 0
  private var isStopping = false
  /// The run ends: nothing more is sent, even where the records of an aborted transaction are missing.
  private var isEnding = false
  private var isStepping = false, isStepQueued = false
  private var isFinished = false
  /// Whether sending waits for a response: lateness from now on is not the generator's.
  private var isBlocked = false
  /// Sending waits for compression only: lateness is the generator's all the same.
  private var isCompressionLate = false
  private var wake: Scheduled<Void>?
  private var wakeNs = UInt64.max
  /// The times of the first request and the last response.
  private(set) var firstNs: UInt64 = 0, lastNs: UInt64 = 0
  /// The transactions that the records are produced in; nil without.
  private var transactions: (producer: TransactionalProducer, schedule: TransactionSchedule)?

  /// - Parameter index: the index among the run's connections, which share its records and schedule evenly.
  init(
    _ plan: LoadPlan, producer: Producer, source: RecordSource, counts: LoopCounts, progress: RunProgress,
    on eventLoop: any EventLoop, index: Int
  ) {
    self.producer = producer
    self.source = source
    self.counts = counts
    self.progress = progress
    self.eventLoop = eventLoop
    self.plan = plan
    self.index = index
    left = plan.recordCount.map { $0 / plan.connections + (index < $0 % plan.connections ? 1 : 0) } ?? .max
    lingerNs = UInt64(plan.lingerMs * 1e6)
    // Connections begin at different partitions, to spread the first batches.
    lane = index % producer.laneCount
    producer.delivered = { [unowned self] in self.delivered($0) }
    producer.settled = { [unowned self] in self.step() }
    producer.resumed = { [unowned self] in self.step() }
  }

  var retries: Int { producer.retries }
  var requests: Int { producer.requests }
  var bytesSent: Int { producer.bytesSent }
  var bytesReceived: Int { producer.bytesReceived }
  var valueBytes: (made: Int, packed: Int) { (source.valueBytes, source.packedValueBytes) }
  /// The number of records appended to each partition.
  var given: [(partition: Int32, count: UInt64)] {
    source.sequences.indices.map { (producer.partition(ofLane: $0), source.sequences[$0]) }
  }

  /// Produces in transactions, each of which is ended before the next begins.
  func produce(by producer: TransactionalProducer, in schedule: TransactionSchedule) {
    transactions = (producer, schedule)
  }

  var transactionFigures: TransactionFigures { transactions?.schedule.figures ?? TransactionFigures() }

  /// Begins a run whose first record is due at `startNs`, the same for all connections.
  func start(at startNs: UInt64) {
    firstNs = startNs
    pacer = plan.throughput.map { rate in
      Pacer(startNs: startNs + UInt64(Double(index) * 1e9 / rate), recordsPerSecond: rate / Double(plan.connections))
    }
    endNs = plan.durationSeconds.map { startNs + UInt64($0 * 1e9) }
    step()
  }

  /// Stops sending new records; batches in flight are still awaited.
  func stop() {
    isEnding = true
    isStopping = true
    step()
  }

  func close() {
    wake?.cancel()
    producer.close()
  }

  // MARK: One time slice

  /// Appends due records, seals batches that are full or have lingered, sends them, and schedules the next slice.
  private func step() {
    guard !isFinished else { return }
    // With acks=0 a flush may complete at once and call this again: without the guard, recursion.
    guard !isStepping else {
      if !isStepQueued {
        isStepQueued = true
        eventLoop.assumeIsolated().execute { [weak self] in
          self?.isStepQueued = false
          self?.step()
        }
      }
      return
    }
    isStepping = true
    defer { isStepping = false }
    let nowNs = Clocks.monotonicNs()
    if left == 0 || (endNs.map { nowNs >= $0 } ?? false) { isStopping = true }
    do throws(CompressionError) {
      if !isStopping {
        beginTransaction(nowNs)
        if let pacer {
          try appendDue(pacer, nowNs)
        } else {
          try appendAll(nowNs)
        }
        if left == 0 { isStopping = true }
      }
      try sealLingered(nowNs)
    } catch {
      preconditionFailure("the codec refused a batch: \(error)")
    }
    producer.flush()
    endTransactionIfDone()
    finishIfDone()
    scheduleNext()
  }

  // MARK: Transactions

  /// The records that may be appended now.
  private var room: Int { min(left, transactions?.schedule.room ?? .max) }

  private func beginTransaction(_ nowNs: UInt64) {
    guard transactions?.schedule.isBetween == true, left > 0 else { return }
    transactions?.schedule.begin(at: nowNs)
    transactions?.producer.begin()
    source.mark()
  }

  /// Ends the transaction when its records, or the last ones before a stop, are acknowledged.
  private func endTransactionIfDone() {
    guard let schedule = transactions?.schedule, schedule.isOpen, schedule.room == 0 || isStopping else { return }
    // Lateness until the next transaction is not the generator's.
    isBlocked = true
    guard producer.unacknowledged == 0 else { return }
    transactions?.schedule.end()
    transactions?.producer.end(commits: schedule.commits) { [weak self] in self?.ended($0) }
  }

  private func ended(_ result: Result<Bool, ClientError>) {
    lastNs = Clocks.monotonicNs()
    switch result {
    case .failure(let error):
      counts.count { $0.addError(error) }
      (isEnding, isStopping) = (true, true)
      transactions?.schedule.failed()
    case .success(let isCommitted):
      let count = transactions?.schedule.ended(isCommitted: isCommitted, at: lastNs) ?? 0
      guard !isCommitted else { break }
      source.rewind()
      // Its records are to be sent again.
      left += count
      isStopping = isEnding
      if plan.readsCommitted { progress.produced.subtract(count, ordering: .relaxed) }
    }
    step()
  }

  /// Fills batches while any leader may get one.
  private func appendAll(_ nowNs: UInt64) throws(CompressionError) {
    let timestampMs = Clocks.wallMs()
    while room > 0, let lane = laneWithRoom() {
      if source.isOneByOne {
        try appendOneByOne(upTo: min(1000, room), nowNs, timestampMs)
      } else {
        try append(upTo: room, lane, nowNs, timestampMs, intended: nil)
      }
    }
  }

  private func appendDue(_ pacer: Pacer, _ nowNs: UInt64) throws(CompressionError) {
    var due = min(pacer.due(at: nowNs) - appended, room)
    guard due > 0 else {
      // Nothing is late after a transaction whose end took less than an interval: the schedule wakes the worker again.
      if room > 0 { isBlocked = false }
      return
    }
    note(lateness: nowNs - min(nowNs, pacer.intendedNs(appended)))
    let timestampMs = Clocks.wallMs()
    while due > 0 {
      guard let lane = laneWithRoom() else {
        isBlocked = true
        isCompressionLate = !producer.awaitsResponses
        return
      }
      let before = appended
      if source.isOneByOne {
        try appendOneByOne(upTo: due, nowNs, timestampMs)
      } else {
        try append(upTo: due, lane, nowNs, timestampMs, intended: pacer)
      }
      due -= appended - before
    }
    (isBlocked, isCompressionLate) = (false, false)
  }

  private func note(lateness: UInt64) {
    counts.count {
      $0.backlogMaxNs = max($0.backlogMaxNs, lateness)
      if !isBlocked || isCompressionLate {
        $0.scheduleLagMaxNs = max($0.scheduleLagMaxNs, lateness)
        // A wake-up within the clock's resolution is on time.
        $0.lag.record(from: 0, to: max(1, lateness))
      }
    }
  }

  /// Returns the lane (partition queue) to fill: the same until its batch is sealed, then the next; nil when no leader may get more.
  private func laneWithRoom() -> Int? {
    for _ in 0..<producer.laneCount {
      if producer.batchesFree(lane) > 0 { return lane }
      guard producer.hasFreeBatch else { return nil }
      lane = (lane + 1) % producer.laneCount
    }
    return nil
  }

  /// Fills the open batch of `lane`, and seals it when it is full.
  private func append(
    upTo limit: Int, _ lane: Int, _ nowNs: UInt64, _ timestampMs: Int64, intended pacer: Pacer?
  ) throws(CompressionError) {
    var count = 0
    let source = source
    let first = appended
    producer.fill(lane, at: nowNs) { builder, times in
      let before = source.packedValueBytes
      if let pacer {
        while count < limit {
          let timeNs = pacer.intendedNs(first + count)
          let more = source.append(upTo: 1, lane: lane, timeNs: timeNs, timestampMs: timestampMs, to: &builder)
          if more == 0 { break }
          times.append(timeNs)
          count += 1
        }
      } else {
        count = source.append(upTo: limit, lane: lane, timeNs: nowNs, timestampMs: timestampMs, to: &builder)
      }
      return source.packedValueBytes - before
    }
    took(count)
    if count < limit || producer.isFull(lane, valueBytes: source.valueBytesEach) {
      try producer.seal(lane, at: nowNs)
      self.lane = (lane + 1) % producer.laneCount
    }
  }

  /// Appends records that are partitioned by key, or whose values are compressed alone, until `limit` or until no leader may
  /// get another batch.
  private func appendOneByOne(upTo limit: Int, _ nowNs: UInt64, _ timestampMs: Int64) throws(CompressionError) {
    var count = 0
    while count < min(limit, left + count) {
      let key = source.nextKey()
      let chosen = chosenLane(key)
      let lane = chosen ?? self.lane
      let timeNs = pacer?.intendedNs(appended) ?? nowNs
      if producer.isFull(lane, valueBytes: source.valueBytesEach, keyBytes: key?.count ?? 0) {
        try producer.seal(lane)
        if chosen == nil { self.lane = (lane + 1) % producer.laneCount }
      }
      appendOne(chosen ?? self.lane, key, timeNs, timestampMs)
      count += 1
      took(1)
      guard producer.hasFreeBatch else { break }
    }
  }

  /// The lane of the next record, whatever the lane of the one before; nil for the lane whose batch is being filled.
  private func chosenLane(_ key: UnsafeRawBufferPointer?) -> Int? {
    if let key { return Int(KeyHash.partition(forKey: key, of: Int32(producer.laneCount))) }
    guard source.isRoundRobin else { return nil }
    defer { turn = (turn + 1) % producer.laneCount }
    return turn
  }

  private func appendOne(_ lane: Int, _ key: UnsafeRawBufferPointer?, _ timeNs: UInt64, _ timestampMs: Int64) {
    let source = source
    producer.fill(lane) { builder, times in
      guard
        let bytes = source.appendOne(lane: lane, key: key, timeNs: timeNs, timestampMs: timestampMs, to: &builder)
      else { preconditionFailure("a batch that was not full had no room") }
      if pacer != nil { times.append(timeNs) }
      return bytes
    }
  }

  private func took(_ count: Int) {
    appended += count
    left -= count
    transactions?.schedule.took(count)
  }

  /// Seals batches that have lingered; at the end of the run, all open batches.
  private func sealLingered(_ nowNs: UInt64) throws(CompressionError) {
    // Without a schedule batches are sent when full; a partial one would only mark the end of a slice.
    let endsTransaction = transactions.map { $0.schedule.isOpen && $0.schedule.room == 0 } ?? false
    let sealsAll = isStopping || endsTransaction
    guard sealsAll || pacer != nil else { return }
    for lane in source.isOneByOne ? Array(0..<producer.laneCount) : [self.lane] {
      guard let opened = producer.openedNs(lane), sealsAll || nowNs >= opened + lingerNs else { continue }
      try producer.seal(lane)
      if lane == self.lane { self.lane = (lane + 1) % producer.laneCount }
    }
  }

  // MARK: Responses

  private func delivered(_ delivery: Delivery) {
    lastNs = delivery.doneNs
    counts.count { counts in
      switch delivery.result {
      case .failure(let error):
        counts.addError(error)
      case .success:
        counts.records += delivery.records
        progress.produced.add(delivery.records, ordering: .relaxed)
        counts.payloadBytes += delivery.payloadBytes
        counts.plainBytes += delivery.plainBytes
        counts.batchBytes += delivery.sentBytes
        counts.batches += 1
        counts.service.record(from: delivery.sentNs, to: delivery.doneNs, records: delivery.records)
        for intended in delivery.intendedNs { counts.response.record(from: intended, to: delivery.doneNs) }
      }
    }
    // An error that is not retriable would meet every later batch as well.
    if case .failure = delivery.result { (isEnding, isStopping) = (true, true) }
  }

  private func finishIfDone() {
    guard isStopping, producer.unacknowledged == 0, !isFinished, transactions?.schedule.isBetween ?? true else {
      return
    }
    isFinished = true
    wake?.cancel()
    if lastNs == 0 { lastNs = Clocks.monotonicNs() }
    // Each record has an interval of the schedule, including the last: ten at one per second take ten seconds, not nine.
    if let pacer, left == 0 { lastNs = max(lastNs, pacer.intendedNs(appended)) }
    progress.finishedWorkers.add(1, ordering: .relaxed)
  }

  // MARK: Time

  /// Schedules the next wake-up: for the next due record, the end of a linger, or the end of the run.
  private func scheduleNext() {
    guard !isFinished, !isStopping else { return }
    var nextNs = endNs ?? .max
    if let pacer {
      // When blocked, the next response wakes the worker.
      if !isBlocked { nextNs = min(nextNs, pacer.intendedNs(appended)) }
      for lane in source.isOneByOne ? Array(0..<producer.laneCount) : [self.lane] {
        if let opened = producer.openedNs(lane) { nextNs = min(nextNs, opened + lingerNs) }
      }
    }
    guard nextNs != .max, nextNs != wakeNs else { return }
    wake?.cancel()
    wakeNs = nextNs
    wake = eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(nextNs)) { [weak self] in
      self?.wakeNs = .max
      self?.step()
    }
  }
}
