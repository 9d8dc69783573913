import Model

/// Changes configurations and allocates producer ids.
extension Controller {
  /// Writes an entity's values and, as Kafka does, a notification for the other brokers; notifications older than
  /// `ConfigChangeZNode.keptMs` are swept.
  mutating func alter(
    _ asked: ConfigChange, _ validateOnly: Bool, nowMs: Int64, _ item: Item, _ write: inout Write
  ) throws(ApiError) {
    let (before, hasNode) = try values(of: asked.entity)
    let after = try asked.change(before, cluster.brokerValues)
    guard !validateOnly else { return resolve(item, .done) }
    let data = ConfigZNode(asked.entity, values: after).data
    try Self.check(data)
    let path = ConfigZNode.path(asked.entity)
    write.operations.append(hasNode ? .set(path: path, data: data) : .create(path: path, data: data))
    write.operations.append(
      .createSequential(path: ConfigChangeZNode.prefix, data: ConfigChangeZNode.data(asked.entity)))
    let old = cluster.configNotifications.prefix { Self.isOld($0, nowMs: nowMs) }
    // One of the changes that share a write sweeps.
    let swept = write.sweeps ? 0 : min(old.count, Self.notificationsSweptMax)
    write.sweeps = write.sweeps || swept > 0
    write.operations += old.prefix(swept).map { .delete(path: $0.path) }
    write.commits.append(.configured(asked.entity, after, swept: swept, nowMs: nowMs, item))
    write.busy.insert(item.key(in: self) ?? path)
  }

  /// The most notifications that one change sweeps.
  static let notificationsSweptMax = 1_000

  private static func isOld(_ notification: ClusterState.ConfigNotification, nowMs: Int64) -> Bool {
    let (age, overflow) = nowMs.subtractingReportingOverflow(notification.createdMs)
    return overflow ? nowMs > 0 : age > ConfigChangeZNode.keptMs
  }

  private func values(of entity: ConfigZNode.Entity) throws(ApiError) -> ([String: String], hasNode: Bool) {
    switch entity {
    case .topic(let name):
      guard let topic = cluster.topic(name) else { throw Self.unknown(name) }
      return (topic.overrides, topic.hasConfigNode)
    case .broker(let id): return (cluster.brokerValues.own[id] ?? [:], cluster.brokerValues.hasOwnNode.contains(id))
    case .brokerDefault: return (cluster.brokerValues.defaults, cluster.brokerValues.hasDefaultsNode)
    case .client(let path): return (cluster.clientValues[path] ?? [:], cluster.clientValues[path] != nil)
    }
  }

  /// Takes in what the tree has of a user or client id now.
  package mutating func learned(clientValues values: [String: String], of path: String) {
    cluster.clientValues[path] = values
  }

  /// Takes in a notification that a broker has written by itself, so that it is swept in its time. Known ones, and those before them, are left.
  package mutating func noticed(notification path: String, createdMs: Int64) {
    guard cluster.configNotifications.last.map({ $0.path < path }) ?? true else { return }
    cluster.configNotifications.append(.init(path: path, createdMs: createdMs))
  }

  mutating func configured(
    _ entity: ConfigZNode.Entity, _ values: [String: String], swept: Int, nowMs: Int64, _ item: Item,
    created: inout ArraySlice<String>
  ) {
    switch entity {
    case .topic(let name):
      cluster.topics[name]?.overrides = values
      cluster.topics[name]?.hasConfigNode = true
    case .broker(let id):
      cluster.brokerValues.own[id] = values
      cluster.brokerValues.hasOwnNode.insert(id)
    case .brokerDefault:
      cluster.brokerValues.defaults = values
      cluster.brokerValues.hasDefaultsNode = true
    case .client(let path): cluster.clientValues[path] = values
    }
    cluster.configNotifications.removeFirst(min(swept, cluster.configNotifications.count))
    if let path = created.popFirst() { cluster.configNotifications.append(.init(path: path, createdMs: nowMs)) }
    switch entity {
    case .broker, .brokerDefault: settings = rules.settings(cluster.brokerValues)
    case .topic, .client: break
    }
    outbox.configured.append((entity, values))
    resolve(item, .done)
  }

  mutating func allocateProducerIDs(for broker: BrokerID, _ item: Item, _ write: inout Write) throws(ApiError) {
    guard let block = ProducerIDBlocks.block(after: cluster.producerIDs) else {
      throw ApiError(.unknownServerError, "all producer ids are used up")
    }
    write.operations.append(
      .set(
        path: ProducerIDBlockZNode.path, data: ProducerIDBlockZNode(brokerID: broker, ids: block).data,
        version: cluster.producerIDsVersion))
    write.commits.append(.producerIDs(block, version: cluster.producerIDsVersion &+ 1, item))
    write.busy.insert(ProducerIDBlockZNode.path)
  }

  mutating func allocated(_ block: ClosedRange<Int64>, version: Int32, _ item: Item) {
    cluster.producerIDs = block
    cluster.producerIDsVersion = version
    resolve(item, .producerIDs(block.lowerBound..<block.upperBound + 1))
  }
}

/// Applies the changes of a finished write, and undoes those of a failed one.
extension Controller {
  mutating func commit(_ commit: Commit, created paths: inout ArraySlice<String>) {
    switch commit {
    case .created(let name, let item): created(name, item)
    case .grown(let topic, let first, let item): grown(topic, from: first, item)
    case .tookBack(let name): tookBack(name)
    case .abandoned(let name): abandoned(name)
    case .deleted(let name, let item): deleted(name, item)
    case .removed(let name): removed(name)
    case .configured(let entity, let values, let swept, let nowMs, let item):
      configured(entity, values, swept: swept, nowMs: nowMs, item, created: &paths)
    case .elected(let name, let partition, let cause): elected(name, partition, cause)
    case .ready(let broker, let item): ready(broker, item)
    case .changedISR(let name, let partition, let item): changedISR(name, partition, item)
    case .reassigned(let name, let partition, let item): reassigned(name, partition, item)
    case .electedOnRequest(let name, let partition, let item): electedOnRequest(name, partition, item)
    case .producerIDs(let block, let version, let item): allocated(block, version: version, item)
    }
  }

  mutating func undo(_ commit: Commit, _ refusal: ApiError) {
    switch commit {
    case .created(let name, let item):
      notCreated(name)
      resolve(item, .refused(refusal))
    case .tookBack(let name), .abandoned(let name): notTakenBack(name)
    case .removed(let name): notRemoved(name, refusal)
    case .grown(_, _, let item), .deleted(_, let item), .configured(_, _, _, _, let item), .ready(_, let item),
      .changedISR(_, _, let item), .electedOnRequest(_, _, let item), .producerIDs(_, _, let item):
      resolve(item, .refused(refusal))
    case .reassigned(_, _, let item):
      if let item { resolve(item, .refused(refusal)) }
    // The partition stays as it was; the timer tries again.
    case .elected: break
    }
  }
}

extension Controller.Item {
  fileprivate func key(in controller: Controller) -> String? { controller.request(of: self)?.key(of: index) }
}
