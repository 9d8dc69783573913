import Base
import Client
import Compression
import Foundation
import Model
import Synchronization
import Wire

/// Writes numbered records to every partition of a topic, batch after batch, and remembers which were acknowledged.
///
/// A batch that is not acknowledged is written again, at the broker that leads then, with the same numbers: a record can be there twice and
/// is one all the same. `Ledger` says in the end which acknowledged records are gone.
final class Writer {
  enum Limits {
    static let patienceMs = 3_000
    static let timeoutMs: Int32 = 2_000
    static let retryMs: Int64 = 10
    static let bytesMin = 8
  }

  struct Settings: Sendable {
    var topic: String
    var partitions: Int
    /// 1 or -1.
    var acks: Int16
    /// Of a batch to one partition.
    var records: Int
    var recordBytes: Int
    /// Between batches; 0: as fast as they are acknowledged.
    var pauseMs: Int64 = 0
  }

  /// A partition's numbers.
  struct Ledger: Equatable, Sendable {
    /// The batches that were acknowledged, by their first number.
    var acknowledged: Set<Int> = []
    var next = 0
    var lastMs: Double?
    /// The longest time without an acknowledgement, and when it ended.
    var longestMs = 0.0
  }

  private let workers = Workers()
  private let settings: Settings
  private let shared: Shared

  private final class Shared: Sendable {
    let ledgers: Mutex<[Ledger]>
    init(_ count: Int) { ledgers = Mutex(Array(repeating: Ledger(), count: count)) }
  }

  /// Begins to write, a thread a partition.
  init(_ settings: Settings, at places: [BrokerID: Endpoint]) {
    self.settings = settings
    shared = Shared(settings.partitions)
    for partition in 0..<settings.partitions {
      let shared = shared
      workers.start { isOver in Self.write(partition, settings, places, shared, isOver) }
    }
  }

  func stop() { workers.stop() }

  var ledgers: [Ledger] { shared.ledgers.withLock { $0 } }
  var acknowledgedRecords: Int { ledgers.reduce(0) { $0 + $1.acknowledged.count } * settings.records }

  /// Forgets the waits so far.
  func begin() {
    shared.ledgers.withLock { ledgers in
      for index in ledgers.indices { ledgers[index].longestMs = 0 }
    }
  }

  /// Records that were acknowledged and are not among `found`, the numbers that were read of each partition.
  static func lost(_ ledgers: [Ledger], records: Int, found: [Set<Int>]) -> Int {
    zip(ledgers, found).reduce(0) { sum, pair in
      sum + pair.0.acknowledged.reduce(0) { $0 + ($1..<$1 + records).count { !pair.1.contains($0) } }
    }
  }

  private static func write(
    _ partition: Int, _ settings: Settings, _ places: [BrokerID: Endpoint], _ shared: Shared, _ isOver: StopSign
  ) {
    var connections: [BrokerID: BlockingConnection] = [:]
    var order = places.keys.sorted()
    var first = 0
    while !isOver.isRaised {
      guard let batch = try? batch(from: first, settings) else { return }
      var isAcknowledged = false
      while !isAcknowledged, !isOver.isRaised {
        // The broker that took the last one first.
        for id in order {
          isAcknowledged = offer(batch, partition, settings, to: id, places, &connections)
          guard isAcknowledged else { continue }
          order = [id] + order.filter { $0 != id }
          break
        }
        if !isAcknowledged { Clocks.nap(milliseconds: Limits.retryMs) }
      }
      guard isAcknowledged else { return }
      let (number, now) = (first, Moment.nowMs)
      shared.ledgers.withLock { ledgers in
        if let last = ledgers[partition].lastMs {
          ledgers[partition].longestMs = max(ledgers[partition].longestMs, now - last)
        }
        ledgers[partition].lastMs = now
        ledgers[partition].acknowledged.insert(number)
        ledgers[partition].next = number + settings.records
      }
      first += settings.records
      if settings.pauseMs > 0 { Clocks.nap(milliseconds: settings.pauseMs) }
    }
  }

  private static func offer(
    _ batch: Records, _ partition: Int, _ settings: Settings, to id: BrokerID, _ places: [BrokerID: Endpoint],
    _ connections: inout [BrokerID: BlockingConnection]
  ) -> Bool {
    guard let place = places[id],
      let connection = connections[id] ?? (try? BlockingConnection(to: place, patienceMs: Limits.patienceMs))
    else { return false }
    connections[id] = nil
    var request = ProduceRequest()
    request.acks = settings.acks
    request.timeoutMs = Limits.timeoutMs
    request.add(batch, to: TopicPartition(settings.topic, Int32(partition)))
    guard let answer = try? connection.call(request) else { return false }
    connections[id] = connection
    return answer.responses.first?.partitionResponses.first?.errorCode == ErrorCode.none
  }

  /// Records that begin with their numbers.
  private static func batch(from first: Int, _ settings: Settings) throws(CompressionError) -> Records {
    var builder = RecordBatchBuilder(capacity: 1 << 16)
    var value = [UInt8](repeating: UInt8(ascii: "."), count: max(settings.recordBytes, Limits.bytesMin))
    let now = Clocks.wallMs()
    for number in first..<first + settings.records {
      value.withUnsafeMutableBytes { $0.storeBytes(of: Int64(number).bigEndian, as: Int64.self) }
      value.withUnsafeBytes { builder.append(timestamp: now, key: nil, value: $0) }
    }
    return .bytes(try builder.finish(codec: .none))
  }
}
