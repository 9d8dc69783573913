import Model
import Wire

extension LocalBroker {
  /// Where leader epochs ended: how a client finds out whether what it read is still there.
  func offsetForLeaderEpoch(
    _ request: OffsetForLeaderEpochRequest, _ context: RequestContext
  ) -> Reply<OffsetForLeaderEpochResponse> {
    let image = image
    let size = request.topics.reduce(0) { $0 + 1 + $1.partitions.count }
    return serve(context, size: size) { Self.ends(request, image) }
  }

  private static func ends(
    _ request: OffsetForLeaderEpochRequest, _ image: MetadataImage
  ) -> OffsetForLeaderEpochResponse {
    var answer = OffsetForLeaderEpochResponse()
    for asked in request.topics {
      let topic = image.named(asked.topic)
      var answered = OffsetForLeaderEpochResponse.Topic()
      answered.topic = asked.topic
      answered.partitions = asked.partitions.map { wanted in
        var found = OffsetForLeaderEpochResponse.Partition()
        found.partition = wanted.partition
        guard let partition = topic?.partition(wanted.partition) else {
          found.errorCode = .unknownTopicOrPartition
          return found
        }
        do throws(PartitionError) {
          try partition.check(wanted.currentLeaderEpoch)
          if let end = try partition.endOffset(forEpoch: wanted.leaderEpoch) {
            found.leaderEpoch = end.epoch
            found.endOffset = end.endOffset
          }
        } catch {
          found.errorCode = ErrorCode(error)
        }
        return found
      }
      answer.topics.append(answered)
    }
    return answer
  }
}
