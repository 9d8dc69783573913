import Cluster
import Model
import Wire

extension LocalBroker {
  /// Keeps how far a group has read, and answers when that is in the log and replicated.
  ///
  /// Later commits of the connection wait for a large one, which is served off the event loop: a committed offset must not go back.
  func offsetCommit(_ request: OffsetCommitRequest, _ context: RequestContext) -> HandlerResult<OffsetCommitResponse> {
    let commit = OffsetCommits(request, image, lengthMax: groups.metadataLengthMax, nowMs: nowMs())
    let committer = GroupShard.Committer(
      membership: Group.Membership(
        request.memberID, generation: request.generationIDOrMemberEpoch, instanceID: request.groupInstanceID),
      knowsMemberEpochs: context.version >= 9)
    return self.commit(request.groupID, by: committer, commit, context) { commit, committed in
      var response = OffsetCommitResponse()
      response.topics = commit.topics.map { topic in
        .with { answer in
          answer.name = topic.name
          answer.partitions = topic.partitions.map { index, error in
            .with {
              $0.partitionIndex = index
              $0.errorCode = error.after(committed)
            }
          }
        }
      }
      return response
    }
  }

  /// Keeps how far a group has read, as a part of a transaction: it counts when the transaction commits.
  func commitInTransaction(
    _ request: TxnOffsetCommitRequest, _ context: RequestContext
  ) -> HandlerResult<TxnOffsetCommitResponse> {
    let commit = OffsetCommits(request, image, lengthMax: groups.metadataLengthMax, nowMs: nowMs())
    let committer = GroupShard.Committer(
      membership: Group.Membership(
        request.memberID, generation: request.generationID, instanceID: request.groupInstanceID),
      producer: (request.producerID, request.producerEpoch))
    let version = context.version
    return self.commit(request.groupID, by: committer, commit, context) { commit, committed in
      var response = TxnOffsetCommitResponse()
      response.topics = commit.topics.map { topic in
        .with { answer in
          answer.name = topic.name
          answer.partitions = topic.partitions.map { index, error in
            .with {
              $0.partitionIndex = index
              $0.errorCode = error.after(committed)
              // Producers of before Kafka 2.0 do not know the error (KAFKA-7296).
              if version < 2, $0.errorCode == .coordinatorLoadInProgress { $0.errorCode = .coordinatorNotAvailable }
            }
          }
        }
      }
      return response
    }
  }

  private func commit<Body: Response>(
    _ group: String, by committer: GroupShard.Committer, _ commit: OffsetCommits, _ context: RequestContext,
    _ response: @escaping @Sendable (OffsetCommits, GroupShard.Committed) -> Body
  ) -> HandlerResult<Body> {
    guard let shard = groups.shard(of: group) else { return .now(response(commit, .refused(.notCoordinator))) }
    let pending = context.pending(Body.self)
    let then: @Sendable (GroupShard.Committed) -> Void = { pending.complete(response(commit, $0)) }
    guard commit.count > Limits.servedOnLoop else {
      guard let committed = shard.commit(group, by: committer, commit.valid, then: then) else { return .pending }
      return .now(response(commit, committed))
    }
    context.holdConnection()
    offload.submit(.request) {
      if let committed = shard.commit(group, by: committer, commit.valid, then: then) { then(committed) }
      context.releaseConnection()
    }
    return .pending
  }
}

/// The commits of a request, and the errors that those get which are not tried.
struct OffsetCommits: Sendable {
  /// The error of a partition that the group's answer does not change.
  enum Check: Sendable {
    case valid
    case unknownTopic
    case metadataTooLong

    /// The partition's error, after the group has taken the valid commits or not.
    func after(_ committed: GroupShard.Committed) -> ErrorCode {
      switch (self, committed) {
      // A broker that has just started may know neither the topic nor that it coordinates no group: the client is to look for the coordinator.
      case (.unknownTopic, .refused(let error))
      where error == .notCoordinator || error == .coordinatorLoadInProgress || error == .coordinatorNotAvailable:
        error
      case (.unknownTopic, _): .unknownTopicOrPartition
      case (_, .refused(let error)): error
      case (.metadataTooLong, .stored): .offsetMetadataTooLarge
      case (.valid, .stored(let error)): error
      }
    }
  }

  var topics: [(name: String, partitions: [(Int32, Check)])] = []
  var valid: GroupShard.Commits = []
  private(set) var count = 0

  init(_ request: OffsetCommitRequest, _ image: MetadataImage, lengthMax: Int, nowMs: Int64) {
    // Versions 2 to 4 say when the offset expires.
    let expiryMs = request.retentionTimeMs < 0 ? nil : nowMs.addingClamped(request.retentionTimeMs)
    for topic in request.topics {
      add(topic.name, image.named(topic.name), lengthMax, topic.partitions) { partition in
        GroupOffsets.Commit(
          offset: partition.committedOffset, leaderEpoch: partition.committedLeaderEpoch,
          metadata: partition.committedMetadata ?? "",
          timestampMs: partition.commitTimestamp < 0 ? nowMs : partition.commitTimestamp, expiryMs: expiryMs)
      } index: {
        $0.partitionIndex
      }
    }
  }

  init(_ request: TxnOffsetCommitRequest, _ image: MetadataImage, lengthMax: Int, nowMs: Int64) {
    for topic in request.topics {
      add(topic.name, image.named(topic.name), lengthMax, topic.partitions) { partition in
        GroupOffsets.Commit(
          offset: partition.committedOffset, leaderEpoch: partition.committedLeaderEpoch,
          metadata: partition.committedMetadata ?? "", timestampMs: nowMs)
      } index: {
        $0.partitionIndex
      }
    }
  }

  private mutating func add<Asked>(
    _ name: String, _ topic: Topic?, _ lengthMax: Int, _ partitions: [Asked],
    commit: (Asked) -> GroupOffsets.Commit, index: (Asked) -> Int32
  ) {
    var checks: [(Int32, Check)] = []
    for asked in partitions {
      let (number, committed) = (index(asked), commit(asked))
      if topic?.partition(number) == nil {
        checks.append((number, .unknownTopic))
      } else if committed.metadata.utf8.count > lengthMax, committed.metadata.utf16.count > lengthMax {
        checks.append((number, .metadataTooLong))
      } else {
        checks.append((number, .valid))
        valid.append((TopicPartition(name, number), committed))
      }
    }
    count += checks.count
    topics.append((name, checks))
  }
}
