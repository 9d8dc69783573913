import Model
import NIOCore
import Storage
import Wire

extension LocalBroker {
  /// Raises the log start offset of partitions: readers no longer see the records below it, and segments that lie wholly below
  /// it are deleted. Runs off the event loop, because files are written. Of a partition named more than once the last offset
  /// counts, as in Kafka.
  ///
  /// The response waits until the followers, too, have deleted the records: their fetches say where their logs start.
  func deleteRecords(_ request: DeleteRecordsRequest, _ context: RequestContext) -> HandlerResult<DeleteRecordsResponse>
  {
    let pending = context.pending(DeleteRecordsResponse.self)
    let image = image
    let deadline = pending.slot.eventLoop.now + .milliseconds(Int64(request.timeoutMs))
    offload.submit(.request) {
      var untrimmed: [Untrimmed] = []
      let response = self.delete(request, image, &untrimmed)
      guard !untrimmed.isEmpty else { return pending.complete(response) }
      let waited = untrimmed
      pending.slot.onEventLoop { self.awaitTrims(waited, until: deadline, response, pending) }
    }
    return .pending
  }

  /// A partition of which a follower may have the deleted records still.
  private struct Untrimmed {
    var partition: Partition
    var offset: Offset
    /// Its place in the response.
    var topicIndex: Int
    var partitionIndex: Int
  }

  /// Responds when no living follower has the deleted records any more, or with REQUEST_TIMED_OUT at the deadline.
  private func awaitTrims(
    _ untrimmed: [Untrimmed], until deadline: NIODeadline, _ response: DeleteRecordsResponse,
    _ pending: PendingResponse<DeleteRecordsResponse>
  ) {
    let waiter = Waiter(lacking: untrimmed.count, eventLoop: pending.slot.eventLoop) { _ in
      var response = response
      for place in untrimmed {
        let code: ErrorCode
        var low = Offset.unknown
        do throws(PartitionError) {
          let trimmed = try place.partition.isTrimmed(to: place.offset)
          (code, low) = (trimmed.isReached ? .none : .requestTimedOut, trimmed.lowWatermark)
        } catch { code = ErrorCode(error) }
        response.topics[place.topicIndex].partitions[place.partitionIndex].errorCode = code
        response.topics[place.topicIndex].partitions[place.partitionIndex].lowWatermark = low
      }
      pending.complete(response)
    }
    pending.slot.whenClosed { _ = waiter.cancel() }
    var isMet = false
    for place in untrimmed where !place.partition.park(waiter, for: .trimmed(place.offset)) {
      isMet = waiter.gained(1) || isMet
    }
    if isMet { waiter.finish(.satisfied) } else { waiter.start(until: deadline) }
  }

  private func delete(
    _ request: DeleteRecordsRequest, _ image: MetadataImage, _ untrimmed: inout [Untrimmed]
  ) -> DeleteRecordsResponse {
    let now = nowMs()
    var response = DeleteRecordsResponse()
    for (name, offsets) in Self.offsets(request) {
      let topic = image.named(name)
      var topicResponse = DeleteRecordsResponse.Topic()
      topicResponse.name = name
      topicResponse.partitions = offsets.enumerated().map { place, wanted in
        let (index, offset) = wanted
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
          let end = try partition.deleteRecords(before: offset, nowMs: now)
          let trimmed = try partition.isTrimmed(to: end)
          moved.lowWatermark = trimmed.lowWatermark
          if !trimmed.isReached {
            untrimmed.append(
              Untrimmed(
                partition: partition, offset: end, topicIndex: response.topics.count, partitionIndex: place))
          }
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
  /// Raises the log start offset to `offset` (-1: to the high watermark) and returns it. An offset below the log start changes nothing.
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
      return max(target, log.logStartOffset)
    }
  }
}
