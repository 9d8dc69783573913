import Cluster
import Model
import Wire

extension LocalBroker {
  /// Returns how far groups have read.
  func offsetFetch(_ request: OffsetFetchRequest, _ context: RequestContext) -> HandlerResult<OffsetFetchResponse> {
    let version = context.version
    let asked = request.groups.reduce(request.groups.count) { sum, group in
      sum + (group.topics?.reduce(0) { $0 + $1.partitionIndexes.count } ?? Limits.servedOnLoop)
    }
    let ofOne = request.topics.map { $0.reduce(0) { $0 + $1.partitionIndexes.count } } ?? Limits.servedOnLoop + 1
    return serve(context, size: version >= 8 ? asked : ofOne) {
      version >= 8 ? self.offsets(ofGroups: request) : self.offsets(ofGroup: request, version: version)
    }
  }

  private func offsets(ofGroups request: OffsetFetchRequest) -> OffsetFetchResponse {
    var response = OffsetFetchResponse()
    response.groups = request.groups.map { asked in
      var group = OffsetFetchResponse.Group()
      group.groupID = asked.groupID
      let topics = asked.topics?.map { ($0.name, $0.partitionIndexes) }
      let reader = GroupShard.Reader(memberID: asked.memberID, epoch: asked.memberEpoch)
      let found = offsets(of: asked.groupID, topics, by: reader, stable: request.requireStable)
      group.errorCode = found.error
      guard found.error == .none else { return group }
      group.topics = Self.byTopic(found.partitions).map { name, partitions in
        .with { topic in
          topic.name = name
          topic.partitions = partitions.map { index, found in
            .with { partition in
              let (commit, error) = Self.content(found)
              partition.partitionIndex = index
              partition.committedOffset = commit?.offset ?? .unknown
              partition.committedLeaderEpoch = commit?.leaderEpoch ?? -1
              partition.metadata = commit?.metadata ?? ""
              partition.errorCode = error
            }
          }
        }
      }
      return group
    }
    return response
  }

  private func offsets(ofGroup request: OffsetFetchRequest, version: Int16) -> OffsetFetchResponse {
    let topics = request.topics?.map { ($0.name, $0.partitionIndexes) }
    var found = offsets(of: request.groupID, topics, by: GroupShard.Reader(), stable: request.requireStable)
    var response = OffsetFetchResponse()
    response.errorCode = found.error
    if found.error != .none {
      // Versions 0 and 1 have no place for the error but the partitions.
      guard version < 2 else { return response }
      found.partitions = Self.partitions(topics ?? []).map { ($0, .nothing) }
    }
    response.topics = Self.byTopic(found.partitions).map { name, partitions in
      .with { topic in
        topic.name = name
        topic.partitions = partitions.map { index, outcome in
          .with { partition in
            let (commit, error) = Self.content(outcome)
            partition.partitionIndex = index
            partition.committedOffset = commit?.offset ?? .unknown
            partition.committedLeaderEpoch = commit?.leaderEpoch ?? -1
            partition.metadata = commit?.metadata ?? ""
            partition.errorCode = found.error == .none ? error : found.error
            // Version 0 asked ZooKeeper, where nothing committed was an unknown partition.
            if version == 0, outcome == .nothing, found.error == .none {
              partition.errorCode = .unknownTopicOrPartition
            }
          }
        }
      }
    }
    return response
  }

  private func offsets(
    of group: String, _ topics: [(String, [Int32])]?, by reader: GroupShard.Reader, stable: Bool
  ) -> GroupShard.Fetched {
    guard let shard = groups.shard(of: group), surelyCoordinates(shard) else {
      return GroupShard.Fetched(error: .notCoordinator)
    }
    return shard.fetch(group, topics.map(Self.partitions), by: reader, stable: stable)
  }

  /// Whether a shard's log has its followers still. A coordinator that is cut off, and has been succeeded without its knowledge, would
  /// answer with what was committed before that, and its reader would take records twice. Where followers are silent, the controller is asked
  /// to remove them from the ISR: with its consent this broker answers again.
  private func surelyCoordinates(_ shard: GroupShard) -> Bool {
    let image = image
    guard let partition = image.named(TopicName.groupOffsets)?.partition(shard.partition) else { return true }
    let patienceMs = min(Int64(image.config.zooKeeperSessionTimeoutMs), image.config.replicaLagMsMax)
    guard let doubt = partition.doubt(withinMs: patienceMs, nowMs: uptimeMs()) else { return true }
    isrRequests.take(doubt, of: partition)
    return false
  }

  private static func partitions(_ topics: [(String, [Int32])]) -> [TopicPartition] {
    topics.flatMap { name, indexes in indexes.map { TopicPartition(name, $0) } }
  }

  /// What is committed, and the partition's error: nothing is none.
  private static func content(_ found: GroupOffsets.Fetched) -> (GroupOffsets.Commit?, ErrorCode) {
    switch found {
    case .committed(let commit): (commit, .none)
    case .nothing: (nil, .none)
    case .unstable: (nil, .unstableOffsetCommit)
    }
  }

  /// Puts the partitions of each topic together, in the order of the topics' first.
  private static func byTopic(
    _ found: [(partition: TopicPartition, found: GroupOffsets.Fetched)]
  ) -> [(String, [(Int32, GroupOffsets.Fetched)])] {
    var topics: [(String, [(Int32, GroupOffsets.Fetched)])] = []
    var places: [String: Int] = [:]
    for (name, outcome) in found {
      if let place = places[name.topic] {
        topics[place].1.append((name.partition, outcome))
      } else {
        places[name.topic] = topics.count
        topics.append((name.topic, [(name.partition, outcome)]))
      }
    }
    return topics
  }
}
