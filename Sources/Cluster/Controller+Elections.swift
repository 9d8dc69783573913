import Model

/// Elects leaders on request (ElectLeaders). Elections that follow from brokers' coming and going are in
/// `Controller+Partitions.swift`.
extension Controller {
  mutating func elect(_ asked: RequestedElection, _ item: Item, _ write: inout Write) throws(ApiError) {
    let partition = try electable(asked)
    guard let elected = elected(asked, partition) else { throw Self.notElected(asked) }
    write.operations.append(set(elected, of: asked.name, from: partition))
    write.commits.append(.electedOnRequest(asked.name, elected, item))
    write.busy.insert(asked.name.topic)
    write.isElectionInSeries = settings.electsInSeries
  }

  /// Returns the partition's state, which needs the election.
  private func electable(_ asked: RequestedElection) throws(ApiError) -> PartitionDescription {
    if cluster.topics[asked.name.topic]?.isBeingDeleted == true {
      throw ApiError(.invalidTopicException, "The topic is being deleted.")
    }
    guard let partition = cluster.partition(asked.name) else {
      throw ApiError(.unknownTopicOrPartition, "The partition does not exist.")
    }
    let isNeeded =
      asked.isUnclean
      ? !cluster.isUsable(partition.leader, for: partition) : partition.leader != partition.targetReplicas.first
    guard isNeeded else {
      throw ApiError(.electionNotNeeded, "\(asked.name) is led by broker \(partition.leader) already.")
    }
    return partition
  }

  private func elected(_ asked: RequestedElection, _ partition: PartitionDescription) -> PartitionDescription? {
    let isAlive = { cluster.isUsable($0, for: partition) && !shuttingDown.contains($0) }
    return asked.isUnclean
      ? Election.unclean(partition, isAlive: isAlive) : Election.preferred(partition, isAlive: isAlive)
  }

  private static func notElected(_ asked: RequestedElection) -> ApiError {
    asked.isUnclean
      ? ApiError(.eligibleLeadersNotAvailable, "No replica of \(asked.name) is alive.")
      : ApiError(.preferredLeaderNotAvailable, "The preferred replica of \(asked.name) is not alive or not in sync.")
  }

  mutating func electedOnRequest(_ name: TopicPartition, _ partition: PartitionDescription, _ item: Item) {
    put(partition, of: name)
    guard let topic = cluster.topics[name.topic] else { return }
    lead(name, topic, isNew: false, to: partition.replicas)
    changed(name)
    resolve(item, .done)
  }
}
