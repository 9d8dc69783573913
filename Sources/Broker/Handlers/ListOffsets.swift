import Model
import Storage
import Wire

extension LocalBroker {
  /// The special timestamps of a ListOffsets request.
  private enum Special {
    static let latest: Int64 = -1, earliest: Int64 = -2, maxTimestamp: Int64 = -3
    static let earliestLocal: Int64 = -4, latestTiered: Int64 = -5

    /// Returns the first version in which a negative timestamp has a meaning; nil when it has none.
    static func firstVersion(_ timestamp: Int64) -> Int16? {
      switch timestamp {
      case latest, earliest: 1
      case maxTimestamp: 7
      case earliestLocal: 8
      case latestTiered: 9
      default: nil
      }
    }
  }

  /// Returns the first offset at or after a timestamp in each partition, exact to the record; -1 for offset and timestamp when
  /// there is none.
  ///
  /// The ends of a log are in memory. A timestamp is looked up in files, and a batch may have to be unpacked, so that runs off the
  /// event loop. A partition named twice is refused, as by Kafka: the cost of a request is bounded by the number of partitions.
  func listOffsets(_ request: ListOffsetsRequest, _ context: RequestContext) -> HandlerResult<ListOffsetsResponse> {
    let image = image
    let version = context.version
    let areEndsOnly = request.topics.allSatisfy { topic in
      topic.partitions.allSatisfy { $0.timestamp == Special.latest || $0.timestamp == Special.earliest }
    }
    let count = request.topics.reduce(0) { $0 + 1 + $1.partitions.count }
    return serve(context, size: areEndsOnly ? count : .max) { self.list(request, version, image) }
  }

  private func list(_ request: ListOffsetsRequest, _ version: Int16, _ image: MetadataImage) -> ListOffsetsResponse {
    let doubled = Self.doubled(request)
    var response = ListOffsetsResponse()
    var allowance = Limits.unpackedRequestBytes
    for asked in request.topics {
      let topic = image.named(asked.name)
      var topicResponse = ListOffsetsResponse.Topic()
      topicResponse.name = asked.name
      for wanted in asked.partitions {
        var found = ListOffsetsResponse.Partition()
        found.partitionIndex = wanted.partitionIndex
        if doubled.contains(TopicPartition(asked.name, wanted.partitionIndex)) {
          found.errorCode = .invalidRequest
        } else if version > 0, wanted.timestamp < 0, version < Special.firstVersion(wanted.timestamp) ?? .max {
          found.errorCode = .unsupportedVersion
        } else if let partition = topic?.partition(wanted.partitionIndex) {
          do throws(PartitionError) {
            if wanted.timestamp == Special.latest, version > 0, partition.isFollowed(by: request.replicaID) {
              try findEnd(wanted, in: partition, &found)
            } else {
              try find(
                wanted, in: partition, isReadCommitted: request.isolationLevel == 1, version, &allowance, &found)
            }
          } catch {
            // OFFSET_NOT_AVAILABLE is known from version 5 on; both are tried again.
            found.errorCode = error == .highWatermarkBehind && version < 5 ? .leaderNotAvailable : ErrorCode(error)
          }
        } else {
          found.errorCode = .unknownTopicOrPartition
        }
        topicResponse.partitions.append(found)
      }
      response.topics.append(topicResponse)
    }
    return response
  }

  private static func doubled(_ request: ListOffsetsRequest) -> Set<TopicPartition> {
    guard request.topics.count > 1 || (request.topics.first?.partitions.count ?? 0) > 1 else { return [] }
    var seen: Set<TopicPartition> = []
    var doubled: Set<TopicPartition> = []
    for topic in request.topics {
      for wanted in topic.partitions {
        let name = TopicPartition(topic.name, wanted.partitionIndex)
        if !seen.insert(name).inserted { doubled.insert(name) }
      }
    }
    return doubled
  }

  /// For a follower the log ends at its end, not at the high watermark.
  private func findEnd(
    _ wanted: ListOffsetsRequest.Partition, in partition: Partition, _ found: inout ListOffsetsResponse.Partition
  ) throws(PartitionError) {
    try partition.check(wanted.currentLeaderEpoch)
    let (end, epoch) = try partition.withLog { log, marks throws(PartitionError) in
      (log.logEndOffset, marks.leaderEpoch)
    }
    (found.offset, found.timestamp, found.leaderEpoch) = (end, -1, epoch)
  }

  private func find(
    _ wanted: ListOffsetsRequest.Partition, in partition: Partition, isReadCommitted: Bool, _ version: Int16,
    _ allowance: inout Int, _ found: inout ListOffsetsResponse.Partition
  ) throws(PartitionError) {
    try partition.check(wanted.currentLeaderEpoch)
    guard version > 0 else {
      let (nowMs, max) = (self.nowMs(), Int(wanted.maxNumOffsets))
      found.oldStyleOffsets = try partition.withLog { log, marks throws(PartitionError) in
        if wanted.timestamp == Special.earliest { return [log.logStartOffset] }
        let time = wanted.timestamp == Special.latest ? .max : wanted.timestamp
        let boundaries = log.boundaries(writtenUpTo: time, nowMs: nowMs, max: max)
        let readable = boundaries.drop { $0 > marks.highWatermark }
        // Consumers do not see records above the high watermark: for them the log ends there.
        return readable.count == boundaries.count ? boundaries : [marks.highWatermark] + readable
      }
      return
    }
    let result: (Offset, Int64, LeaderEpoch)?
    switch wanted.timestamp {
    case Special.latest:
      result = try partition.withLog { log, marks throws(PartitionError) -> (Offset, Int64, LeaderEpoch) in
        // An offset would go back that clients were told by the leader before (KIP-207).
        guard !marks.isMarkBehind else { throw .highWatermarkBehind }
        return (marks.readableEnd(of: log, isReadCommitted: isReadCommitted), -1, marks.leaderEpoch)
      }
    case Special.earliest, Special.earliestLocal:
      result = try partition.withLog { log, marks throws(PartitionError) in
        (log.logStartOffset, -1, log.epochs.epoch(at: log.logStartOffset) ?? marks.leaderEpoch)
      }
    case Special.latestTiered:
      result = nil
    default:
      let place =
        wanted.timestamp == Special.maxTimestamp
        ? try partition.offsetOfMaxTimestamp(isReadCommitted: isReadCommitted, allowance: &allowance)
        : try partition.offset(
          forTimestamp: wanted.timestamp, isReadCommitted: isReadCommitted, allowance: &allowance)
      result = place.map { ($0.offset, $0.timestamp, $0.leaderEpoch) }
      // It may be there, and not be known to be replicated yet.
      if place == nil, try partition.withLog({ _, marks throws(PartitionError) in marks.isMarkBehind }) {
        throw .highWatermarkBehind
      }
    }
    guard let (offset, timestamp, epoch) = result else { return }
    found.offset = offset
    found.timestamp = timestamp
    found.leaderEpoch = epoch
  }
}
