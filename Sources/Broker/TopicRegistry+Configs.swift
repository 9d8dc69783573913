package import Cluster
import Coordination
import Model
import Synchronization

/// Changes of configuration: checked, written to the tree, and then what the registry answers with.
extension TopicRegistry {
  /// Changes a topic's own values; the answer is the topic as it then is, or would be.
  package func alter(
    topic name: String, _ alteration: ConfigAlteration, validateOnly: Bool = false
  ) throws(Refusal) -> TopicDescription {
    try state.withLock { state throws(Refusal) in
      guard var description = state.topics[name], !description.isBeingDeleted else { throw Self.unknown(name) }
      description.overrides = try alteration.applied(toTopic: description.overrides, broker: state.config)
      if validateOnly { return description }
      try writeConfig(ConfigZNode(.topic(name), values: description.overrides))
      state.topics[name] = description
      return description
    }
  }

  /// Changes the dynamic values of this broker, or of all brokers (`isDefault`); the answer is the configuration as it
  /// then is. Topics' effective values may be other ones.
  package func alter(
    brokerDefault isDefault: Bool, _ alteration: ConfigAlteration, validateOnly: Bool = false
  ) throws(Refusal) -> Config {
    try state.withLock { state throws(Refusal) in
      let changed = try alteration.applied(toBroker: state.config, isDefault: isDefault)
      if validateOnly { return changed }
      let entity: ConfigZNode.Entity = isDefault ? .brokerDefault : .broker(brokerID)
      try writeConfig(ConfigZNode(entity, values: isDefault ? changed.dynamicDefaults : changed.dynamicOwn))
      state.config = changed
      return changed
    }
  }

  /// Writes the node and, as Kafka does, a notification for the other brokers; notifications that every broker has had
  /// the time to see are swept.
  private func writeConfig(_ node: ConfigZNode) throws(Refusal) {
    let path = ConfigZNode.path(node.entity)
    var operations: [ZNodeOperation] = [
      exists(path) ? .set(path: path, data: node.data) : .create(path: path, data: node.data),
      .create(
        path: ConfigChangeZNode.prefix, data: ConfigChangeZNode.data(node.entity), mode: .persistentSequential),
    ]
    for name in (try? tree.children(of: ConfigChangeZNode.parent)) ?? [] {
      let change = "\(ConfigChangeZNode.parent)/\(name)"
      guard let stat = try? tree.exists(change), nowMs() - stat.ctime > ConfigChangeZNode.keptMs else { continue }
      operations.append(.delete(path: change))
    }
    try write(operations)
  }
}
