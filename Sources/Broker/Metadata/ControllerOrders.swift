import Cluster
import Logging
import Model
import Storage

/// Carries out on this broker what the cluster's controller decides, whether that runs here or on another broker: replicas become leader or
/// follower, the metadata image shows changed topics and brokers, and configurations take effect.
///
/// Used on the control lane alone, because it waits for the disk.
struct ControllerOrders {
  let brokerID: BrokerID
  let metadata: Metadata
  let replicas: Replicas
  let configs: DynamicConfigs
  /// The brokers' dynamic configuration, as last read or decided.
  var values: BrokerValues
  /// The values of `/config/topics/T` for each topic that has been read or decided.
  var overrides: [String: [String: String]]
  var chores = Chores()

  init(
    brokerID: BrokerID, metadata: Metadata, replicas: Replicas, configs: DynamicConfigs, cluster: ClusterState
  ) {
    self.brokerID = brokerID
    self.metadata = metadata
    self.replicas = replicas
    self.configs = configs
    values = cluster.brokerValues
    overrides = cluster.topics.mapValues(\.overrides)
    metadata.setClientValues(cluster.clientValues)
  }

  /// Makes replicas that have logs already leader or follower.
  func lead(_ states: [Controller.ReplicaState]) {
    guard !states.isEmpty else { return }
    var outcomes: [String: String?] = [:]
    var placement: LogDirectories.Placement?
    lead(states, &outcomes, &placement)
  }

  /// Returns which replicas have a log that cannot be used.
  func offline(of states: [Controller.ReplicaState]) -> Set<TopicPartition> {
    let names = states.lazy.filter { $0.partition.replicas.contains(brokerID) }.map(\.name)
    return Set(names.filter { replicas.partition($0)?.isOnline == false })
  }

  private func lead(
    _ states: [Controller.ReplicaState], _ outcomes: inout [String: String?],
    _ placement: inout LogDirectories.Placement?
  ) {
    let made = replicas.lead(states, &outcomes, &placement) { logConfig(of: $0) }
    // A topic is shown with the partitions that were here when it was last shown.
    refresh(made)
  }

  /// Does the next piece of the chores; nil when its chore has not ended.
  mutating func doChore(isStopping: Bool) -> Chores.Ended? {
    // Taken out, so that the closures may read the rest.
    var chores = chores
    self.chores = Chores()
    let ended = chores.doPiece(
      isStopping: isStopping, make: { lead($0, &$1, &$2) },
      remove: { stopped in
        let left = replicas.stop(stopped) { config(of: $0).fileDeleteDelayMs }
        refresh(Set(stopped.map(\.name.topic)))
        return left
      },
      forget: { replicas.forget($0) })
    self.chores = chores
    if case .removed(let topics, _, _) = ended {
      for name in topics where !replicas.hasReplicas(of: name) { overrides[name] = nil }
    }
    return ended
  }

  // MARK: The metadata image

  /// Shows the changed topics, without the removed ones, and the living brokers.
  ///
  /// - Parameters:
  ///   - brokers: nil when they have not changed.
  ///   - isAll: whether `changed` are all topics, so that every other one is removed.
  mutating func show(
    _ changed: [TopicUpdate], removed: [String], brokers: [LiveBroker]?, controllerID: BrokerID, isAll: Bool = false
  ) {
    // Those of replicas that are here are needed until their files are deleted.
    for name in removed where !replicas.hasReplicas(of: name) { overrides[name] = nil }
    let topics = changed.map { topic(of: $0) }
    var removed = removed
    if isAll {
      let names = Set(changed.map(\.topic.name))
      removed += metadata.image.all.map(\.name).filter { !names.contains($0) }
    }
    metadata.replace {
      MetadataImage(
        after: $0, brokers: brokers, controllerID: controllerID, config: configs.config(values), changed: topics,
        removed: removed)
    }
    if !removed.isEmpty { metadata.tellRemoved(removed) }
    if let brokers { replicas.take(alive: Set(brokers.map(\.id))) }
  }

  /// Shows which broker is the controller; -1 for none.
  func show(controllerID: BrokerID) {
    guard metadata.image.controllerID != controllerID else { return }
    metadata.replace { MetadataImage(after: $0, controllerID: controllerID) }
  }

  /// Shows the present `Partition` objects of topics that are shown already.
  private func refresh(_ names: Set<String>) {
    let image = metadata.image
    let topics = names.sorted().compactMap { name -> Topic? in
      guard let shown = image.named(name) else { return nil }
      let partitions = replicas.partitions(of: shown.description)
      guard !partitions.elementsEqual(shown.partitions, by: ===) else { return nil }
      return Topic(shown.description, config: shown.config, partitions: partitions)
    }
    guard !topics.isEmpty else { return }
    metadata.replace { MetadataImage(after: $0, changed: topics) }
  }

  // MARK: Configurations

  /// Applies changed configurations to the open logs and to the image.
  mutating func configure(_ changes: [(ConfigZNode.Entity, [String: String])]) {
    var names: [String] = []
    for (entity, values) in changes {
      switch entity {
      case .topic(let name):
        overrides[name] = values
        names.append(name)
      case .broker(let id): self.values.own[id] = values
      case .brokerDefault: self.values.defaults = values
      case .client(let path): metadata.setClientValues(path, values)
      }
    }
    let ofBrokers = changes.contains {
      switch $0.0 {
      case .broker, .brokerDefault: true
      case .topic, .client: false
      }
    }
    guard ofBrokers || !names.isEmpty else { return }
    let image = metadata.image
    // Topics inherit the broker's values. No write changes a topic twice.
    if ofBrokers { names = overrides.keys.sorted() }
    for name in names { replicas.configure(name, logConfig(of: name)) }
    // The image keeps the partitions that it has: those being added are shown when their logs have been created.
    let topics = names.compactMap { image.named($0) }.map { shown in
      var description = shown.description
      description.overrides = overrides[shown.name] ?? description.overrides
      return Topic(description, config: config(of: shown.name), partitions: shown.partitions)
    }
    metadata.replace { MetadataImage(after: $0, config: configs.config(values), changed: topics) }
    if ofBrokers { metadata.tellConfigured() }
  }

  private func topic(of update: TopicUpdate) -> Topic {
    let topic = update.topic
    guard let changed = update.changed, let shown = metadata.image.named(topic.name), shown.id == topic.id,
      shown.partitions.count == topic.partitions.count
    else { return Topic(topic, config: config(of: topic.name), partitions: replicas.partitions(of: topic)) }
    let isConfigured = shown.config.overrides == overrides[topic.name] ?? [:]
    return Topic(
      topic, config: isConfigured ? shown.config : config(of: topic.name),
      partitions: replicas.partitions(of: topic, changed: changed, before: shown.partitions))
  }

  private func config(of topic: String) -> TopicConfig {
    TopicConfig(overrides: overrides[topic] ?? [:], broker: configs.config(values))
  }

  private func logConfig(of topic: String) -> LogConfig {
    LogConfig(config(of: topic), flushBeforeAck: configs.base.flushBeforeAck)
  }
}
