package import Cluster
import Coordination
import Logging
import Model
import NIOCore
import Storage
import Synchronization

/// Runs this broker's `Controller` while it is the cluster's controller, and obeys the controller of another broker while that is: feeds
/// events in order, and carries out the effects, in order: writes of the z-node tree, logs of replicas, a new metadata image, requests to
/// other brokers, responses.
///
/// The effects wait for the disk and the tree, so they are carried out on the control lane. An event loop only adds a request to a
/// list, under a short lock; requests that arrive during a write of the tree share the next write. Effects that are messages to brokers
/// (LeaderAndIsr, UpdateMetadata, StopReplica) are carried out here where they are for this broker, and sent to the others.
///
/// The logs of new topics are created, and those of deleted topics removed, `Limits.partitionsPerTurn` at a time, with other events
/// between two pieces: no request sees such a topic meanwhile, and its further changes wait. Example: while a topic of 20,000
/// partitions is created (200 pieces), one of a single partition waits for one piece.
///
/// When the broker stops, the present piece is made; the topics whose logs are not all there then are taken back and refused,
/// and so is what has not begun.
package final class ControllerRunner: Sendable {
  typealias Then = @Sendable ([Controller.Outcome]) -> Void
  typealias MakeRequest = @Sendable (inout any RandomNumberGenerator & Sendable) -> Controller.Request

  /// What becomes of a request that is made while another broker is the controller.
  enum Elsewhere: Sendable {
    /// Each element is refused with NOT_CONTROLLER: the client asks the controller itself.
    case refused
    /// The request is sent to the controller, for this broker itself.
    case sent
    /// The caller sends it; it gets the id of the controller, -1 where there is none. Called on the control lane.
    case handed(@Sendable (BrokerID) -> Void)
  }

  let configs: DynamicConfigs
  let offload: any Offload
  let stopping: StopFlag
  let log: Logger
  let brokerID: BrokerID
  /// The timers of pauses between two attempts.
  let loop: any EventLoop
  let nowMs: @Sendable () -> Int64
  let peers: Peers
  /// The ACLs; nil where there is no authorizer.
  let access: AccessControl?
  let quotas: Quotas
  /// Joins the cluster's tree anew after its session has ended; nil with the embedded tree, whose session lasts as long as the broker.
  let reconnect: (@Sendable () throws(ZNodeError) -> any ZNodeTree)?
  /// The zxid of this broker's registration; -1 before it has one.
  let registeredEpoch = Atomic<Int64>(-1)
  /// When the imbalance of leaders is looked at next, in milliseconds of the loop's clock; `max` while another broker is the controller.
  let rebalanceDueMs = Atomic<Int64>(.max)
  /// Raised when the broker ends its session itself.
  let hasLeft = StopFlag()
  private let inbox = Mutex(Inbox())
  /// Locked by the control lane alone, for as long as it carries out effects.
  private let state: Mutex<State>

  private struct Inbox {
    var asked: [Asked] = []
    /// Whether the control lane is going to read `asked`, so that it need not be woken.
    var isLaneDue = false
  }

  /// What the control lane takes in.
  enum Asked: Sendable {
    case request(MakeRequest, Then, Elsewhere)
    case event(Controller.Event)
    case order(ControllerOrder, @Sendable (ControllerOrder.Outcome) -> Void)
    /// Another broker has responded to this controller, or has not.
    case responded(BrokerID, number: UInt64, ControllerChannels.Response)
    case membership(MembershipEvent)
    /// Something else that is done with the tree.
    case work(@Sendable (ControllerRunner, inout State) -> Void)
    /// This broker's controller has decided what no client has asked for.
    case decided([Controller.Outcome], @Sendable ([Controller.Outcome], inout State) -> Void)
  }

  struct State {
    /// This broker's controller; nil while another broker is the controller, or none is.
    var controller: Controller?
    var effects: [Controller.Effect]
    var orders: ControllerOrders
    var tree: any ZNodeTree
    var channels = ControllerChannels()
    /// Whether the controller waits for all brokers' responses.
    var isSettling = false
    var membership: Membership
    var admin = AdminRequests()
    /// The topics whose values in the tree are not known here.
    var unreadTopics: Set<String> = []
    /// Whether they are read after a pause.
    var isReadingLater = false
    var random: any RandomNumberGenerator & Sendable
    var requests: UInt64 = 0
    var waiting: [Controller.RequestID: Then] = [:]
    var obeying: [UInt64: @Sendable (ControllerOrder.Outcome) -> Void] = [:]
    var ordersTaken: UInt64 = 0
  }

  init(
    _ starting: StartingBroker, tree: any ZNodeTree, metadata: Metadata, replicas: Replicas, peers: Peers,
    offload: any Offload, loop: any EventLoop, stopping: StopFlag, log: Logger, nowMs: @escaping @Sendable () -> Int64,
    random: any RandomNumberGenerator & Sendable, access: AccessControl?,
    quotas: Quotas,
    reconnect: (@Sendable () throws(ZNodeError) -> any ZNodeTree)?
  ) {
    self.access = access
    self.quotas = quotas
    self.offload = offload
    self.stopping = stopping
    self.log = log
    self.loop = loop
    self.nowMs = nowMs
    self.peers = peers
    self.reconnect = reconnect
    configs = starting.configs
    brokerID = starting.brokerID
    let orders = ControllerOrders(
      brokerID: starting.brokerID, metadata: metadata, replicas: replicas, configs: starting.configs,
      cluster: starting.cluster)
    state = Mutex(
      State(
        controller: starting.controller, effects: starting.effects, orders: orders, tree: tree,
        membership: Membership(controllerID: starting.controller == nil ? -1 : starting.brokerID),
        random: random))
  }

  /// Whether other brokers can take this one's place.
  var isOfCluster: Bool { reconnect != nil }

  /// The zxid of this broker's registration in the tree (Kafka: the broker epoch); -1 before it has one.
  package var brokerEpoch: Int64 { registeredEpoch.load(ordering: .relaxed) }

  /// Carries out the effects of the election at the start, when the logs are open. Called on the control lane; waits for the disk.
  func start() { state.withLock { carryOut(&$0) } }

  /// The state of the cluster as this broker's controller knows it; empty where another broker is the controller. Called on the control
  /// lane.
  package var cluster: ClusterState { state.withLock { $0.controller?.cluster ?? ClusterState() } }

  /// Calls `body` with the state, on the control lane.
  func withState<Result>(_ body: (inout State) throws -> Result) rethrows -> Result where Result: Sendable {
    try state.withLock { try body(&$0) }
  }

  /// Submits a request to the controller. Called on any thread; does not wait.
  ///
  /// - Parameters:
  ///   - request: makes the request; called on the control lane, because a large one would delay an event loop.
  ///   - then: receives the outcomes, in the order of the request's elements, on the control lane or, where the request was sent to
  ///     another broker, on an event loop.
  func ask(_ request: @escaping MakeRequest, elsewhere: Elsewhere = .refused, then: @escaping Then) {
    enqueue(.request(request, then, elsewhere))
  }

  /// Has the controller retry what has failed.
  func retry() { enqueue(.event(.retryDue)) }

  /// Whether this broker is the controller, and is to look whether preferred replicas lead enough partitions.
  var isRebalanceDue: Bool { nowOnLoopMs >= rebalanceDueMs.load(ordering: .relaxed) }

  /// Has the controller elect preferred leaders for brokers that lead too few partitions.
  func rebalance() {
    let due = rebalanceDueMs.load(ordering: .relaxed)
    guard nowOnLoopMs >= due else { return }
    let seconds = min(configs.base.leaderImbalanceCheckSeconds, Limits.timerMsMax / 1000)
    // Not where this broker has ceased to be the controller meanwhile.
    let next = nowOnLoopMs + seconds * 1000
    _ = rebalanceDueMs.compareExchange(expected: due, desired: next, ordering: .relaxed)
    enqueue(.event(.rebalanceDue))
  }

  /// Looks for the first time a while after this broker has become the controller.
  func beginRebalancing() { rebalanceDueMs.store(nowOnLoopMs + Limits.firstRebalanceMs, ordering: .relaxed) }

  private var nowOnLoopMs: Int64 { Int64(clamping: loop.now.uptimeNanoseconds / 1_000_000) }

  func enqueue(_ asked: Asked) {
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
      let isBusy = !state.effects.isEmpty || !state.orders.chores.isEmpty
      let asked = inbox.withLock { inbox in
        defer { inbox.asked = [] }
        inbox.isLaneDue = isBusy || !inbox.asked.isEmpty
        return inbox.asked
      }
      if asked.isEmpty, !isBusy { return }
      for asked in asked { take(asked, &state) }
      carryOutEffects(&state)
      // Also where one write follows another: a topic whose logs are to be made does not wait for all of a long request.
      if state.effects.isEmpty || state.effects.contains(where: \.isWrite) { doChore(&state) }
    }
  }

  private func take(_ asked: Asked, _ state: inout State) {
    switch asked {
    case .event(let event): state.step(event)
    case .request(let make, let then, let elsewhere): take(make, then, elsewhere, &state)
    case .order(let order, let reply): take(order, &state, reply: reply)
    case .responded(let broker, let number, let response): take(response, from: broker, number: number, &state)
    case .membership(let event): take(event, &state)
    case .work(let body): body(self, &state)
    case .decided(let outcomes, let then): then(outcomes, &state)
    }
  }

  private func take(_ make: MakeRequest, _ then: @escaping Then, _ elsewhere: Elsewhere, _ state: inout State) {
    if state.controller == nil, case .handed(let send) = elsewhere { return send(state.membership.controllerID) }
    let request = make(&state.random)
    guard state.controller != nil else {
      if case .sent = elsewhere { return send(request, state.membership, then: then) }
      return then(request.refused("This broker is not the controller."))
    }
    if stopping.isRaised, request.isOfMakings { return then(request.refused("The broker stops.")) }
    state.requests += 1
    state.waiting[state.requests] = then
    if case .alterConfigs(let changes, _, _) = request { readClients(changes, &state) }
    state.step(.asked(state.requests, request))
  }

  /// Carries out the effects there are. Values of many entities are applied together: each image is made in a pass over all
  /// topics.
  private func carryOutEffects(_ state: inout State) {
    var effects = state.effects[...]
    state.effects = []
    while let effect = effects.popFirst() {
      guard case .configure(let entity, let values) = effect else {
        carryOut(effect, &state)
        continue
      }
      var changes = [(entity, values)]
      while case .configure(let entity, let values)? = effects.first {
        changes.append((entity, values))
        effects.removeFirst()
      }
      state.orders.configure(changes)
    }
  }

  /// Reads the nodes of users and client ids before the controller changes them: every broker writes quotas into them by itself.
  private func readClients(_ changes: [Controller.ConfigChange], _ state: inout State) {
    for change in changes {
      guard case .client(let path) = change.entity, let node = try? state.tree.find(ConfigZNode.path(change.entity))
      else {
        continue
      }
      let values = node.data.isEmpty ? [:] : try? ConfigZNode(change.entity, data: node.data).values
      if let values { state.controller?.learned(clientValues: values, of: path) }
    }
  }

  private func doChore(_ state: inout State) {
    switch state.orders.doChore(isStopping: stopping.isRaised) {
    case nil: break
    case .made(let outcomes, .own): state.step(.replicasMade(by: brokerID, outcomes))
    case .removed(let topics, let left, .own):
      for topic in topics.sorted() {
        state.step(.replicasStopped(by: brokerID, topic: topic, isGone: !left.contains(topic)))
      }
    case .made(let outcomes, .order(let number)): state.obeying.removeValue(forKey: number)?(.led(outcomes))
    case .removed(_, let left, .order(let number)): state.obeying.removeValue(forKey: number)?(.stopped(left: left))
    }
  }

  /// Carries out one effect of this broker's controller.
  private func carryOut(_ effect: Controller.Effect, _ state: inout State) {
    switch effect {
    case .write(let operations): state.step(state.tree.carryOut(operations))
    case .leaderAndISR(let broker, let states) where broker == brokerID:
      let new = states.filter(\.isNew)
      for name in Set(new.map(\.name.topic)) {
        state.orders.overrides[name] = state.controller?.cluster.topics[name]?.overrides
      }
      if !new.isEmpty { state.orders.chores.add(making: new, for: .own) }
      let old = states.filter { !$0.isNew }
      state.orders.lead(old)
      // A broker that is alone keeps leading: its clients then learn that the disk has failed, and nobody else could lead.
      let offline = isOfCluster ? state.orders.offline(of: old) : []
      if !offline.isEmpty { state.step(.replicasFailed(at: brokerID, offline.sorted())) }
    case .leaderAndISR(let broker, let states): send(.leaderAndISR(states), to: broker, &state)
    case .configure(let entity, let values): state.orders.configure([(entity, values)])
    case .updateMetadata(let brokers, let changed, let removed): show(changed, removed, to: brokers, &state)
    case .stopReplicas(let broker, let stopped) where broker == brokerID:
      state.orders.chores.add(removing: stopped, for: .own)
    case .stopReplicas(let broker, let stopped): send(.stopReplicas(stopped), to: broker, &state)
    case .settle:
      state.isSettling = true
      state.settleIfAnswered()
    case .response(let request, let outcomes): state.waiting.removeValue(forKey: request)?(outcomes)
    case .resigned: resigned(&state)
    }
  }

  private func show(
    _ changed: [Controller.TopicChange], _ removed: [String], to brokers: [BrokerID], _ state: inout State
  ) {
    guard let cluster = state.controller?.cluster else { return }
    let updates = changed.compactMap { change in
      cluster.topic(change.name).map { TopicUpdate($0, changed: change.partitions) }
    }
    let alive = cluster.brokerIDs.compactMap { cluster.brokers[$0] }
    state.orders.values = cluster.brokerValues
    let others = brokers.filter { $0 != brokerID }
    if others.count < brokers.count {
      for update in updates { state.orders.overrides[update.topic.name] = update.topic.overrides }
      let before = state.orders.metadata.image.brokers
      state.orders.show(updates, removed: removed, brokers: alive, controllerID: brokerID)
      forgetGone(from: before, now: alive)
    }
    let parts = others.isEmpty ? [] : updates.map { ControllerOrder.ChangedTopic($0) }
    for broker in others {
      send(.updateMetadata(brokers: alive, changed: parts, removed: removed), to: broker, &state)
    }
    finishReassignments(&state)
  }
}

extension ControllerRunner.State {
  /// Feeds an event to this broker's controller, if it has one.
  mutating func step(_ event: Controller.Event) {
    guard let next = controller?.step(event) else { return }
    effects += next
  }

  /// Tells the controller that every broker has responded, if it waits for that.
  mutating func settleIfAnswered() {
    guard isSettling, channels.areIdle else { return }
    isSettling = false
    step(.settled)
  }
}

extension Controller.Effect {
  fileprivate var isWrite: Bool { if case .write = self { true } else { false } }
}

extension Controller.Request {
  /// Whether it asks for new logs, which take long.
  fileprivate var isOfMakings: Bool {
    switch self {
    case .create, .grow: true
    default: false
    }
  }

  /// Returns the refusal of each element: NOT_CONTROLLER, after which a client looks for the controller and asks again.
  func refused(_ reason: String) -> [Controller.Outcome] {
    Array(repeating: .refused(ApiError(.notController, reason)), count: count)
  }
}
