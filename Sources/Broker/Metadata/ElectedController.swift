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

  /// What the rest of the start needs to know.
  var starting: StartingBroker {
    StartingBroker(
      brokerID: brokerID, clusterID: clusterID, configs: configs, cluster: controller.cluster, controller: controller,
      effects: effects)
  }

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
        rules: configs.rules)
      effects = []
      // Elections are written now: the logs are opened for their new leader epochs.
      var due = controller.step(.brokerCame(LiveBroker(id: brokerID, epoch: tree.sessionID)))
      while !due.isEmpty {
        let effect = due.removeFirst()
        // There are no other brokers.
        if case .settle = effect {
          due += controller.step(.settled)
          continue
        }
        guard case .write(let operations) = effect else {
          effects.append(effect)
          continue
        }
        let written = tree.carryOut(operations)
        if case .writeFailed(.failed(let reason)) = written { throw RegistryError(reason) }
        due += controller.step(written)
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
  static func knownID(_ config: Config, before: BrokerID?) throws(RegistryError) -> BrokerID? {
    guard config.brokerID >= 0 else { return before }
    if let before, before != config.brokerID {
      throw RegistryError("broker.id is \(config.brokerID), but the log directories are those of broker \(before)")
    }
    return config.brokerID
  }

  static func generatedID(_ config: Config, _ start: inout RegistryStart) throws -> BrokerID {
    guard config.brokerIDGenerationEnable else {
      throw RegistryError("broker.id is not set, and broker.id.generation.enable is false")
    }
    return try start.generateBrokerID(above: config.reservedBrokerMaxID)
  }
}

extension DynamicConfigs {
  /// What the controller needs to know of the configuration, whose keys it does not know.
  var rules: Controller.Rules {
    Controller.Rules(
      settings: { Controller.Rules.Settings(self.config($0)) },
      allowsUnclean: { TopicConfig(overrides: $0, broker: self.config($1)).uncleanLeaderElectionEnable })
  }
}

extension Controller.Rules.Settings {
  init(_ config: Config) {
    self.init(
      partitionCountDefault: config.numPartitions, replicationFactorDefault: config.defaultReplicationFactor,
      deletesTopics: config.deleteTopics, electsInSeries: config.election == .serial,
      imbalancePercentMax: config.autoLeaderRebalanceEnable ? config.leaderImbalancePercent : nil)
  }
}

extension ZNodeTree {
  /// Does a controller's write and says how it went. Waits for the disk.
  ///
  /// A write that is larger than one request may be (a topic of many thousand partitions, in ZooKeeper) is done in parts, each under the
  /// check of the controller's epoch. Where a part fails after others were made, the controller gives its place up: the next one completes
  /// what is in the tree in part (`RegistryStart.completion`).
  func carryOut(_ operations: [TreeOperation]) -> Controller.Event {
    let parts = Self.parts(operations, largest: largestMulti)
    var created: [String] = []
    for (index, part) in parts.enumerated() {
      do throws(ZNodeError) { created += try perform(part) } catch {
        // Whether a write was made whose response was lost is found out by reading the tree anew, as the next controller.
        switch error.code {
        case .closed, .sessionExpired, .connectionLost: return .sessionLost
        default: break
        }
        if index > 0 { return .sessionLost }
        let isFenced = error.code == .badVersion && error.path == ControllerEpochZNode.path
        return .writeFailed(isFenced ? .fenced : .failed("\(error)"))
      }
    }
    return .writeFinished(created: created)
  }

  /// Does a part of a controller's write; returns the paths of its sequential nodes. Waits for the disk.
  private func perform(_ operations: [ZNodeOperation]) throws(ZNodeError) -> [String] {
    zip(operations, try multi(operations)).compactMap { operation, result in
      guard case .create(_, _, let mode) = operation, mode.isSequential, case .created(let path, _) = result else {
        return nil
      }
      return path
    }
  }

  /// Splits a write, whose first operation may be a check that each part repeats.
  static func parts(_ operations: [TreeOperation], largest: Int) -> [[ZNodeOperation]] {
    let all = operations.map { ZNodeOperation($0) }
    var check: [ZNodeOperation] = []
    if case .check? = operations.first { check = [all[0]] }
    let checkBytes = check.reduce(0) { $0 + $1.bytes }
    var parts: [[ZNodeOperation]] = []
    var part = check
    var bytes = checkBytes
    for operation in all.dropFirst(check.count) {
      if bytes + operation.bytes > largest, part.count > check.count {
        parts.append(part)
        (part, bytes) = (check, checkBytes)
      }
      part.append(operation)
      bytes += operation.bytes
    }
    return parts + [part]
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
