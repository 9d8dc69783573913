import Model
import Wire

extension LocalBroker {
  /// Deletes committed offsets of topics that the group does not subscribe to.
  func offsetDelete(_ request: OffsetDeleteRequest, _ context: RequestContext) -> HandlerResult<OffsetDeleteResponse> {
    let image = image
    let size = request.topics.reduce(0) { $0 + 1 + $1.partitions.count }
    return serve(context, size: size) { self.deleteOffsets(request, image) }
  }

  private func deleteOffsets(_ request: OffsetDeleteRequest, _ image: MetadataImage) -> OffsetDeleteResponse {
    var response = OffsetDeleteResponse()
    guard !request.groupID.isEmpty else {
      response.errorCode = .invalidGroupId
      return response
    }
    guard let shard = groups.shard(of: request.groupID) else {
      response.errorCode = .notCoordinator
      return response
    }
    let known = request.topics.flatMap { topic -> [TopicPartition] in
      guard image.named(topic.name) != nil else { return [] }
      return topic.partitions.map { TopicPartition(topic.name, $0.partitionIndex) }
    }
    let deleted = shard.deleteOffsets(request.groupID, known)
    response.errorCode = deleted.error
    guard deleted.error == .none else { return response }
    let errors = Dictionary(zip(known, deleted.partitions)) { first, _ in first }
    response.topics = request.topics.map { topic in
      .with { answer in
        answer.name = topic.name
        answer.partitions = topic.partitions.map { asked in
          .with {
            $0.partitionIndex = asked.partitionIndex
            $0.errorCode = errors[TopicPartition(topic.name, asked.partitionIndex)] ?? .unknownTopicOrPartition
          }
        }
      }
    }
    return response
  }
}
