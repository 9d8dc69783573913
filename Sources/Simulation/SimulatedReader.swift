import Model
import NIOCore
import Wire

/// Takes in fetch responses as one client does, and checks them: errors, marks, offsets, and which transactions are shown to a reader of
/// committed records.
struct SimulatedReader {
  /// What a response says of one partition.
  enum Taken: Equatable {
    /// Records; the next fetch is from this offset.
    case next(Int64)
    case nothing
    case outOfRange
  }

  let name: String
  let isReadCommitted: Bool
  /// Offsets that were read.
  private(set) var records = 0
  private var seen: [TopicPartition: Ledger.Seen] = [:]

  init(_ name: String, isReadCommitted: Bool) {
    self.name = name
    self.isReadCommitted = isReadCommitted
  }

  /// Takes in a whole response: moves the positions of what was asked for.
  ///
  /// - Returns: the partitions whose position is out of range.
  mutating func take(
    _ answer: FetchResponse, asked: [TopicPartition: Int64], moving positions: inout [TopicPartition: Int64],
    in simulation: any CoordinatedWorld
  ) -> [TopicPartition] {
    var lost: [TopicPartition] = []
    for topic in answer.responses {
      for found in topic.partitions {
        let partition = TopicPartition(topic.topic, found.partitionIndex)
        guard let position = asked[partition] else {
          simulation.violation("\(name): a response for \(partition), which was not requested")
          continue
        }
        switch take(found, of: partition, from: position, in: simulation) {
        case .next(let next): positions[partition] = next
        case .outOfRange: lost.append(partition)
        case .nothing: break
        }
      }
    }
    return lost
  }

  /// - Parameter each: gets each batch, and what its producer calls it.
  mutating func take(
    _ found: FetchResponse.Partition, of partition: TopicPartition, from position: Int64,
    each: (RecordBatch, Ledger.BatchID?) -> Void = { _, _ in }, in simulation: any CoordinatedWorld
  ) -> Taken {
    let ledger = simulation.ledger(partition)
    switch found.errorCode {
    case .none: return takeRecords(found, ledger, from: position, each: each, in: simulation)
    case .offsetOutOfRange:
      if position >= ledger.logStart, position <= ledger.acknowledgedEnd, !simulation.mayShrink(partition) {
        simulation.violation("\(partition): \(position) is out of range; the log has \(ledger.acknowledgedEnd) offsets")
      }
      return .outOfRange
    case .kafkaStorageError, .notLeaderOrFollower, .leaderNotAvailable:
      if !simulation.diskMayFail, !simulation.movesLeaders {
        simulation.violation("\(name): \(found.errorCode) for \(partition) with a sound disk")
      }
    case _ where simulation.movesLeaders && found.errorCode.isOfMovingLeaders: break
    default: simulation.violation("\(name): \(found.errorCode) for \(partition)")
    }
    return .nothing
  }

  private mutating func takeRecords(
    _ found: FetchResponse.Partition, _ ledger: Ledger, from position: Int64,
    each: (RecordBatch, Ledger.BatchID?) -> Void, in simulation: any CoordinatedWorld
  ) -> Taken {
    let partition = ledger.partition
    if simulation.movesLeaders {
      ledger.saw(logStart: found.logStartOffset.rawValue)
    } else {
      ledger.saw(
        highWatermark: found.highWatermark.rawValue, logStart: found.logStartOffset.rawValue,
        by: &seen[partition, default: Ledger.Seen()])
    }
    if found.lastStableOffset > found.highWatermark {
      simulation.violation("\(partition): last stable \(found.lastStableOffset) is past \(found.highWatermark)")
    }
    checkStable(found, partition, in: simulation)
    guard let bytes = found.records.bytes, bytes.readableBytes > 0 else { return .nothing }
    var shown = ShownBatches(found)
    let next = ledger.read(bytes, from: position) { batch, id in
      each(batch, id)
      if isReadCommitted { look(at: batch, id, partition, &shown, in: simulation) }
    }
    if isReadCommitted, next > found.lastStableOffset.rawValue {
      simulation.violation("\(partition): read up to \(next), past the stable offset \(found.lastStableOffset)")
    }
    if next > found.highWatermark.rawValue {
      simulation.violation("\(partition): read up to \(next), past the high watermark \(found.highWatermark)")
    }
    records += Int(max(0, next - position))
    return .next(next)
  }

  /// Checks that no open transaction is below the last stable offset.
  private func checkStable(
    _ found: FetchResponse.Partition, _ partition: TopicPartition, in simulation: any CoordinatedWorld
  ) {
    let stable = found.lastStableOffset.rawValue
    guard let open = simulation.transactions.firstOpenOffset(in: partition, at: simulation.timeoutClockMs),
      stable > max(open, found.logStartOffset.rawValue)
    else { return }
    simulation.violation("\(partition): the last stable offset is \(stable), and a transaction is open at \(open)")
  }

  /// Notes whether a batch is shown: its transaction is then committed, and otherwise aborted.
  private func look(
    at batch: RecordBatch, _ id: Ledger.BatchID?, _ partition: TopicPartition, _ shown: inout ShownBatches,
    in simulation: any CoordinatedWorld
  ) {
    let isShown = shown.shows(batch)
    guard let transaction = id.flatMap({ simulation.transactions.transaction(of: $0) }) else { return }
    simulation.transactions.observed(
      transaction, isShown ? .commit : .abort,
      "\(name) is \(isShown ? "" : "not ")shown its batch at \(batch.header.baseOffset) of \(partition)")
  }
}

extension FetchRequest {
  /// Adds a partition that is read from `offset`; the partitions of a topic follow each other.
  mutating func want(_ partition: TopicPartition, from offset: Int64, maxBytes: Int32) {
    if topics.last?.topic != partition.topic { topics.append(.with { $0.topic = partition.topic }) }
    topics[topics.count - 1].partitions.append(
      .with {
        $0.partition = partition.partition
        $0.fetchOffset = Offset(offset)
        $0.partitionMaxBytes = maxBytes
      })
  }
}
