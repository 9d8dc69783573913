import Cluster
import Coordination
import Model

/// A broker at its start: who it is, what the tree says of the cluster, and what it does first.
struct StartingBroker: Sendable {
  let brokerID: BrokerID
  let clusterID: String
  let configs: DynamicConfigs
  /// What the tree said when it was read.
  let cluster: ClusterState
  /// This broker's controller; nil when that is to be elected among several brokers.
  let controller: Controller?
  /// The effects to be carried out once the logs are open.
  let effects: [Controller.Effect]

  /// This broker's configuration with the tree's dynamic values.
  var config: Config { configs.config(cluster.brokerValues) }
}

extension StartingBroker {
  /// Joins a cluster whose tree several brokers share: makes what is missing of the tree's roots, takes or generates this broker's id, and
  /// reads the tree. Waits for the tree.
  ///
  /// - Parameters:
  ///   - before: what this broker's directories say it was.
  ///   - random: makes the cluster's id, where this is its first broker.
  init(
    joining tree: any ZNodeTree, config: Config, before: ElectedController.Identity,
    random: any RandomNumberGenerator
  ) throws {
    var random = random
    var start = RegistryStart(tree: tree, brokerID: -1, isShared: true)
    let id = try Self.clusterID(&start, before: before.clusterID, &random)
    let known = try ElectedController.knownID(config, before: before.brokerID)
    start.brokerID = try known ?? ElectedController.generatedID(config, &start)
    let cluster = try start.cluster()
    self.init(
      brokerID: start.brokerID, clusterID: id,
      configs: try DynamicConfigs(config, brokerID: start.brokerID, cluster.brokerValues), cluster: cluster,
      controller: nil, effects: [])
  }

  /// Makes the roots and the cluster's id; brokers that start at the same time make them one after another.
  private static func clusterID(
    _ start: inout RegistryStart, before: String?, _ random: inout any RandomNumberGenerator
  ) throws -> String {
    for _ in 0..<Limits.rootAttempts {
      var attempt = start
      try attempt.makeRoots()
      let id = try attempt.clusterID(before: before) { UUID128.random(using: &random).description }
      guard !attempt.operations.isEmpty else { return id }
      do throws(ZNodeError) {
        try start.tree.multi(attempt.operations)
        return id
      } catch {
        guard error.code == .nodeExists else { throw StartRefusal(error) }
      }
    }
    throw RegistryError("the roots of the z-node tree cannot be made: other brokers make them again and again")
  }
}
