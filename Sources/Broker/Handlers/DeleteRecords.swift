import Model
import Storage
import Wire

extension LocalBroker {
  /// Moves partitions' log start: records below are gone for readers at once, whole segments from the disk. The files are
  /// changed, so the event loop does not do it. Of a partition named more than once the last offset counts, as in Kafka.
  func deleteRecords(_ request: DeleteRecordsRequest, _ context: RequestContext) -> Reply<DeleteRecordsResponse> {
    let pending = context.pending(DeleteRecordsResponse.self)
    let image = image
    offload.submit(.request) { pending.complete(self.delete(request, image)) }
    return .later
  }

  private func delete(_ request: DeleteRecordsRequest, _ image: MetadataImage) -> DeleteRecordsResponse {
    let now = nowMs()
    var answer = DeleteRecordsResponse()
    for (name, offsets) in Self.offsets(request) {
      let topic = image.named(name)
      var answered = DeleteRecordsResponse.Topic()
      answered.name = name
      answered.partitions = offsets.map { index, offset in
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
        } catch {
          moved.errorCode = ErrorCode(error)
        }
        return moved
      }
      answer.topics.append(answered)
    }
    return answer
  }

  /// Each topic and each of its partitions once, in the order of first mention.
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
  /// Returns the log's start as it then is. -1 is the high watermark; an offset already deleted changes nothing.
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
