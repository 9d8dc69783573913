import Client
import Glibc
import Model
import NIOCore
import Synchronization
import TestSupport

/// The ledger that producers on their event loops and the test share.
final class SharedLedger: Sendable {
  private struct State {
    var ledger = DeliveryLedger()
    /// Batches.
    var acknowledged = 0
    var failures: [String] = []
    var act: (acknowledged: Int, body: @Sendable () -> Void)?
  }
  private let state = Mutex(State())

  var ledger: DeliveryLedger { state.withLock { $0.ledger } }
  /// Batches acknowledged so far.
  var acknowledged: Int { state.withLock { $0.acknowledged } }
  /// Batches that were given up, which none may be.
  var failures: [String] { state.withLock { $0.failures } }

  func give(_ count: Int, to stream: RecordStream) -> Range<Int> {
    state.withLock { $0.ledger.give(count, to: stream) }
  }

  /// Runs `body` on the event loop that gets the acknowledgement of so many more batches, with others under way.
  func afterAcknowledged(_ more: Int, _ body: @escaping @Sendable () -> Void) {
    state.withLock { $0.act = ($0.acknowledged + more, body) }
  }

  func take(_ delivery: Delivery, from producer: Int) {
    let body = state.withLock { state -> (@Sendable () -> Void)? in
      let stream = RecordStream(producer: producer, partition: delivery.partition)
      switch delivery.result {
      case .success(let offset): state.ledger.acknowledge(delivery.records, of: stream, at: offset)
      case .failure(let error): state.failures.append("\(stream): \(error)")
      }
      state.acknowledged += 1
      guard let act = state.act, state.acknowledged >= act.acknowledged else { return nil }
      state.act = nil
      return act.body
    }
    body?()
  }
}

/// An idempotent producer that is kept busy: whenever it may send one more batch it gets one, of some records for some
/// partition, until the batches it was allowed are used up. It keeps its id, epoch and sequences over every reconnect.
///
/// Confined to its event loop.
final class SteadyLoad {
  let producer: Producer
  private let index: Int
  private let ledger: SharedLedger
  private var seed: Seed
  /// Batches it may still send.
  private(set) var allowed = 0

  init(
    index: Int, _ identity: ProducerIdentity, _ metadata: Metadata, on eventLoop: any EventLoop, _ ledger: SharedLedger,
    seed: Seed
  ) {
    var settings = ProducerSettings(topic: metadata.topic)
    settings.identity = identity
    settings.acks = -1
    settings.deliveryTimeoutMs = 120_000
    producer = Producer(settings, metadata, on: eventLoop, now: Monotonic.nowNs) { broker, then in
      BrokerConnection.connect(to: broker.endpoint, on: eventLoop, ConnectionOptions(now: Monotonic.nowNs), then: then)
    }
    self.index = index
    self.ledger = ledger
    self.seed = seed
    producer.delivered = { [unowned self] delivery in
      ledger.take(delivery, from: index)
      fill()
    }
    producer.resumed = { [unowned self] in fill() }
  }

  func allow(_ batches: Int) {
    allowed += batches
    fill()
  }

  /// All it was allowed is sent and has been answered.
  var isDone: Bool { allowed == 0 && producer.unacknowledged == 0 }

  private func fill() {
    while allowed > 0 {
      let ready = (0..<producer.laneCount).filter { producer.batchesFree($0) > 0 }
      guard let lane = ready.randomElement(using: &seed) else { break }
      allowed -= 1
      send(lane)
    }
    producer.flush()
  }

  private func send(_ lane: Int) {
    let stream = RecordStream(producer: index, partition: producer.partition(ofLane: lane))
    // Mostly small batches, and some that take a good part of a segment.
    let most = Int.random(in: 0..<10, using: &seed) == 0 ? 60 : 12
    let numbers = ledger.give(Int.random(in: 1...most, using: &seed), to: stream)
    producer.fill(lane) { builder, _ in
      var bytes = 0
      for number in numbers {
        let value = stream.value(number)
        value.withUnsafeBytes { builder.append(timestamp: 1_700_000_000_000, key: nil, value: $0) }
        bytes += value.count
      }
      return bytes
    }
    do { try producer.seal(lane) } catch { preconditionFailure("\(error)") }
  }
}

enum Monotonic {
  @Sendable static func nowNs() -> UInt64 { NIODeadline.now().uptimeNanoseconds }
}
