import Model
import Wire

extension LocalBroker {
  /// Returns the end offset of a leader epoch in each partition. From it a client that was told of a new leader finds out whether
  /// the records it has read are still in the log (KIP-320).
  func offsetForLeaderEpoch(
    _ request: OffsetForLeaderEpochRequest, _ context: RequestContext
  ) -> HandlerResult<OffsetForLeaderEpochResponse> {
    let image = image
    let size = request.topics.reduce(0) { $0 + 1 + $1.partitions.count }
    return serve(context, size: size) { Self.ends(request, image) }
  }

  private static func ends(
    _ request: OffsetForLeaderEpochRequest, _ image: MetadataImage
  ) -> OffsetForLeaderEpochResponse {
    var response = OffsetForLeaderEpochResponse()
    for asked in request.topics {
      let topic = image.named(asked.topic)
      var topicResponse = OffsetForLeaderEpochResponse.Topic()
      topicResponse.topic = asked.topic
      topicResponse.partitions = asked.partitions.map { wanted in
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
      response.topics.append(topicResponse)
    }
    return response
  }
}
