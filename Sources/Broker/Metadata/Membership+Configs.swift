import Cluster
import Coordination
import Security

/// Configurations and quotas that other brokers have changed in the tree.
extension ControllerRunner {
  /// Applies the configurations that have changed since the last look.
  func lookAtConfigs(_ state: inout State) throws {
    let names = try read(.configs, .configsChanged, &state) { (tree, watch) throws(ZNodeError) in
      try tree.children(of: ConfigChangeZNode.parent, watch: watch)
    }
    var entities: [ConfigZNode.Entity] = []
    var limited: [QuotaEntity] = []
    for name in names.sorted() where name > state.membership.lastConfigChange {
      state.membership.lastConfigChange = name
      let path = "\(ConfigChangeZNode.parent)/\(name)"
      guard let node = try state.tree.find(path) else { continue }
      state.controller?.noticed(notification: path, createdMs: node.stat.ctime)
      if let path = try? ConfigChangeZNode.path(data: node.data), let entity = QuotaEntity(path: path) {
        limited.append(entity)
      }
      // A user's node has quotas and SCRAM credentials.
      if let entity = try? ConfigChangeZNode.entity(data: node.data), !entities.contains(entity) {
        entities.append(entity)
      }
    }
    if !limited.isEmpty { try readQuotas(limited, state) }
    let changes = try entities.map { entity in
      let node = try state.tree.find(ConfigZNode.path(entity))
      // A user of whom only client ids have quotas has a node without a value.
      let data = node?.data ?? []
      return (entity, data.isEmpty ? [:] : try ConfigZNode(entity, data: data).values)
    }
    if !changes.isEmpty { state.orders.configure(changes) }
  }
}
