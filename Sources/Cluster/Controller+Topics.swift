import Model

/// Creates, grows and deletes topics.
extension Controller {
  /// Tracks a topic whose partitions from `first` on get their logs.
  struct Making: Sendable {
    var item: Item
    /// 0 for a new topic.
    var first: Int
    /// The brokers that have not yet reported the outcome.
    var brokers: Set<BrokerID>
    var failure: ApiError?
    /// After a failure, the brokers that have not yet reported the deletion of their logs.
    var stopping: Set<BrokerID>?
    /// The brokers that may still have files.
    var keeping: Set<BrokerID> = []
    /// The brokers of `keeping` that have registered again.
    var returned: Set<BrokerID> = []
  }

  /// Tracks a topic that is marked for deletion.
  struct Deleting: Sendable {
    /// The requests waiting for the deletion.
    var items: [Item]
    /// The brokers that are deleting their replicas.
    var stopping: Set<BrokerID>
    /// The brokers that will delete their replicas when they register again.
    var absent: Set<BrokerID>
  }

  private var decisions: TopicDecisions {
    TopicDecisions(
      brokers: cluster.brokerIDs, racks: cluster.brokers.compactMapValues(\.rack),
      partitionCountDefault: settings.partitionCountDefault,
      replicationFactorDefault: settings.replicationFactorDefault)
  }

  static func unknown(_ topic: String) -> ApiError {
    ApiError(.unknownTopicOrPartition, "The topic '\(topic)' does not exist.")
  }

  // MARK: Create

  mutating func create(
    _ asked: Creation, _ validateOnly: Bool, _ item: Item, _ write: inout Write
  ) throws(ApiError) {
    let name = asked.topic.name
    let replicas = try decisions.create(
      asked.topic, existing: { cluster.topics[$0]?.shape }, colliding: { metricNames[TopicName.metricName($0)] },
      start: nextStart)
    let overrides = try asked.configs.get()
    var topic = TopicDescription(name: name, id: .zero, partitions: replicas.map(Self.elected), overrides: overrides)
    guard !validateOnly else { return resolve(item, .topic(topic)) }
    topic.id = asked.id
    let config = ConfigZNode(.topic(name), values: overrides).data
    let node = topic.zNode.data
    try Self.check(config, node)
    write.operations += [
      .create(path: ConfigZNode.path(.topic(name)), data: config),
      .create(path: TopicZNode.path(name), data: node),
      .create(path: PartitionStateZNode.partitionsPath(name), data: []),
    ]
    write.operations += partitionNodes(of: topic, from: 0)
    write.commits.append(.created(name, item))
    write.busy.insert(name)
    // Reserves the name; `notCreated` removes it if the write fails.
    cluster.topics[name] = topic
    topicNames[topic.id] = name
    metricNames[TopicName.metricName(name)] = name
    nextStart = (nextStart + 1) % max(1, cluster.brokers.count)
  }

  mutating func created(_ name: String, _ item: Item) { make(name, from: 0, item) }

  mutating func notCreated(_ name: String) {
    if let gone = cluster.topics.removeValue(forKey: name) { topicNames[gone.id] = nil }
    metricNames[TopicName.metricName(name)] = nil
  }

  // MARK: Grow

  mutating func grow(_ asked: Growth, _ validateOnly: Bool, _ item: Item, _ write: inout Write) throws(ApiError) {
    let added = try decisions.grow(
      asked.name, to: asked.count, assignments: asked.assignments, existing: cluster.topics[asked.name]?.shape)
    guard var topic = cluster.topic(asked.name) else { throw Self.unknown(asked.name) }
    let before = topic.partitions.count
    topic.partitions += added.map(Self.elected)
    guard !validateOnly else { return resolve(item, .topic(topic)) }
    let node = topic.zNode.data
    try Self.check(node)
    write.operations.append(.set(path: TopicZNode.path(topic.name), data: node))
    write.operations += partitionNodes(of: topic, from: before)
    write.commits.append(.grown(topic, from: before, item))
    write.busy.insert(topic.name)
  }

  mutating func grown(_ topic: TopicDescription, from first: Int, _ item: Item) {
    cluster.topics[topic.name] = topic
    make(topic.name, from: first, item)
  }

  // MARK: Logs

  /// Sends LeaderAndIsr for new partitions, so that their living replicas make logs.
  private mutating func make(_ name: String, from first: Int, _ item: Item) {
    guard let topic = cluster.topics[name] else { return }
    let brokers = topic.hosts(from: first).filter(cluster.isAlive)
    making[name] = Making(item: item, first: first, brokers: brokers)
    for index in first..<topic.partitions.count {
      lead(TopicPartition(name, Int32(index)), topic, isNew: true, to: topic.partitions[index].replicas)
    }
    if brokers.isEmpty { resolveMaking(name) }
  }

  /// Handles a broker's report on making its logs of a topic.
  mutating func made(_ name: String, by broker: BrokerID, failure: String?) {
    guard making[name]?.brokers.remove(broker) != nil else { return madeAgain(name, by: broker, failure) }
    if let failure, making[name]?.failure == nil {
      making[name]?.failure = ApiError(.kafkaStorageError, failure)
    }
    if making[name]?.brokers.isEmpty == true { resolveMaking(name) }
  }

  private mutating func resolveMaking(_ name: String) {
    guard let made = making[name], let topic = cluster.topics[name] else { return }
    guard made.failure == nil else {
      // Logs are deleted before nodes: a topic without logs gets them at the next start; logs without a topic are garbage.
      for index in made.first..<topic.partitions.count {
        stop(TopicPartition(name, Int32(index)), topic, isDeleted: true)
      }
      making[name]?.stopping = topic.hosts(from: made.first).filter(cluster.isAlive)
      return takeBackIfStopped(name)
    }
    making[name] = nil
    outbox.changed.insert(name)
    resolve(made.item, .topic(topic))
    beginNext(name)
  }

  private mutating func takeBackIfStopped(_ name: String) {
    if making[name]?.stopping?.isEmpty == true { enqueue(.takeBack(name)) }
  }

  /// Handles a broker's report on deleting the logs of a topic that is removed again; returns false if the topic is not.
  private mutating func stoppedMaking(_ name: String, by broker: BrokerID, isGone: Bool) -> Bool {
    guard making[name]?.stopping?.remove(broker) != nil else { return false }
    if !isGone { making[name]?.keeping.insert(broker) }
    takeBackIfStopped(name)
    return true
  }

  /// Handles the failure of a broker that was making its logs, or deleting them again.
  mutating func wentMaking(_ broker: BrokerID) {
    for name in making.keys.sorted() {
      if !stoppedMaking(name, by: broker, isGone: false) { made(name, by: broker, failure: nil) }
    }
    for name in logless.keys { logless[name]?.remove(broker) }
  }

  /// Publishes the topics whose logs all other brokers have made. The request is sent again until the broker responds.
  mutating func unreachable(_ broker: BrokerID) {
    for name in making.keys.sorted() where making[name]?.stopping == nil { made(name, by: broker, failure: nil) }
  }

  /// Removes from the tree a topic whose logs could not be made. If files may be left the topic must stay known, or the next
  /// start would find files of no topic: a new topic is marked for deletion, and added partitions stay.
  mutating func takeBack(_ name: String, _ write: inout Write) {
    guard let made = making[name], let topic = cluster.topics[name] else { return }
    guard made.keeping.isEmpty else {
      guard made.first == 0 else {
        notTakenBack(name)
        return beginNext(name)
      }
      write.operations.append(.create(path: DeleteTopicZNode.path(name), data: []))
      write.commits.append(.abandoned(name))
      write.busy.insert(name)
      return
    }
    if made.first == 0 {
      write.operations += removal(of: topic)
    } else {
      var before = topic
      before.partitions.removeSubrange(made.first...)
      write.operations += (made.first..<topic.partitions.count).flatMap { partitionRemoval(name, Int32($0)) }
      write.operations.append(.set(path: TopicZNode.path(name), data: before.zNode.data))
    }
    write.commits.append(.tookBack(name))
    write.busy.insert(name)
  }

  mutating func tookBack(_ name: String) {
    guard let made = making.removeValue(forKey: name) else { return }
    if made.first == 0 {
      notCreated(name)
    } else {
      cluster.topics[name]?.partitions.removeSubrange(made.first...)
      outbox.changed.insert(name)
    }
    if let failure = made.failure { resolve(made.item, .refused(failure)) }
  }

  /// Marks a new topic with files left for deletion, which continues when the brokers that have them register again.
  mutating func abandoned(_ name: String) {
    guard let made = making.removeValue(forKey: name) else { return }
    cluster.topics[name]?.isBeingDeleted = true
    deleting[name] = Deleting(items: [], stopping: [], absent: made.keeping)
    for broker in made.returned.filter(cluster.isAlive).sorted() { resumeDeletion(of: name, on: broker) }
    if let failure = made.failure { resolve(made.item, .refused(failure)) }
  }

  /// Handles a failed `takeBack`: the topic is published without logs, which the timer has made.
  mutating func notTakenBack(_ name: String) {
    guard let made = making.removeValue(forKey: name), let topic = cluster.topics[name] else { return }
    outbox.changed.insert(name)
    logless[name] = topic.hosts(from: made.first).filter(cluster.isAlive)
    if let failure = made.failure { resolve(made.item, .refused(failure)) }
  }

  /// The timer: logs that could not be made, of a topic that could not be taken back, are tried again.
  mutating func makeLogless() {
    for name in logless.keys.sorted() {
      guard let topic = cluster.topic(name), let brokers = logless[name], !brokers.isEmpty else {
        logless[name] = nil
        continue
      }
      for (index, partition) in topic.partitions.enumerated() {
        lead(TopicPartition(name, Int32(index)), topic, isNew: true, to: partition.replicas.filter(brokers.contains))
      }
    }
  }

  private mutating func madeAgain(_ name: String, by broker: BrokerID, _ failure: String?) {
    // The broker that could not be reached has responded at last.
    if failure != nil, let topic = cluster.topic(name), logless[name]?.contains(broker) != true {
      let names = topic.partitions.indices.map { TopicPartition(name, Int32($0)) }
      return replicasFailed(names, at: broker)
    }
    guard failure == nil, logless[name]?.remove(broker) != nil, cluster.topic(name) != nil else { return }
    outbox.changed.insert(name)
  }

  // MARK: Delete

  mutating func delete(_ asked: Deletion, _ item: Item, _ write: inout Write) throws(ApiError) {
    guard settings.deletesTopics else { throw ApiError(.topicDeletionDisabled, "Topic deletion is disabled.") }
    guard let topic = cluster.topic(asked.name) else { throw Self.unknown(asked.name) }
    guard asked.id == nil || asked.id == topic.id else {
      throw ApiError(.unknownTopicId, "This server does not host this topic ID.")
    }
    if !asked.isMarked { write.operations.append(.create(path: DeleteTopicZNode.path(topic.name), data: [])) }
    write.commits.append(.deleted(topic.name, item))
    write.busy.insert(topic.name)
  }

  mutating func deleted(_ name: String, _ item: Item) {
    guard var topic = cluster.topics[name] else { return }
    topic.isBeingDeleted = true
    cluster.topics[name] = topic
    outbox.removed.insert(name)
    let hosts = topic.hosts
    deleting[name] = Deleting(
      items: [item], stopping: hosts.filter(cluster.isAlive), absent: hosts.filter { !cluster.isAlive($0) })
    for index in topic.partitions.indices { stop(TopicPartition(name, Int32(index)), topic, isDeleted: true) }
    settleDeletion(name)
  }

  /// Handles a broker's report on deleting its replicas of a topic. A broker that could not remove all files counts as absent.
  mutating func stopped(_ name: String, by broker: BrokerID, isGone: Bool) {
    if stoppedMaking(name, by: broker, isGone: isGone) { return }
    guard deleting[name]?.stopping.remove(broker) != nil else { return }
    if !isGone { deleting[name]?.absent.insert(broker) }
    settleDeletion(name)
  }

  /// Returns whether all replicas are deleted, so that the nodes can be. (Clients do not wait for absent brokers.)
  func isDeletionReady(_ name: String) -> Bool {
    deleting[name].map { $0.stopping.isEmpty && $0.absent.isEmpty } ?? false
  }

  mutating func settleDeletion(_ name: String) {
    guard let deletion = deleting[name], deletion.stopping.isEmpty else { return }
    if isDeletionReady(name) { return enqueue(.finishDelete(name)) }
    respondToDeletion(name)
  }

  private mutating func respondToDeletion(_ name: String) {
    guard let topic = cluster.topics[name], let items = deleting[name]?.items else { return }
    deleting[name]?.items = []
    for item in items { resolve(item, .topic(topic)) }
  }

  mutating func finishDelete(_ name: String, _ write: inout Write) {
    guard isDeletionReady(name), let topic = cluster.topics[name] else { return }
    write.operations += removal(of: topic)
    write.operations.append(.delete(path: DeleteTopicZNode.path(name)))
    write.commits.append(.removed(name))
    write.busy.insert(name)
  }

  mutating func removed(_ name: String) {
    respondToDeletion(name)
    deleting[name] = nil
    notCreated(name)
  }

  /// Handles a failed deletion of nodes: they stay, marked, and the timer tries again.
  mutating func notRemoved(_ name: String, _ refusal: ApiError) {
    guard let items = deleting[name]?.items else { return }
    deleting[name]?.items = []
    for item in items { resolve(item, .refused(refusal)) }
  }

  // MARK: Nodes

  /// Describes a new partition: its first replica leads, and all are in sync.
  private static func elected(_ replicas: [BrokerID]) -> PartitionDescription {
    PartitionDescription(replicas: replicas, leader: replicas.first ?? -1, leaderEpoch: 0, inSyncReplicas: replicas)
  }

  private func partitionNodes(of topic: TopicDescription, from first: Int) -> [TreeOperation] {
    (first..<topic.partitions.count).flatMap { index -> [TreeOperation] in
      [
        .create(path: PartitionStateZNode.partitionPath(topic.name, Int32(index)), data: []),
        .create(
          path: PartitionStateZNode.path(topic.name, Int32(index)), data: stateNode(topic.partitions[index]).data),
      ]
    }
  }

  func stateNode(_ partition: PartitionDescription) -> PartitionStateZNode {
    var node = PartitionStateZNode(
      leader: partition.leader, leaderEpoch: partition.leaderEpoch, controllerEpoch: epoch,
      inSyncReplicas: partition.inSyncReplicas)
    node.isRecovering = partition.isRecovering
    return node
  }

  private func partitionRemoval(_ topic: String, _ partition: Int32) -> [TreeOperation] {
    [
      .delete(path: PartitionStateZNode.path(topic, partition)),
      .delete(path: PartitionStateZNode.partitionPath(topic, partition)),
    ]
  }

  private func removal(of topic: TopicDescription) -> [TreeOperation] {
    var operations = topic.partitions.indices.flatMap { partitionRemoval(topic.name, Int32($0)) }
    operations.append(.delete(path: PartitionStateZNode.partitionsPath(topic.name)))
    operations.append(.delete(path: TopicZNode.path(topic.name)))
    if topic.hasConfigNode { operations.append(.delete(path: ConfigZNode.path(.topic(topic.name)))) }
    return operations
  }

  /// Refuses nodes too large for the tree, which would fail the other changes that share the write.
  static func check(_ nodes: [UInt8]...) throws(ApiError) {
    guard nodes.allSatisfy({ $0.count <= nodeBytesMax }) else {
      throw ApiError(.invalidRequest, "The z-node would be larger than \(nodeBytesMax) bytes.")
    }
  }
}
