import Model
import Storage
import Wire

extension LocalBroker {
  /// The special timestamps of a ListOffsets request.
  private enum Special {
    static let latest: Int64 = -1, earliest: Int64 = -2, maxTimestamp: Int64 = -3
    static let earliestLocal: Int64 = -4, latestTiered: Int64 = -5
  }

  /// Offsets by time, exact to the record. No record at or after the time is no error: offset and timestamp are -1.
  func listOffsets(_ request: ListOffsetsRequest, _ context: RequestContext) -> Reply<ListOffsetsResponse> {
    var answer = ListOffsetsResponse()
    for asked in request.topics {
      let topic = topics.named(asked.name)
      var answered = ListOffsetsResponse.Topic()
      answered.name = asked.name
      for wanted in asked.partitions {
        var found = ListOffsetsResponse.Partition()
        found.partitionIndex = wanted.partitionIndex
        if let partition = topic?.partition(wanted.partitionIndex) {
          do throws(PartitionError) {
            try find(wanted, in: partition, isReadCommitted: request.isolationLevel == 1, context.version, &found)
          } catch {
            found.errorCode = ErrorCode(error)
          }
        } else {
          found.errorCode = .unknownTopicOrPartition
        }
        answered.partitions.append(found)
      }
      answer.topics.append(answered)
    }
    return .now(answer)
  }

  private func find(
    _ wanted: ListOffsetsRequest.Partition, in partition: Partition, isReadCommitted: Bool, _ version: Int16,
    _ found: inout ListOffsetsResponse.Partition
  ) throws(PartitionError) {
    try partition.check(wanted.currentLeaderEpoch)
    guard version > 0 else {
      let (nowMs, max) = (self.nowMs(), Int(wanted.maxNumOffsets))
      found.oldStyleOffsets = try partition.withLog { log, marks throws(PartitionError) in
        if wanted.timestamp == Special.earliest { return [log.logStartOffset] }
        let time = wanted.timestamp == Special.latest ? .max : wanted.timestamp
        let boundaries = log.boundaries(writtenUpTo: time, nowMs: nowMs, max: max)
        let readable = boundaries.drop { $0 > marks.highWatermark }
        // What lies behind the high watermark is not there yet; the log ends at the mark.
        return readable.count == boundaries.count ? boundaries : [marks.highWatermark] + readable
      }
      return
    }
    let result = try partition.withLog { log, marks throws(PartitionError) -> (Offset, Int64, LeaderEpoch)? in
      let epoch = marks.leaderEpoch
      let mark = marks.highWatermark
      let readableEnd = isReadCommitted ? log.lastStableOffset(highWatermark: mark) : mark
      switch wanted.timestamp {
      case Special.latest:
        return (readableEnd, -1, epoch)
      case Special.earliest, (version >= 8 ? Special.earliestLocal : Special.earliest):
        return (log.logStartOffset, -1, log.epochs.epoch(at: log.logStartOffset) ?? epoch)
      case Special.latestTiered where version >= 9:
        return nil
      default:
        do throws(ReadError) {
          let place =
            wanted.timestamp == Special.maxTimestamp && version >= 7
            ? try log.offsetOfMaxTimestamp() : try log.offset(forTimestamp: wanted.timestamp)
          // A record that the client cannot read yet is none.
          return place.flatMap { $0.offset < readableEnd ? ($0.offset, $0.timestamp, $0.leaderEpoch) : nil }
        } catch { throw .read(error) }
      }
    }
    guard let (offset, timestamp, epoch) = result else { return }
    found.offset = offset
    found.timestamp = timestamp
    found.leaderEpoch = epoch
  }
}
