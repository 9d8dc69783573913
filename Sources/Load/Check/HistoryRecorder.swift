import Base
import Client
import Histories
import Model
import NIOCore

/// Records what the clients of a run do, in the order in which they do it. Confined to the event loop that all of them share, so that
/// the order of the events is the order in which they happened.
final class HistoryRecorder {
  private(set) var history = History()
  /// Records that no producer of the run made, and batches whose checksum is wrong.
  private(set) var foreignRecords = 0, damagedBatches = 0
  /// Clients that failed with an error that retries do not mend; the first errors in words.
  private(set) var failures = 0
  private(set) var failureWords: [String] = []
  let mark: UInt64
  private let startNs: UInt64
  private var processes = 0
  private static let failuresKept = 5

  /// - Parameter mark: the run's own, which is in each of its records.
  init(mark: UInt64, startNs: UInt64) {
    self.mark = mark
    self.startNs = startNs
  }

  /// Whether a run should end, because its history has come to its limit.
  var isFull: Bool { history.events.count >= CheckPlan.Limits.events }

  /// Begins another process.
  func newProcess() -> Int {
    processes += 1
    precondition(processes <= RecordID.processMax, "a run has more processes than a record's name can tell apart")
    return processes
  }

  func note(_ process: Int, _ action: History.Action) {
    history.append(History.Event(timeNs: Clocks.monotonicNs() - startNs, process: process, action))
  }

  func noteFailure(_ what: String, _ error: ClientError) {
    failures += 1
    if failureWords.count < Self.failuresKept { failureWords.append("\(what): \(error)") }
  }

  func noteDamage() { damagedBatches += 1 }

  /// Notes the records of a batch, from `start` on: a fetch from the middle of a batch returns all of it.
  func note(_ process: Int, polled batch: RecordBatch, of partition: Int32, from start: Offset) {
    var runs: [RecordRun] = []
    do {
      try batch.forEachRecord { record in
        guard record.offset >= start else { return }
        guard let name = CheckValue.read(record.value, mark: mark) else {
          foreignRecords += 1
          return
        }
        guard runs.isEmpty || !runs[runs.count - 1].extend(by: name, at: record.offset) else { return }
        runs.append(RecordRun(offset: record.offset, first: name, count: 1))
      }
    } catch {
      damagedBatches += 1
    }
    if !runs.isEmpty { note(process, .poll(partition, runs)) }
  }
}

/// What the clients of a run share. Confined to their event loop.
final class CheckScene {
  let plan: CheckPlan
  /// The leaders of the partitions, as last heard of.
  private(set) var metadata: Metadata
  private var lookups = 0
  let recorder: HistoryRecorder
  let eventLoop: any EventLoop
  /// Gets the partition of each batch that is acknowledged, and the time on the monotonic clock.
  var wrote: (_ partition: Int32, _ atNs: UInt64) -> Void = { _, _ in }
  private let options: ConnectionOptions

  typealias Connect = (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void

  init(
    _ plan: CheckPlan, _ metadata: Metadata, _ recorder: HistoryRecorder, on eventLoop: any EventLoop,
    _ options: ConnectionOptions
  ) {
    self.plan = plan
    self.metadata = metadata
    self.recorder = recorder
    self.eventLoop = eventLoop
    self.options = options
  }

  /// - Parameter extraMs: what a response may take beyond the request timeout.
  func connector(extraMs: Int = 0) -> Connect {
    let eventLoop = eventLoop
    var options = options
    options.requestTimeoutMs += extraMs
    return { broker, then in BrokerConnection.connect(to: broker.endpoint, on: eventLoop, options, then: then) }
  }

  /// Keeps the metadata new, as clients do: a session begins with the leaders that there are then.
  func followLeaders() {
    lookups += 1
    LeaderLookup.ask(metadata.topic, metadata.brokers(from: lookups), by: connector()) { [weak self] found in
      guard let self else { return }
      if let found { self.metadata = found }
      self.after(Self.metadataMs) { [weak self] in self?.followLeaders() }
    }
  }

  private static let metadataMs = 500

  func after(_ milliseconds: Int, _ body: @escaping () -> Void) {
    eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(milliseconds))) { body() }
  }

  /// Producers of a run retry for as long as it may last, so that a batch is given up only when its session ends.
  var deliveryTimeoutMs: Int { Int((plan.durationSeconds + plan.patienceSeconds) * 1000) }
}

/// A client of a run: it has one session after the other until it is stopped.
protocol CheckClient: AnyObject {
  /// What it is, for a report.
  var name: String { get }
  func start()
  /// Begins nothing new, and ends what is under way.
  func stop()
  /// Whether nothing is under way any more after `stop`.
  var isDone: Bool { get }
  func close()
}
