package import Cluster
import Coordination
import Logging
import Model
import Storage
import Synchronization

/// Runs this broker's `Controller`: feeds it events in order, and carries out the effects it returns, in order: writes of the
/// z-node tree, logs of replicas, a new metadata image, responses.
///
/// The effects wait for the disk, so they are carried out on the control lane. An event loop only adds a request to a list, under a
/// short lock; requests that arrive during a write of the tree share the next write. With one broker, the effects that are
/// messages to brokers (LeaderAndIsr, UpdateMetadata, StopReplica) are carried out here.
///
/// The logs of new topics are created, and those of deleted topics removed, `Limits.partitionsPerTurn` at a time, with other events
/// between two pieces: no request sees such a topic meanwhile, and its further changes wait. Example: while a topic of 20,000
/// partitions is created (200 pieces), one of a single partition waits for one piece.
///
/// When the broker stops, the present piece is made; the topics whose logs are not all there then are taken back and refused,
/// and so is what has not begun.
package final class ControllerRunner: Sendable {
  typealias Then = @Sendable ([Controller.Outcome]) -> Void

  private let tree: any ZNodeTree
  private let metadata: Metadata
  private let replicas: Replicas
  let configs: DynamicConfigs
  private let offload: any Offload
  private let stopping: StopFlag
  private let log: Logger
  private let brokerID: BrokerID
  private let inbox = Mutex(Inbox())
  /// Locked by the control lane alone, for as long as it carries out effects.
  private let state: Mutex<State>

  private struct Inbox {
    var asked: [Asked] = []
    /// Whether the control lane is going to read `asked`, so that it need not be woken.
    var isLaneDue = false
  }

  private enum Asked {
    case request(@Sendable (inout any RandomNumberGenerator & Sendable) -> Controller.Request, Then)
    case event(Controller.Event)
  }

  private struct State {
    var controller: Controller
    var effects: [Controller.Effect]
    var random: any RandomNumberGenerator & Sendable
    var requests: UInt64 = 0
    var waiting: [Controller.RequestID: Then] = [:]
    var chores = Chores()
  }

  init(
    _ elected: ElectedController, tree: any ZNodeTree, metadata: Metadata, replicas: Replicas, offload: any Offload,
    stopping: StopFlag, log: Logger, random: any RandomNumberGenerator & Sendable
  ) {
    self.tree = tree
    self.metadata = metadata
    self.replicas = replicas
    self.offload = offload
    self.stopping = stopping
    self.log = log
    configs = elected.configs
    brokerID = elected.brokerID
    state = Mutex(State(controller: elected.controller, effects: elected.effects, random: random))
  }

  /// Carries out the effects of the election at the start, when the logs are open. Called on the control lane; waits for the disk.
  func start() { state.withLock { carryOut(&$0) } }

  /// The controller's state of the cluster. Called on the control lane.
  package var cluster: ClusterState { state.withLock { $0.controller.cluster } }

  /// Registers this broker in `/brokers/ids`, once its listeners are bound. Called on the control lane; waits for the disk.
  func announce(_ endpoints: [BrokerZNode.Endpoint], rack: String?, nowMs: Int64) throws(RegistryError) {
    let node = BrokerZNode(id: brokerID, endpoints: endpoints, rack: rack, timestampMs: nowMs)
    do { try tree.create(BrokerZNode.path(brokerID), node.data, mode: .ephemeral) } catch {
      throw RegistryError("\(error)")
    }
  }

  /// Submits a request to the controller. Called on any thread; does not wait.
  ///
  /// - Parameters:
  ///   - request: makes the request; called on the control lane, because a large one would delay an event loop.
  ///   - then: receives the outcomes, in the order of the request's elements, on the control lane.
  func ask(
    _ request: @escaping @Sendable (inout any RandomNumberGenerator & Sendable) -> Controller.Request,
    then: @escaping Then
  ) {
    enqueue(.request(request, then))
  }

  /// Submits the event of the preferred leader election's timer.
  func electPreferredLeaders() { enqueue(.event(.preferredElectionDue)) }

  private func enqueue(_ asked: Asked) {
    let wakesLane = inbox.withLock { inbox in
      inbox.asked.append(asked)
      defer { inbox.isLaneDue = true }
      return !inbox.isLaneDue
    }
    if wakesLane { offload.submit(.control) { self.state.withLock { self.carryOut(&$0) } } }
  }

  /// Carries out effects and chores, and takes in what was submitted meanwhile, until nothing is left.
  private func carryOut(_ state: inout State) {
    while true {
      let isBusy = !state.effects.isEmpty || !state.chores.isEmpty
      let asked = inbox.withLock { inbox in
        defer { inbox.asked = [] }
        inbox.isLaneDue = isBusy || !inbox.asked.isEmpty
        return inbox.asked
      }
      if asked.isEmpty, !isBusy { return }
      for asked in asked { state.effects += step(asked, &state) }
      carryOutEffects(&state)
      // Also where one write follows another: a topic whose logs are to be made does not wait for all of a long request.
      if state.effects.isEmpty || state.effects.contains(where: \.isWrite) { state.effects += doChore(&state) }
    }
  }

  /// Carries out the effects there are. Values of many entities are applied together: each image is made in a pass over all
  /// topics.
  private func carryOutEffects(_ state: inout State) {
    var effects = state.effects[...]
    state.effects = []
    while let effect = effects.popFirst() {
      guard case .configure(let entity, _) = effect else {
        state.effects += carryOut(effect, &state)
        continue
      }
      var entities = [entity]
      while case .configure(let next, _)? = effects.first {
        entities.append(next)
        effects.removeFirst()
      }
      configure(entities, state.controller.cluster)
    }
  }

  /// Does one piece of the chores; returns the controller's effects when that was a chore's last.
  private func doChore(_ state: inout State) -> [Controller.Effect] {
    switch doPiece(of: &state.chores, state.controller.cluster) {
    case nil: return []
    case .made(let outcomes): return state.controller.step(.replicasMade(by: brokerID, outcomes))
    case .removed(let topics, let left):
      return topics.sorted().flatMap {
        state.controller.step(.replicasStopped(by: brokerID, topic: $0, isGone: !left.contains($0)))
      }
    }
  }

  private func doPiece(of chores: inout Chores, _ cluster: ClusterState) -> Chores.Ended? {
    chores.doPiece(
      isStopping: stopping.isRaised,
      make: { states, outcomes, placement in
        replicas.lead(states, &outcomes, &placement) { logConfig(of: $0, in: cluster) }
      },
      remove: { stopped in
        replicas.stop(stopped) { config(of: $0, in: cluster).fileDeleteDelayMs }
      },
      forget: { replicas.forget($0) })
  }

  private func step(_ asked: Asked, _ state: inout State) -> [Controller.Effect] {
    switch asked {
    case .event(let event): return state.controller.step(event)
    case .request(let make, let then):
      let request = make(&state.random)
      if stopping.isRaised, let count = request.countOfMakings {
        then(Array(repeating: .refused(ApiError(.notController, "The broker stops.")), count: count))
        return []
      }
      state.requests += 1
      state.waiting[state.requests] = then
      return state.controller.step(.asked(state.requests, request))
    }
  }

  /// Carries out one effect; returns the effects of the event that reports its end.
  private func carryOut(_ effect: Controller.Effect, _ state: inout State) -> [Controller.Effect] {
    switch effect {
    case .write(let operations): return state.controller.step(tree.carryOut(operations))
    case .leaderAndISR(_, let states):
      let new = states.filter(\.isNew)
      if !new.isEmpty { state.chores.add(making: new) }
      guard new.count < states.count else { break }
      var outcomes: [String: String?] = [:]
      var placement: LogDirectories.Placement?
      replicas.lead(states.filter { !$0.isNew }, &outcomes, &placement) { [cluster = state.controller.cluster] in
        logConfig(of: $0, in: cluster)
      }
    case .configure(let entity, _): configure([entity], state.controller.cluster)
    case .updateMetadata(let brokers, let changed, let removed):
      show(changed, removed, brokers, state.controller.cluster)
    case .stopReplicas(_, let stopped): state.chores.add(removing: stopped)
    case .response(let request, let outcomes): state.waiting.removeValue(forKey: request)?(outcomes)
    case .resigned:
      // The next start adopts the logs that were created, and continues the deletions.
      state.chores = Chores()
      log.error("this broker is no longer the controller: its session with the z-node tree has ended")
      metadata.replace { MetadataImage(after: $0, controllerID: -1) }
    }
    return []
  }

  private func show(_ changed: [String], _ removed: [String], _ brokers: [BrokerID], _ cluster: ClusterState) {
    let topics = changed.compactMap { cluster.topic($0) }.map { topic(of: $0, in: cluster) }
    metadata.replace {
      MetadataImage(
        after: $0, brokers: brokers, controllerID: brokerID, config: configs.config(cluster.brokerValues),
        changed: topics, removed: removed)
    }
    if !removed.isEmpty { metadata.tellRemoved(removed) }
  }

  /// Applies the configurations that were written to the open logs and to the image.
  private func configure(_ entities: [ConfigZNode.Entity], _ cluster: ClusterState) {
    var names: [String] = []
    for entity in entities {
      if case .topic(let name) = entity { names.append(name) }
    }
    // Topics inherit the broker's values. No write changes a topic twice.
    if names.count < entities.count { names = cluster.topics.keys.sorted() }
    let image = metadata.image
    for name in names { replicas.configure(name, logConfig(of: name, in: cluster)) }
    // The image keeps the partitions that it has: those being added are shown when their logs have been created.
    let topics = names.compactMap { image.named($0) }.map { shown in
      var description = shown.description
      description.overrides = cluster.topics[shown.name]?.overrides ?? description.overrides
      return Topic(description, config: config(of: shown.name, in: cluster), partitions: shown.partitions)
    }
    metadata.replace {
      MetadataImage(after: $0, config: configs.config(cluster.brokerValues), changed: topics)
    }
  }

  private func topic(of description: TopicDescription, in cluster: ClusterState) -> Topic {
    Topic(
      description, config: config(of: description.name, in: cluster), partitions: replicas.partitions(of: description))
  }

  private func config(of topic: String, in cluster: ClusterState) -> TopicConfig {
    TopicConfig(
      overrides: cluster.topics[topic]?.overrides ?? [:], broker: configs.config(cluster.brokerValues))
  }

  private func logConfig(of topic: String, in cluster: ClusterState) -> LogConfig {
    LogConfig(config(of: topic, in: cluster), flushBeforeAck: configs.base.flushBeforeAck)
  }
}

extension Controller.Effect {
  fileprivate var isWrite: Bool { if case .write = self { true } else { false } }
}

extension Controller.Request {
  /// The number of elements of a request for new logs; nil for others, which take little time.
  fileprivate var countOfMakings: Int? {
    switch self {
    case .create(let topics, _): topics.count
    case .grow(let topics, _): topics.count
    default: nil
    }
  }
}
