import Base
import Client
import Compression
import Model
import NIOCore
import Synchronization

/// One connection's producing: fills batches as fast as answers make room, or as the schedule says. Confined to its event
/// loop; works in slices, so that the loop's other connections get their turns.
final class ProduceWorker {
  private let producer: Producer
  private let source: RecordSource
  private let counts: LoopCounts
  private let progress: RunProgress
  private let eventLoop: any EventLoop
  private let lingerNs: UInt64
  /// This worker's share of the schedule, from `start` on; nil: as fast as possible.
  private var pacer: Pacer?
  /// Records this worker may still append.
  private var left: Int
  private var endNs: UInt64?
  private let plan: Plan
  private let index: Int
  private var appended = 0
  private var lane: Int
  private var isStopping = false
  private var isStepping = false, isStepQueued = false
  private var isFinished = false
  /// No request may leave until an answer comes: lateness from now on is not the generator's.
  private var isBlocked = false
  private var wake: Scheduled<Void>?
  private var wakeNs = UInt64.max
  /// When the first request left and the last answer came.
  private(set) var firstNs: UInt64 = 0, lastNs: UInt64 = 0

  /// - Parameter index: of the run's connections, which share its records and its schedule evenly.
  init(
    _ plan: Plan, producer: Producer, source: RecordSource, counts: LoopCounts, progress: RunProgress,
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
    // Connections begin at different partitions, so that the first batches do not all go to one.
    lane = index % producer.laneCount
    producer.delivered = { [unowned self] in self.delivered($0) }
    producer.resumed = { [unowned self] in self.step() }
  }

  var retries: Int { producer.retries }
  var requests: Int { producer.requests }
  var bytesSent: Int { producer.bytesSent }
  var bytesReceived: Int { producer.bytesReceived }
  var valueBytes: (made: Int, packed: Int) { (source.valueBytes, source.packedValueBytes) }
  /// How many records each lane was given, by partition.
  var given: [(partition: Int32, count: UInt64)] {
    source.sequences.indices.map { (producer.partition(ofLane: $0), source.sequences[$0]) }
  }

  /// Begins a run whose first record is due at `startNs`, the same for all connections.
  func start(at startNs: UInt64) {
    firstNs = startNs
    pacer = plan.throughput.map { rate in
      Pacer(startNs: startNs + UInt64(Double(index) * 1e9 / rate), recordsPerSecond: rate / Double(plan.connections))
    }
    endNs = plan.durationSeconds.map { startNs + UInt64($0 * 1e9) }
    step()
  }

  /// Sends nothing new; what is in flight is still awaited.
  func stop() {
    isStopping = true
    step()
  }

  func close() {
    wake?.cancel()
    producer.close()
  }

  // MARK: One slice

  /// Appends what is due, seals what is full or has lingered, sends, and arranges for the next slice.
  private func step() {
    guard !isFinished else { return }
    // With acks=0 the system may take a batch while it is being flushed, which would come back here, deeper each time.
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
    finishIfDone()
    scheduleNext()
  }

  /// Fills every slot there is.
  private func appendAll(_ nowNs: UInt64) throws(CompressionError) {
    let timestampMs = Clocks.wallMs()
    while left > 0, let lane = laneWithSlot() {
      if source.isOneByOne {
        try appendOneByOne(upTo: 1000, nowNs, timestampMs)
      } else {
        try append(upTo: left, lane, nowNs, timestampMs, intended: nil)
      }
    }
  }

  private func appendDue(_ pacer: Pacer, _ nowNs: UInt64) throws(CompressionError) {
    var due = min(pacer.due(at: nowNs) - appended, left)
    guard due > 0 else { return }
    note(lateness: nowNs - min(nowNs, pacer.intendedNs(appended)))
    let timestampMs = Clocks.wallMs()
    while due > 0 {
      guard let lane = laneWithSlot() else {
        isBlocked = true
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
    isBlocked = false
  }

  private func note(lateness: UInt64) {
    counts.count {
      $0.backlogMaxNs = max($0.backlogMaxNs, lateness)
      if !isBlocked {
        $0.scheduleLagMaxNs = max($0.scheduleLagMaxNs, lateness)
        // A wake-up within the clock's step is no negative latency: it is on time.
        $0.lag.record(from: 0, to: max(1, lateness))
      }
    }
  }

  /// The lane to fill now: the same until its batch is sealed, then the next; nil when no leader may be sent more.
  private func laneWithSlot() -> Int? {
    for _ in 0..<producer.laneCount {
      if producer.slots(lane) > 0 { return lane }
      guard producer.hasSlot else { return nil }
      lane = (lane + 1) % producer.laneCount
    }
    return nil
  }

  /// Fills the lane's batch, and seals it when it is full.
  private func append(
    upTo limit: Int, _ lane: Int, _ nowNs: UInt64, _ timestampMs: Int64, intended pacer: Pacer?
  ) throws(CompressionError) {
    var count = 0
    let source = source
    let first = appended
    producer.fill(lane) { builder, times in
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
      try producer.seal(lane)
      self.lane = (lane + 1) % producer.laneCount
    }
  }

  /// Appends records whose partition is their key's, or whose values are compressed alone, until `limit` or until a sealed
  /// batch has taken the last slot.
  private func appendOneByOne(upTo limit: Int, _ nowNs: UInt64, _ timestampMs: Int64) throws(CompressionError) {
    var count = 0
    while count < min(limit, left + count) {
      let key = source.nextKey()
      let lane = key.map { Int(KeyHash.partition(forKey: $0, of: Int32(producer.laneCount))) } ?? self.lane
      let timeNs = pacer?.intendedNs(appended) ?? nowNs
      if producer.isFull(lane, valueBytes: source.valueBytesEach, keyBytes: key?.count ?? 0) {
        try producer.seal(lane)
        if key == nil { self.lane = (lane + 1) % producer.laneCount }
      }
      appendOne(key.map { _ in lane } ?? self.lane, key, timeNs, timestampMs)
      count += 1
      took(1)
      guard producer.hasSlot else { break }
    }
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
  }

  /// Seals open batches that have waited long enough; all of them at the end of the run.
  private func sealLingered(_ nowNs: UInt64) throws(CompressionError) {
    // As fast as possible, batches are sent when they are full: a part of one would be sent only because it was cut.
    guard isStopping || pacer != nil else { return }
    for lane in source.isOneByOne ? Array(0..<producer.laneCount) : [self.lane] {
      guard let opened = producer.openedNs(lane), isStopping || nowNs >= opened + lingerNs else { continue }
      try producer.seal(lane)
      if lane == self.lane { self.lane = (lane + 1) % producer.laneCount }
    }
  }

  // MARK: What comes back

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
    // A refusal that will not pass would meet every batch after it as well.
    if case .failure = delivery.result { isStopping = true }
    step()
  }

  private func finishIfDone() {
    guard isStopping, producer.unacknowledged == 0, !isFinished else { return }
    isFinished = true
    wake?.cancel()
    if lastNs == 0 { lastNs = Clocks.monotonicNs() }
    // Each record has an interval of the schedule, the last one too: ten at one a second take ten seconds, not nine.
    if let pacer, left == 0 { lastNs = max(lastNs, pacer.intendedNs(appended)) }
    progress.finishedWorkers.add(1, ordering: .relaxed)
  }

  // MARK: Time

  /// Wakes for the next record's time, the next linger's end, or the end of the run, whichever is first.
  private func scheduleNext() {
    guard !isFinished, !isStopping else { return }
    var nextNs = endNs ?? .max
    if let pacer {
      // Blocked, the next answer is what to wait for.
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
