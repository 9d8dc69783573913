import Cluster
import Model
import Security
import Wire

extension LocalBroker {
  /// Describes topics page by page, in the order of their names: the topics asked for, or all, from the cursor on. A page has
  /// as many partitions as the request allows, `Limits.partitionsDescribed` at most.
  func describeTopicPartitions(
    _ request: DescribeTopicPartitionsRequest, _ context: RequestContext
  ) -> HandlerResult<DescribeTopicPartitionsResponse> {
    if let cursor = request.cursor, cursor.partitionIndex < 0 {
      // The layout has no error code of the whole response.
      return .close
    }
    let image = image
    let size = request.topics.isEmpty ? image.count + image.partitionCount : .max
    return serve(context, size: size) { self.page(request, image) }
  }

  private func page(
    _ request: DescribeTopicPartitionsRequest, _ image: MetadataImage
  ) -> DescribeTopicPartitionsResponse {
    var room = min(max(Int(request.responsePartitionLimit), 1), Limits.partitionsDescribed)
    var response = DescribeTopicPartitionsResponse()
    for name in Self.names(request, image) {
      guard room > 0 else {
        response.nextCursor = Self.cursor(name, 0)
        break
      }
      guard let topic = image.named(name) else {
        response.topics.append(Self.unknown(name))
        continue
      }
      let first = request.cursor.map { $0.topicName == name ? Int($0.partitionIndex) : 0 } ?? 0
      let places = min(first, topic.partitions.count)..<min(first + room, topic.partitions.count)
      response.topics.append(describe(topic, places, image))
      room -= places.count
      if places.upperBound < topic.partitions.count {
        response.nextCursor = Self.cursor(name, Int32(places.upperBound))
        break
      }
    }
    return response
  }

  /// The names to describe, sorted, from the cursor's topic on, which need not exist any more.
  private static func names(_ request: DescribeTopicPartitionsRequest, _ image: MetadataImage) -> [String] {
    let names = request.topics.isEmpty ? image.all.map(\.name) : Set(request.topics.map(\.name)).sorted()
    guard let cursor = request.cursor else { return names }
    return names.filter { $0 >= cursor.topicName }
  }

  private static func cursor(_ topic: String, _ partition: Int32) -> DescribeTopicPartitionsResponse.Cursor {
    .with {
      $0.topicName = topic
      $0.partitionIndex = partition
    }
  }

  private static func unknown(_ name: String) -> DescribeTopicPartitionsResponse.Topic {
    .with {
      $0.name = name
      $0.errorCode = TopicName.problem(with: name) == nil ? .unknownTopicOrPartition : .invalidTopicException
    }
  }

  private func describe(
    _ topic: Topic, _ places: Range<Int>, _ image: MetadataImage
  ) -> DescribeTopicPartitionsResponse.Topic {
    var response = DescribeTopicPartitionsResponse.Topic()
    response.name = topic.name
    response.topicID = topic.id
    response.isInternal = topic.isInternal
    response.topicAuthorizedOperations = OperationSet.bits(of: .topic)
    response.partitions = places.map { index in
      let shown = describe(partition: index, of: topic, image)
      return .with {
        $0.errorCode = shown.errorCode
        $0.partitionIndex = shown.partitionIndex
        $0.leaderID = shown.leaderID
        $0.leaderEpoch = shown.leaderEpoch
        $0.replicaNodes = shown.replicaNodes
        $0.isrNodes = shown.isrNodes
        // Only KRaft controllers keep such replicas.
        $0.eligibleLeaderReplicas = []
        $0.lastKnownElr = []
        $0.offlineReplicas = shown.offlineReplicas
      }
    }
    return response
  }
}
