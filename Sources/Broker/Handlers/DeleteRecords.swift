import Model
import Storage
import Wire

extension LocalBroker {
  /// Moves partitions' log start: records below are gone for readers at once, whole segments from the disk.
  func deleteRecords(_ request: DeleteRecordsRequest, _ context: RequestContext) -> Reply<DeleteRecordsResponse> {
    var answer = DeleteRecordsResponse()
    let now = nowMs()
    for asked in request.topics {
      let topic = topics.named(asked.name)
      var answered = DeleteRecordsResponse.Topic()
      answered.name = asked.name
      answered.partitions = asked.partitions.map { wanted in
        var moved = DeleteRecordsResponse.Partition()
        moved.partitionIndex = wanted.partitionIndex
        moved.lowWatermark = .unknown
        guard let topic, let partition = topic.partition(wanted.partitionIndex) else {
          moved.errorCode = .unknownTopicOrPartition
          return moved
        }
        guard topic.config.cleanupPolicy.contains(.delete) else {
          moved.errorCode = .policyViolation
          return moved
        }
        do throws(PartitionError) {
          moved.lowWatermark = try partition.deleteRecords(before: wanted.offset, nowMs: now)
        } catch {
          moved.errorCode = ErrorCode(error)
        }
        return moved
      }
      answer.topics.append(answered)
    }
    return .now(answer)
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
