import Base
import Client
import Compression
import Foundation
import Model
import Synchronization
import Wire

/// Writes one record to each of some partitions every few milliseconds, at whichever broker takes it, and notes when.
///
/// A partition whose leader is unknown is tried at every broker that has a replica of it, so that what is seen is the election alone: a
/// client that asks for metadata first would see it later, by its own retry interval.
final class Prober {
  enum Limits {
    static let intervalMs = 10.0
    static let patienceMs = 2_000
    static let reconnectMs: Int64 = 5
    static let timeoutMs: Int32 = 1_000
  }

  struct Partition: Sendable {
    var index: Int32
    var replicas: [BrokerID]
  }

  private let workers = Workers()
  private let state: Shared

  /// What the threads share.
  final class Shared: Sendable {
    let topic: String
    let partitions: [Partition]
    let outages: Mutex<Outages>
    let batch: Records

    init(_ topic: String, _ partitions: [Partition], _ batch: Records) {
      self.topic = topic
      self.partitions = partitions
      self.batch = batch
      outages = Mutex(Outages(count: partitions.count))
    }
  }

  /// Begins to write; `stop` ends it.
  ///
  /// - Parameter places: where each broker listens.
  init(_ topic: String, _ partitions: [Partition], at places: [BrokerID: Endpoint]) throws(CompressionError) {
    state = Shared(topic, partitions, try Self.batch())
    for (id, endpoint) in places {
      let state = state
      workers.start { isOver in Self.probe(id, endpoint, state, isOver) }
    }
  }

  func stop() { workers.stop() }

  var outages: Outages { state.outages.withLock { $0 } }
  func begin() { state.outages.withLock { $0.begin() } }

  private static func batch() throws(CompressionError) -> Records {
    var builder = RecordBatchBuilder(capacity: 256)
    let value: [UInt8] = Array("probe".utf8)
    value.withUnsafeBytes { builder.append(timestamp: Clocks.wallMs(), key: nil, value: $0) }
    return .bytes(try builder.finish(codec: .none))
  }

  /// One broker's thread.
  private static func probe(_ id: BrokerID, _ endpoint: Endpoint, _ state: Shared, _ isOver: StopSign) {
    var connection: BlockingConnection?
    var due = Moment.nowMs
    while !isOver.isRaised {
      guard let open = connection ?? (try? BlockingConnection(to: endpoint, patienceMs: Limits.patienceMs)) else {
        Clocks.nap(milliseconds: Limits.reconnectMs)
        continue
      }
      connection = open
      let wanted = state.outages.withLock { outages in
        outages.partitions.indices.filter { index in
          outages.partitions[index].leader.map { $0 == id } ?? state.partitions[index].replicas.contains(id)
        }
      }
      if !wanted.isEmpty {
        do {
          try write(wanted, id, state, open)
        } catch {
          connection = nil
          state.outages.withLock { outages in for index in wanted { outages.lost(index, leader: id) } }
        }
      }
      due = max(due + Limits.intervalMs, Moment.nowMs)
      let waitMs = due - Moment.nowMs
      if waitMs > 0 { Clocks.nap(milliseconds: Int64(waitMs.rounded(.up))) }
    }
  }

  private static func write(
    _ wanted: [Int], _ id: BrokerID, _ state: Shared, _ connection: BlockingConnection
  ) throws(NoAnswer) {
    var request = ProduceRequest()
    request.acks = 1
    request.timeoutMs = Limits.timeoutMs
    request.topicData = [
      .with {
        $0.name = state.topic
        $0.partitionData = wanted.map { index in
          .with {
            $0.index = state.partitions[index].index
            $0.records = state.batch
          }
        }
      }
    ]
    let answer = try connection.call(request)
    let now = Moment.nowMs
    let places = Dictionary(wanted.map { (state.partitions[$0].index, $0) }, uniquingKeysWith: { $1 })
    state.outages.withLock { outages in
      for partition in answer.responses.flatMap(\.partitionResponses) {
        guard let place = places[partition.index] else { continue }
        if partition.errorCode == .none {
          outages.acknowledged(place, by: id, atMs: now)
        } else {
          outages.lost(place, leader: id)
        }
      }
    }
  }
}
