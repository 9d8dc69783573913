import Model

/// Changes the leaders, ISRs and replicas of partitions.
extension Controller {
  // MARK: Brokers register and fail

  /// Begins among brokers that are alive: elects where the leader is not, and sends every broker the state of its replicas.
  ///
  /// A broker that registered after a partition's state was written has been away without any controller noticing: it may have lost records,
  /// and leaves the ISR as one that comes and goes under a controller does, as long as another replica in it is alive.
  mutating func began(_ brokers: [LiveBroker], writtenAt: [TopicPartition: Int64]) {
    for broker in brokers { cluster.brokers[broker.id] = broker }
    self.writtenAt = writtenAt
    outbox.areBrokersChanged = true
    for broker in brokers { resumeDeletions(on: broker.id) }
    enqueue(.elect(round(.began)))
  }

  mutating func came(_ broker: LiveBroker) {
    let isNew = cluster.brokers[broker.id]?.epoch != broker.epoch
    guard isNew else { return }
    cluster.brokers[broker.id] = broker
    shuttingDown.remove(broker.id)
    outbox.areBrokersChanged = true
    forgetFailures(at: broker.id)
    resumeDeletions(on: broker.id)
    enqueue(.elect(round(.came(broker.id))))
  }

  mutating func went(_ broker: BrokerID) {
    guard cluster.brokers.removeValue(forKey: broker) != nil else { return }
    shuttingDown.remove(broker)
    outbox.areBrokersChanged = true
    wentMaking(broker)
    for name in deleting.keys.sorted() where deleting[name]?.stopping.remove(broker) != nil {
      deleting[name]?.absent.insert(broker)
      settleDeletion(name)
    }
    // Before its return, which may wait in the queue: a broker that restarts leaves every ISR, because it may have lost records.
    enqueueFirst(.elect(round(.went)))
  }

  private mutating func resumeDeletions(on broker: BrokerID) {
    for name in deleting.keys.sorted() { resumeDeletion(of: name, on: broker) }
    for name in making.keys where making[name]?.keeping.contains(broker) == true {
      making[name]?.returned.insert(broker)
    }
  }

  mutating func resumeDeletion(of name: String, on broker: BrokerID) {
    guard deleting[name]?.absent.remove(broker) != nil, let topic = cluster.topics[name] else { return }
    deleting[name]?.stopping.insert(broker)
    for (index, partition) in topic.partitions.enumerated() where partition.replicas.contains(broker) {
      stop(TopicPartition(name, Int32(index)), topic, isDeleted: true, at: [broker])
    }
  }

  /// Retries partitions without a leader, deletions, and logs that could not be made.
  mutating func retry() {
    for name in deleting.keys.sorted() where isDeletionReady(name) { enqueue(.finishDelete(name)) }
    makeLogless()
    enqueue(.elect(round(.retry)))
  }

  /// Elects preferred leaders for the brokers that lead too few partitions.
  mutating func rebalance() {
    guard let percentMax = settings.imbalancePercentMax else { return }
    let topics = cluster.topics.values.filter { !$0.isBeingDeleted }
    let brokers = Election.imbalanced(topics.lazy.flatMap(\.partitions), percentMax: percentMax)
      .filter { cluster.isAlive($0) }
    if !brokers.isEmpty { enqueue(.elect(round(.imbalance(brokers)))) }
  }

  // MARK: Elections

  /// Queues the elections that are due now that fewer replicas can be used.
  mutating func enqueueElections() { enqueue(.elect(round(.went))) }

  private func round(_ cause: ElectionCause) -> ElectionRound {
    ElectionRound(names: cluster.topics.keys.sorted(), cause: cause)
  }

  /// Elects leaders, partition by partition, until the write is full; the rest follow in the next write.
  mutating func elect(_ round: ElectionRound, _ write: inout Write) {
    var rest = round
    while !rest.isDone, write.hasRoom {
      if let topic = cluster.topic(rest.names[rest.topic]) {
        while rest.partition < topic.partitions.count, write.hasRoom {
          elect(topic, rest.partition, rest.cause, &write)
          rest.partition += 1
        }
        guard rest.partition >= topic.partitions.count else { break }
      }
      rest.skipTopic()
    }
    guard rest.isDone else { return rest.cause == .went ? enqueueFirst(.elect(rest)) : enqueue(.elect(rest)) }
    if rest.cause == .began { writtenAt = [:] }
    guard case .shutDown(let broker, let item) = rest.cause else { return }
    guard write.commits.isEmpty else { return write.commits.append(.ready(broker, item)) }
    ready(broker, item)
  }

  private mutating func elect(_ topic: TopicDescription, _ index: Int, _ cause: ElectionCause, _ write: inout Write) {
    let name = TopicPartition(topic.name, Int32(index))
    let partition = topic.partitions[index]
    let (cluster, shuttingDown) = (cluster, shuttingDown)
    let isUsable: (BrokerID) -> Bool = { cluster.isUsable($0, for: partition) }
    let isAlive = { isUsable($0) && !shuttingDown.contains($0) }
    var elected: PartitionDescription? =
      switch cause {
      case .came(let broker):
        Election.offline(partition, mustElect: partition.leader == broker, isAlive: isAlive)
      case .began:
        Election.begun(partition, isAlive: isUsable) { wasAway($0, sinceStateOf: name) }
      case .went, .retry: Election.offline(partition, mustElect: false, isAlive: isUsable)
      case .imbalance(let brokers):
        partition.isReassigned || !brokers.contains(partition.replicas.first ?? -1)
          ? nil : Election.preferred(partition, isAlive: isAlive)
      case .shutDown(let broker, _): Election.shutDown(broker, partition, isAlive: isAlive)
      }
    if !isUsable((elected ?? partition).leader), rules.allowsUnclean(topic.overrides, cluster.brokerValues),
      let unclean = Election.unclean(partition, isAlive: isAlive)
    {
      elected = unclean
    }
    guard let elected else {
      // A registered broker needs the state of all its replicas, changed or not. The first request to another broker has all topics; the
      // controller shows its own broker those.
      switch cause {
      case .came(let broker):
        if broker == id { outbox.changed.insert(topic.name) }
        if partition.replicas.contains(broker) { lead(name, topic, isNew: false, to: [broker]) }
      case .began:
        lead(name, topic, isNew: false, to: partition.replicas)
      case .went, .retry, .imbalance, .shutDown: break
      }
      return
    }
    write.operations.append(set(elected, of: name, from: partition))
    write.commits.append(.elected(name, elected, cause))
    write.busy.insert(name.topic)
    write.isElectionInSeries = settings.electsInSeries
  }

  /// Whether a broker has registered since a partition's state was written, as far as is known.
  private func wasAway(_ broker: BrokerID, sinceStateOf name: TopicPartition) -> Bool {
    guard let registered = cluster.brokers[broker]?.epoch, let written = writtenAt[name] else { return false }
    return registered > written
  }

  mutating func elected(_ name: TopicPartition, _ partition: PartitionDescription, _ cause: ElectionCause) {
    put(partition, of: name)
    guard let topic = cluster.topics[name.topic] else { return }
    lead(name, topic, isNew: false, to: partition.replicas)
    changed(name)
    if case .shutDown(let broker, _) = cause {
      stop(name, topic, isDeleted: false, at: [broker])
    }
  }

  // MARK: A broker stops

  mutating func shutDown(_ broker: BrokerID, _ brokerEpoch: Int64, _ item: Item) throws(ApiError) {
    try check(broker, brokerEpoch)
    shuttingDown.insert(broker)
    enqueue(.elect(round(.shutDown(broker, item))))
  }

  mutating func ready(_ broker: BrokerID, _ item: Item) {
    var remaining: [TopicPartition] = []
    for name in cluster.topics.keys.sorted() {
      guard let topic = cluster.topic(name) else { continue }
      for (index, partition) in topic.partitions.enumerated() where partition.leader == broker {
        if partition.replicas.count > 1 { remaining.append(TopicPartition(name, Int32(index))) }
      }
    }
    resolve(item, .remaining(remaining))
  }

  private func check(_ broker: BrokerID, _ brokerEpoch: Int64) throws(ApiError) {
    guard let live = cluster.brokers[broker], live.epoch == brokerEpoch else {
      throw ApiError(.staleBrokerEpoch, "Broker \(broker) is not registered with epoch \(brokerEpoch).")
    }
  }

  // MARK: The ISR

  /// Changes the ISR on a leader's request, which names the state that the leader knows (AlterPartition).
  mutating func changeISR(
    _ asked: ISRChange, by broker: BrokerID, _ brokerEpoch: Int64, _ item: Item, _ write: inout Write
  ) throws(ApiError) {
    try check(broker, brokerEpoch)
    guard let partition = cluster.partition(asked.name) else { throw Self.unknown(asked.name.topic) }
    guard asked.leaderEpoch == partition.leaderEpoch, partition.leader == broker else {
      throw ApiError(
        .fencedLeaderEpoch, "\(asked.name) is led by \(partition.leader) in epoch \(partition.leaderEpoch).")
    }
    // The response to the same request was lost: the leader learns the version that it made, and goes on.
    if asked.partitionEpoch < partition.partitionEpoch, asked.isRecovering == partition.isRecovering,
      Set(asked.inSyncReplicas) == Set(partition.inSyncReplicas)
    {
      return resolve(item, .partition(partition))
    }
    guard asked.partitionEpoch == partition.partitionEpoch else {
      throw ApiError(.invalidUpdateVersion, "\(asked.name) is at version \(partition.partitionEpoch).")
    }
    guard asked.inSyncReplicas.contains(broker), Set(asked.inSyncReplicas).count == asked.inSyncReplicas.count,
      asked.inSyncReplicas.allSatisfy({ partition.replicas.contains($0) })
    else { throw ApiError(.invalidRequest, "\(asked.inSyncReplicas) cannot be in sync for \(asked.name).") }
    let away = asked.inSyncReplicas.filter { !cluster.isUsable($0, for: partition) || shuttingDown.contains($0) }
    guard away.isEmpty else { throw ApiError(.ineligibleReplica, "Brokers \(away) are not available.") }
    // What a broker had in an earlier life it may have lost (KIP-903).
    let restarted = asked.inSyncReplicas.filter { id in
      asked.brokerEpochs[id].map { $0 >= 0 && $0 != cluster.brokers[id]?.epoch } ?? false
    }
    guard restarted.isEmpty else { throw ApiError(.ineligibleReplica, "Brokers \(restarted) have registered again.") }
    var after = partition
    after.inSyncReplicas = asked.inSyncReplicas
    after.isRecovering = asked.isRecovering
    guard after != partition else { return resolve(item, .partition(partition)) }
    write.operations.append(set(after, of: asked.name, from: partition))
    write.commits.append(.changedISR(asked.name, after, item))
    write.busy.insert(asked.name.topic)
  }

  mutating func changedISR(_ name: TopicPartition, _ partition: PartitionDescription, _ item: Item) {
    put(partition, of: name)
    changed(name)
    if let after = cluster.partition(name) { resolve(item, .partition(after)) }
    finishReassignIfCaughtUp(name)
  }

  // MARK: Reassignment

  /// Starts a reassignment: new replicas are added first; old ones are removed when the new ones are in sync.
  mutating func reassign(_ asked: Reassignment, _ item: Item, _ write: inout Write) throws(ApiError) {
    guard let topic = cluster.topic(asked.name.topic), let partition = cluster.partition(asked.name) else {
      throw Self.unknown(asked.name.topic)
    }
    let original = partition.replicas.filter { !partition.addingReplicas.contains($0) }
    if asked.replicas == nil, !partition.isReassigned {
      throw ApiError(.noReassignmentInProgress, "No partition reassignment is in progress for \(asked.name).")
    }
    let target = asked.replicas ?? original
    if asked.replicas != nil {
      guard !target.isEmpty, Set(target).count == target.count, target.allSatisfy(cluster.isAlive) else {
        throw ApiError(.invalidReplicaAssignment, "\(target) are not distinct living brokers.")
      }
    }
    var after = partition
    after.replicas = target + partition.replicas.filter { !target.contains($0) }
    after.addingReplicas = target.filter { !original.contains($0) }
    after.removingReplicas = after.replicas.filter { !target.contains($0) }
    after.raiseLeaderEpoch()
    try replace(partition, by: after, of: asked.name, topic, item, &write)
  }

  mutating func finishReassign(_ name: TopicPartition, _ write: inout Write) {
    guard let topic = cluster.topic(name.topic), let partition = cluster.partition(name), partition.isReassigned else {
      return
    }
    var after = partition
    after.replicas = partition.targetReplicas
    after.addingReplicas = []
    after.removingReplicas = []
    after.inSyncReplicas.removeAll { partition.removingReplicas.contains($0) }
    if !after.replicas.contains(after.leader) {
      after.leader =
        after.replicas.first { after.inSyncReplicas.contains($0) && cluster.isUsable($0, for: partition) } ?? -1
    }
    after.raiseLeaderEpoch()
    // The list only becomes shorter, so it fits.
    do throws(ApiError) { try replace(partition, by: after, of: name, topic, nil, &write) } catch {}
  }

  private func replace(
    _ before: PartitionDescription, by after: PartitionDescription, of name: TopicPartition,
    _ topic: TopicDescription, _ item: Item?, _ write: inout Write
  ) throws(ApiError) {
    var changed = topic
    changed.partitions[Int(name.partition)] = after
    let node = changed.zNode.data
    try Self.check(node)
    write.operations.append(.set(path: TopicZNode.path(topic.name), data: node))
    write.operations.append(set(after, of: name, from: before))
    write.commits.append(.reassigned(name, after, item))
    write.busy.insert(topic.name)
  }

  mutating func reassigned(_ name: TopicPartition, _ after: PartitionDescription, _ item: Item?) {
    let before = cluster.partition(name)?.replicas ?? []
    put(after, of: name)
    guard let topic = cluster.topics[name.topic] else { return }
    lead(name, topic, isNew: false, to: after.replicas)
    stop(name, topic, isDeleted: true, at: before.filter { !after.replicas.contains($0) })
    changed(name)
    if let item { resolve(item, .done) }
    finishReassignIfCaughtUp(name)
  }

  private mutating func finishReassignIfCaughtUp(_ name: TopicPartition) {
    guard let partition = cluster.partition(name), partition.isReassigned,
      partition.targetReplicas.allSatisfy({ partition.inSyncReplicas.contains($0) })
    else { return }
    enqueue(.finishReassign(name))
  }

  // MARK: What they share

  func set(
    _ after: PartitionDescription, of name: TopicPartition, from before: PartitionDescription
  ) -> TreeOperation {
    .set(
      path: PartitionStateZNode.path(name.topic, name.partition), data: stateNode(after).data,
      version: before.partitionEpoch)
  }

  /// Applies a written partition state, whose node's version the write has raised.
  mutating func put(_ partition: PartitionDescription, of name: TopicPartition) {
    var partition = partition
    partition.partitionEpoch &+= 1
    // What has failed while the state was written; a deleted replica has failed no longer, for the same broker may get a new one.
    partition.offlineReplicas = (cluster.partition(name)?.offlineReplicas ?? []).filter(partition.replicas.contains)
    cluster.topics[name.topic]?.partitions[Int(name.partition)] = partition
  }

  /// Has the brokers told of a partition's state.
  mutating func changed(_ name: TopicPartition) {
    outbox.changedPartitions[name.topic, default: []].insert(name.partition)
  }

  mutating func lead(_ name: TopicPartition, _ topic: TopicDescription, isNew: Bool, to brokers: [BrokerID]) {
    let state = ReplicaState(
      name: name, topicID: topic.id, partition: topic.partitions[Int(name.partition)], isNew: isNew)
    for broker in brokers { outbox.leading[broker, default: []].append(state) }
  }

  /// - Parameter brokers: nil for all brokers with a replica.
  mutating func stop(
    _ name: TopicPartition, _ topic: TopicDescription, isDeleted: Bool, at brokers: [BrokerID]? = nil
  ) {
    let stopped = StoppedReplica(name: name, topicID: topic.id, isDeleted: isDeleted)
    for broker in brokers ?? topic.partitions[Int(name.partition)].replicas {
      outbox.stopping[broker, default: []].append(stopped)
    }
  }
}
