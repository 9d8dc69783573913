package import Cluster
package import Coordination
package import Model

/// This broker at its start: its id in the tree, the controller it has become, and the effects to carry out first.
///
/// A crash can leave behind a topic without its logs, which are made at this start, and a deleted topic with logs, whose
/// deletion goes on.
package struct ElectedController: Sendable {
  package let brokerID: BrokerID
  package let clusterID: String
  package var controller: Controller
  /// The effects to be carried out once the logs are open.
  var effects: [Controller.Effect]
  let configs: DynamicConfigs

  /// This broker's configuration with the tree's dynamic values.
  var config: Config { configs.config(controller.cluster.brokerValues) }

  /// What this broker's directories say it was before (`meta.properties`); nil where they say nothing.
  package struct Identity: Sendable {
    package var brokerID: BrokerID?
    package var clusterID: String?
    package init(brokerID: BrokerID? = nil, clusterID: String? = nil) {
      self.brokerID = brokerID
      self.clusterID = clusterID
    }
  }

  /// Reads the tree, makes what is missing of its roots, and takes the lead: this broker becomes controller, and leader of
  /// every partition it has an in-sync replica of, in a new leader epoch. Waits for the disk.
  ///
  /// - Parameters:
  ///   - nowMs: milliseconds since 1970.
  ///   - random: makes the cluster's id.
  ///   - accept: refuses, by throwing, what the tree says of the cluster; nothing has been written then. It gets this
  ///     broker's id, nil where one is to be generated, and the cluster's id.
  package init(
    tree: any ZNodeTree, config: Config, before: Identity, nowMs: Int64, random: any RandomNumberGenerator,
    accept: (ClusterState, BrokerID?, _ clusterID: String) throws(StartRefusal) -> Void = { _, _, _ in }
  ) throws {
    var random = random
    do {
      var start = RegistryStart(tree: tree, brokerID: -1)
      try start.makeRoots()
      clusterID = try start.clusterID(before: before.clusterID) { UUID128.random(using: &random).description }
      let known = try Self.knownID(config, before: before.brokerID)
      start.brokerID = known ?? -1
      var cluster = try start.cluster()
      try accept(cluster, known, clusterID)
      if known == nil {
        start.brokerID = try Self.generatedID(config, &start)
        // The broker's own values are read by its id.
        cluster = try start.cluster()
      }
      brokerID = start.brokerID
      let (epoch, version) = try start.becomeController(nowMs: nowMs)
      try tree.multi(start.operations)
      let configs = try DynamicConfigs(config, brokerID: brokerID, cluster.brokerValues)
      self.configs = configs
      controller = Controller(
        id: brokerID, epoch: epoch, epochVersion: version, cluster: cluster,
        rules: Controller.Rules { values in Controller.Rules.Settings(configs.config(values)) })
      effects = []
      // Elections are written now: the logs are opened for their new leader epochs.
      var due = controller.step(.brokerCame(LiveBroker(id: brokerID, epoch: tree.sessionID)))
      while !due.isEmpty {
        let effect = due.removeFirst()
        guard case .write(let operations) = effect else {
          effects.append(effect)
          continue
        }
        due += controller.step(try tree.perform(operations))
      }
    } catch let error as RegistryError {
      throw error
    } catch let error as StartRefusal {
      throw error
    } catch let error as ZNodeError {
      throw StartRefusal(error)
    } catch {
      throw RegistryError("the z-node tree: \(error)")
    }
  }

  /// What broker.id or meta.properties says; nil when neither does.
  private static func knownID(_ config: Config, before: BrokerID?) throws(RegistryError) -> BrokerID? {
    guard config.brokerID >= 0 else { return before }
    if let before, before != config.brokerID {
      throw RegistryError("broker.id is \(config.brokerID), but the log directories are those of broker \(before)")
    }
    return config.brokerID
  }

  private static func generatedID(_ config: Config, _ start: inout RegistryStart) throws -> BrokerID {
    guard config.brokerIDGenerationEnable else {
      throw RegistryError("broker.id is not set, and broker.id.generation.enable is false")
    }
    return try start.generateBrokerID(above: config.reservedBrokerMaxID)
  }
}

extension Controller.Rules.Settings {
  init(_ config: Config) {
    self.init(
      partitionCountDefault: config.numPartitions, replicationFactorDefault: config.defaultReplicationFactor,
      deletesTopics: config.deleteTopics)
  }
}

extension ZNodeTree {
  /// Does a controller's write and says how it went. Waits for the disk.
  func carryOut(_ operations: [TreeOperation]) -> Controller.Event {
    do throws(ZNodeError) { return try perform(operations) } catch {
      if error.code == .closed || error.code == .sessionExpired { return .sessionLost }
      let isFenced = error.code == .badVersion && error.path == ControllerEpochZNode.path
      return .writeFailed(isFenced ? .fenced : .failed("\(error)"))
    }
  }

  /// Does a controller's write. Waits for the disk.
  fileprivate func perform(_ operations: [TreeOperation]) throws(ZNodeError) -> Controller.Event {
    let results = try multi(operations.map { ZNodeOperation($0) })
    var created: [String] = []
    for (operation, result) in zip(operations, results) {
      if case .createSequential = operation, case .created(let path, _) = result { created.append(path) }
    }
    return .writeFinished(created: created)
  }
}

extension ZNodeOperation {
  fileprivate init(_ operation: TreeOperation) {
    switch operation {
    case .create(let path, let data): self = .create(path: path, data: data)
    case .createSequential(let path, let data): self = .create(path: path, data: data, mode: .persistentSequential)
    case .set(let path, let data, let version): self = .set(path: path, data: data, version: version)
    case .delete(let path): self = .delete(path: path)
    case .check(let path, let version): self = .check(path: path, version: version)
    }
  }
}
