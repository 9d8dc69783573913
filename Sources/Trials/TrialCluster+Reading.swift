import Base
import Model
import NIOCore
import Wire

extension TrialCluster {
  private enum Limits {
    static let fetchBytes: Int32 = 8 << 20
    static let leaderSeconds = 60.0
    /// The last version of consumers that read from leaders alone: from 11 on followers serve them too, as in Kafka (KIP-392).
    static let fetchVersion: Int16 = 10
  }

  /// The numbers with which a partition's records begin, read from its leader from start to end.
  func numbers(of topic: String, _ partition: Int) throws -> Set<Int> {
    var found: Set<Int> = []
    var offset: Offset = 0
    while true {
      let (answer, _) = try fetch(topic, partition, from: offset, at: try leader(of: topic, partition))
      guard let bytes = answer.records.bytes, bytes.readableBytes > 0 else {
        guard offset >= answer.highWatermark else { continue }
        return found
      }
      offset = try read(bytes, from: offset, into: &found)
    }
  }

  /// Asks a broker for records; the answer's error is the caller's to look at.
  func fetch(
    _ topic: String, _ partition: Int, from offset: Offset, at id: BrokerID
  ) throws -> (FetchResponse.Partition, ErrorCode) {
    var request = FetchRequest()
    request.maxWaitMs = 200
    request.minBytes = 1
    request.maxBytes = Limits.fetchBytes
    request.topics = [
      .with {
        $0.topic = topic
        $0.partitions = [
          .with {
            $0.partition = Int32(partition)
            $0.fetchOffset = offset
            $0.partitionMaxBytes = Limits.fetchBytes
          }
        ]
      }
    ]
    let answer = try call(request, to: id, limit: Limits.fetchVersion)
    guard let found = answer.responses.first?.partitions.first else {
      throw TrialError(description: "broker \(id) says nothing of \(topic)-\(partition)")
    }
    return (found, found.errorCode)
  }

  func leader(of topic: String, _ partition: Int) throws -> BrokerID {
    var leader: BrokerID = -1
    let isThere = try Moment.wait(seconds: Limits.leaderSeconds, everyMs: 20) {
      leader = try partitions(of: topic).first { $0.partitionIndex == Int32(partition) }?.leaderID ?? -1
      return living.contains(leader)
    }
    guard isThere else { throw TrialError(description: "\(topic)-\(partition) has no leader") }
    return leader
  }

  /// Returns the offset behind the last record.
  private func read(_ bytes: ByteBuffer, from start: Offset, into found: inout Set<Int>) throws -> Offset {
    var rest = bytes
    var next = start
    while rest.readableBytes >= BatchField.records {
      let batch: RecordBatch
      do throws(RecordBatchError) {
        batch = try RecordBatch(viewing: rest)
      } catch {
        // The last batch of an answer may be cut off.
        guard case .truncated = error, next > start else { throw error }
        break
      }
      rest.moveReaderIndex(forwardBy: batch.sizeInBytes)
      try batch.forEachRecord { record in
        if let value = record.value, value.count >= 8 {
          found.insert(Int(Int64(bigEndian: value.loadUnaligned(as: Int64.self))))
        }
      }
      next = max(next, Offset(batch.header.baseOffset.rawValue + Int64(batch.header.lastOffsetDelta) + 1))
    }
    return next
  }
}
