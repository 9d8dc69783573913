import Cluster
import Coordination
import Logging
import Model
import NIOCore
import Security
import Synchronization

/// This broker as a member of a cluster whose tree is shared: its registration, and which broker is the controller.
///
/// With the embedded tree the broker is alone, and all of this is settled at its start.
struct Membership {
  /// The zxid of this broker's registration; nil before it has one.
  var brokerEpoch: Int64?
  /// The broker that is the controller; -1 where none is known.
  var controllerID: BrokerID
  /// The largest controller epoch that this broker has seen.
  var controllerEpoch: Int32 = 0
  /// The registration to be made, also after the session has ended and another has begun.
  var registration: BrokerZNode?
  /// Called once, when this broker is registered.
  var whenRegistered: (@Sendable (Result<Void, any Error>) -> Void)?
  /// Milliseconds since 1970 after which an earlier registration of this broker is taken for that of another one.
  var registeringUntilMs: Int64 = 0
  /// The notification of a changed configuration that was read last.
  var lastConfigChange = ""
  /// The notifications of changed ACLs that were read last.
  var lastAclChange: [ResourcePattern.Kind: String] = [:]
  /// Whether the broker stops, and does not come back.
  var isLeaving = false
  /// Whether the session has not ended, as far as is known.
  var hasSession = true
  /// The watches that are set and have not fired: each is set once.
  var watches: Set<Watch> = []
  /// What this broker's controller is to begin with: the zxids at which the partitions' states were written last.
  var writtenAt: [TopicPartition: Int64] = [:]

  /// Whether log directories of this broker have failed and the controller has not been told.
  var hasUntoldFailure = false

  enum Watch: Hashable {
    case controller, brokers, configs, acls, prefixedAcls, reassignments, elections, deletions, directories
  }

  init(controllerID: BrokerID) { self.controllerID = controllerID }
}

/// What happens to a member of a cluster.
enum MembershipEvent: Sendable {
  /// The broker's listeners are bound: register it.
  case join(BrokerZNode, waitingMs: Int64, @Sendable (Result<Void, any Error>) -> Void)
  /// A pause is over: try again to reach the tree, or to register.
  case tryAgain
  /// `/controller` has changed.
  case controllerChanged
  /// The children of `/brokers/ids` have changed.
  case brokersChanged
  /// The children of `/config/changes` have changed.
  case configsChanged
  /// The notifications of changed ACLs have changed.
  case aclsChanged(ResourcePattern.Kind)
  /// There are topics whose values have not been read.
  case topicsUnread(isRetry: Bool)
  /// Log directories of this broker have failed, or single logs in them.
  case directoryFailed
  /// The children of `/log_dir_event_notification` have changed.
  case failuresChanged
  /// A node in `/admin` has changed.
  case adminChanged(Membership.Watch)
  /// The session has ended.
  case sessionEnded(Int64)
}

extension ControllerRunner {
  func take(_ event: MembershipEvent, _ state: inout State) {
    switch event {
    case .join(let registration, let waitingMs, let then):
      state.membership.registration = registration
      state.membership.whenRegistered = then
      state.membership.registeringUntilMs = nowMs() + waitingMs
      watchSession(of: state.tree)
      register(&state)
    case .tryAgain: state.membership.hasSession ? register(&state) : joinAgain(&state)
    case .directoryFailed: directoryFailed(&state)
    case .failuresChanged:
      state.membership.watches.remove(.directories)
      attempt("read which brokers' log directories have failed", &state) { try lookAtFailures(&$0) }
    case .controllerChanged:
      state.membership.watches.remove(.controller)
      attempt("look for the controller", &state) { try elect(&$0) }
    case .brokersChanged:
      state.membership.watches.remove(.brokers)
      attempt("look for the brokers", &state) { try lookAtBrokers(&$0) }
    case .configsChanged:
      state.membership.watches.remove(.configs)
      attempt("read changed configurations", &state) { try lookAtConfigs(&$0) }
    case .aclsChanged(let kind):
      state.membership.watches.remove(kind == .literal ? .acls : .prefixedAcls)
      attempt("read changed ACLs", &state) { try lookAtAcls(kind, &$0) }
    case .topicsUnread(let isRetry): readUnreadTopics(isRetry: isRetry, &state)
    case .adminChanged(let watch):
      state.membership.watches.remove(watch)
      attemptAdmin(&state) { try lookAtAdmin(&$0) }
    case .sessionEnded(let session):
      guard state.tree.sessionID == session, !state.membership.isLeaving else { return }
      log.warning("the session with the z-node tree has ended: this broker joins the cluster anew")
      resign(&state)
      state.membership.hasSession = false
      state.membership.watches = []
      state.membership.brokerEpoch = nil
      state.membership.controllerID = -1
      joinAgain(&state)
    }
  }

  /// Reads from the tree, and sets the watch unless it is set already. A read that fails sets none.
  func read<Result>(
    _ watch: Membership.Watch, _ event: MembershipEvent, _ state: inout State,
    _ body: (any ZNodeTree, ZNodeWatch?) throws(ZNodeError) -> Result
  ) throws(ZNodeError) -> Result {
    guard state.membership.watches.insert(watch).inserted else { return try body(state.tree, nil) }
    do throws(ZNodeError) { return try body(state.tree) { _ in self.enqueue(.membership(event)) } } catch {
      state.membership.watches.remove(watch)
      throw error
    }
  }

  /// Does something with the tree. Where it is not reached, the attempt is made again after a pause; where the session has ended, a
  /// new one follows anyway.
  func attempt(_ what: String, _ state: inout State, _ body: (inout State) throws -> Void) {
    guard !state.membership.isLeaving else { return }
    do { try body(&state) } catch {
      log.warning("the z-node tree was not reached", metadata: ["to": "\(what)", "reason": "\(error)"])
      tryAgainLater()
    }
  }

  /// Obeys requests in `/admin`, or removes them, as far as the tree can be reached.
  func attemptAdmin(_ state: inout State, _ body: (inout State) throws -> Void) {
    attempt("obey requests in /admin", &state, body)
  }

  /// Reads from `/admin`, and has its next change looked at.
  func readAdmin<Result>(
    _ watch: Membership.Watch, _ state: inout State,
    _ body: (any ZNodeTree, ZNodeWatch?) throws(ZNodeError) -> Result
  ) throws(ZNodeError) -> Result {
    try read(watch, .adminChanged(watch), &state, body)
  }

  private func tryAgainLater() {
    loop.scheduleTask(in: .milliseconds(Limits.treeRetryMs)) { self.enqueue(.membership(.tryAgain)) }
  }

  private func watchSession(of tree: any ZNodeTree) {
    let session = tree.sessionID
    tree.whenSessionEnds {
      if !self.hasLeft.isRaised { self.enqueue(.membership(.sessionEnded(session))) }
    }
  }

  // MARK: This broker's registration

  private func joinAgain(_ state: inout State) {
    guard let reconnect, !state.membership.isLeaving else { return }
    do throws(ZNodeError) {
      state.tree = try reconnect()
    } catch {
      log.warning("the z-node tree is not reached", metadata: ["reason": "\(error)"])
      return tryAgainLater()
    }
    state.membership.hasSession = true
    watchSession(of: state.tree)
    register(&state)
  }

  /// Creates `/brokers/ids/N`, and then takes part in the election. A registration of this broker's last session goes with that
  /// session; one that stays is another broker's.
  private func register(_ state: inout State) {
    guard let registration = state.membership.registration, !state.membership.isLeaving else { return }
    if state.membership.brokerEpoch == nil {
      do throws(ZNodeError) {
        try state.tree.create(BrokerZNode.path(brokerID), registration.data, mode: .ephemeral)
        state.membership.brokerEpoch = try state.tree.exists(BrokerZNode.path(brokerID))?.czxid
        registeredEpoch.store(state.membership.brokerEpoch ?? -1, ordering: .relaxed)
      } catch {
        guard notRegistered(error, &state) else { return }
      }
    }
    let then = state.membership.whenRegistered
    state.membership.whenRegistered = nil
    if reconnect != nil {
      attempt("take part in the cluster", &state) { state in
        try lookAtConfigs(&state)
        // What others changed before the watches were set is read with all the rest.
        try readQuotas(nil, state)
        for kind in ResourcePattern.Kind.allCases { try lookAtAcls(kind, isNew: true, &state) }
        try elect(&state)
        try lookAtBrokers(&state)
        try lookAtAdmin(&state)
        try tellFailure(&state)
      }
    }
    then?(.success(()))
  }

  /// Returns true if the registration is this session's after all: the response to its creation was lost.
  private func notRegistered(_ error: ZNodeError, _ state: inout State) -> Bool {
    switch error.code {
    case .nodeExists:
      if let stat = try? state.tree.exists(BrokerZNode.path(brokerID)), stat.ephemeralOwner == state.tree.sessionID {
        state.membership.brokerEpoch = stat.czxid
        registeredEpoch.store(stat.czxid, ordering: .relaxed)
        return true
      }
      guard nowMs() >= state.membership.registeringUntilMs else { break }
      fail(
        "\(BrokerZNode.path(brokerID)) is taken: another broker with broker.id=\(brokerID) is alive", &state)
      return false
    case .connectionLost,
      .sessionExpired where reconnect != nil:
      break
    default:
      fail("\(error)", &state)
      return false
    }
    tryAgainLater()
    return false
  }

  /// Ends the start of this broker; one that has started tries to register again for ever.
  private func fail(_ reason: String, _ state: inout State) {
    guard let then = state.membership.whenRegistered else {
      log.error("this broker cannot be registered, and tries again", metadata: ["reason": "\(reason)"])
      return tryAgainLater()
    }
    state.membership.whenRegistered = nil
    then(.failure(RegistryError(reason)))
  }
}

extension ControllerRunner {
  /// Registers this broker in `/brokers/ids`, once its listeners are bound.
  ///
  /// - Parameters:
  ///   - waitingMs: how long to wait for an earlier registration of this broker to go, whose session has not ended yet.
  ///   - then: gets the outcome on the control lane.
  func announce(
    _ endpoints: [BrokerZNode.Endpoint], rack: String?, waitingMs: Int64,
    then: @escaping @Sendable (Result<Void, any Error>) -> Void
  ) {
    let node = BrokerZNode(id: brokerID, endpoints: endpoints, rack: rack, timestampMs: nowMs())
    enqueue(.membership(.join(node, waitingMs: waitingMs, then)))
  }

  /// Ends this broker's session with the tree, so that its registration goes at once. Called on the control lane, at a stop's end.
  func closeTree() {
    hasLeft.raise()
    withState { state in
      state.membership.isLeaving = true
      state.tree.close()
    }
  }

  /// Has the controller move the leaderships of this broker to other ones before it stops, as far as there are others in sync.
  ///
  /// - Returns: completes when they are moved, or after the last attempt.
  func moveLeadershipsAway(on loop: any EventLoop) -> EventLoopFuture<Void> {
    let config = configs.base
    guard reconnect != nil, config.controlledShutdownEnable else { return loop.makeSucceededVoidFuture() }
    let promise = loop.makePromise(of: Void.self)
    moveLeadershipsAway(attemptsLeft: config.controlledShutdownMaxRetries, config.controlledShutdownRetryBackoffMs) {
      promise.succeed()
    }
    return promise.futureResult
  }

  private func moveLeadershipsAway(attemptsLeft: Int, _ backoffMs: Int64, done: @escaping @Sendable () -> Void) {
    let brokerID = brokerID
    let epoch = brokerEpoch
    ask({ _ in .shutDown(brokerID, brokerEpoch: epoch) }, elsewhere: .sent) { outcomes in
      if case .remaining(let left)? = outcomes.first, left.isEmpty { return done() }
      guard attemptsLeft > 0 else {
        self.log.warning("this broker stops and still leads partitions", metadata: ["outcome": "\(outcomes)"])
        return done()
      }
      self.loop.scheduleTask(in: .milliseconds(backoffMs)) {
        self.moveLeadershipsAway(attemptsLeft: attemptsLeft - 1, backoffMs, done: done)
      }
    }
  }
}

extension ZNodeTree {
  /// Reads the values of topics; none of one that has no configuration, or one that makes no sense.
  func overrides(ofTopics names: [String]) throws(ZNodeError) -> [[String: String]] {
    zip(names, try get(all: names.map { ConfigZNode.path(.topic($0)) })).map { name, node in
      node.flatMap { try? ConfigZNode(.topic(name), data: $0.data).values } ?? [:]
    }
  }
}
