import Model
import Storage
import Wire

extension LocalBroker {
  /// Raises the log start offset of partitions: readers no longer see the records below it, and segments that lie wholly below
  /// it are deleted. Runs off the event loop, because files are written. Of a partition named more than once the last offset
  /// counts, as in Kafka.
  func deleteRecords(_ request: DeleteRecordsRequest, _ context: RequestContext) -> HandlerResult<DeleteRecordsResponse>
  {
    let pending = context.pending(DeleteRecordsResponse.self)
    let image = image
    offload.submit(.request) { pending.complete(self.delete(request, image)) }
    return .pending
  }

  private func delete(_ request: DeleteRecordsRequest, _ image: MetadataImage) -> DeleteRecordsResponse {
    let now = nowMs()
    var response = DeleteRecordsResponse()
    for (name, offsets) in Self.offsets(request) {
      let topic = image.named(name)
      var topicResponse = DeleteRecordsResponse.Topic()
      topicResponse.name = name
      topicResponse.partitions = offsets.map { index, offset in
        var moved = DeleteRecordsResponse.Partition()
        moved.partitionIndex = index
        moved.lowWatermark = .unknown
        guard let topic, let partition = topic.partition(index) else {
          moved.errorCode = .unknownTopicOrPartition
          return moved
        }
        guard topic.config.cleanupPolicy.contains(.delete) else {
          moved.errorCode = .policyViolation
          return moved
        }
        do throws(PartitionError) {
          moved.lowWatermark = try partition.deleteRecords(before: offset, nowMs: now)
          deletedFiles(delayMs: topic.config.fileDeleteDelayMs)
        } catch {
          moved.errorCode = ErrorCode(error)
        }
        return moved
      }
      response.topics.append(topicResponse)
    }
    return response
  }

  /// Returns each topic and each of its partitions once, in the order of first mention, with the last offset given for it.
  private static func offsets(_ request: DeleteRecordsRequest) -> [(String, [(Int32, Offset)])] {
    var places: [TopicPartition: Int] = [:]
    var topics: [(String, [(Int32, Offset)])] = []
    var topicPlaces: [String: Int] = [:]
    for topic in request.topics {
      let place = topicPlaces[topic.name] ?? topics.count
      if place == topics.count {
        topicPlaces[topic.name] = place
        topics.append((topic.name, []))
      }
      for wanted in topic.partitions {
        let name = TopicPartition(topic.name, wanted.partitionIndex)
        if let index = places[name] {
          topics[place].1[index].1 = wanted.offset
        } else {
          places[name] = topics[place].1.count
          topics[place].1.append((wanted.partitionIndex, wanted.offset))
        }
      }
    }
    return topics
  }
}

extension Partition {
  /// Raises the log start offset to `offset` (-1: to the high watermark) and returns the log start offset. An offset below it
  /// changes nothing.
  fileprivate func deleteRecords(before offset: Offset, nowMs: Int64) throws(PartitionError) -> Offset {
    try check(.init(-1))
    return try withLog { log, marks throws(PartitionError) in
      let target = offset == .unknown ? marks.highWatermark : offset
      guard target >= 0, target <= marks.highWatermark else {
        throw .read(.outOfRange(logStart: log.logStartOffset, logEnd: log.logEndOffset))
      }
      do throws(DiskError) { try log.deleteRecords(before: target, nowMs: nowMs) } catch {
        throw .read(.diskFailed(error))
      }
      return log.logStartOffset
    }
  }
}
