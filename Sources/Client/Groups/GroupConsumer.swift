package import Model
package import NIOCore
import Wire

/// Holds the settings of a consumer group's member, named as Kafka's.
package struct GroupSettings: Sendable {
  package var groupID: String
  /// Set for a static member, whose restart starts no rebalance.
  package var instanceID: String?
  package var membership = GroupProtocol.classic
  /// Of the classic protocol.
  package var assignor = Assignor.range
  package var sessionTimeoutMs = 45_000
  /// How long a rebalance waits for the members.
  package var rebalanceTimeoutMs = 60_000
  /// Of the classic protocol; in the new one the coordinator says it.
  package var heartbeatIntervalMs = 3_000
  /// The share of an interval after which the first heartbeat is sent: members that start together need not send theirs together.
  package var heartbeatPhase = 1.0
  /// The time between two commits; 0 commits only what is given up.
  package var commitIntervalMs = 5_000

  package init(groupID: String) { self.groupID = groupID }
}

/// How members and coordinator agree on who reads what (`group.protocol`).
package enum GroupProtocol: Equatable, Sendable {
  /// JoinGroup and SyncGroup: a member assigns, and all wait for all.
  case classic
  /// KIP-848: the coordinator assigns, by `assignor` where the member prefers one, and each member moves by its own heartbeats.
  case consumer(memberID: String, assignor: String? = nil)
}

/// What a group's member has done.
package struct GroupCounts: Equatable, Sendable {
  /// Commits that the coordinator took, and those that it refused.
  package var commits = 0, refusedCommits = 0
  /// How often partitions were assigned, the first time included.
  package var rebalances = 0
  /// How often partitions were lost: taken away before they could be given up.
  package var losses = 0
  /// For how long the member read nothing in each rebalance after the first assignment, in nanoseconds.
  package var pausesNs: [UInt64] = []

  package init() {}
}

/// Tells what a member asks and learns of committed offsets, for whoever checks them.
package struct OffsetWatch {
  /// The committed offsets of these partitions are asked for.
  package var looking: ([Int32]) -> Void = { _ in }
  /// Those that were asked for and have one.
  package var found: ([Int32: Offset]) -> Void = { _ in }
  /// A commit is sent; it has the next number from 0 on.
  package var committing: (_ number: Int, [Int32: Offset]) -> Void = { _, _ in }
  /// A commit was answered: nil where the coordinator took it. One whose connection ends is not answered.
  package var committed: (_ number: Int, ErrorCode?) -> Void = { _, _ in }

  package init() {}
}

/// Reads the partitions of one topic that a consumer group assigns, and commits how far it has read.
///
/// `GroupMembership` or `HeartbeatMembership` decides; this class carries their actions out, on one event loop. Commits are sent before
/// the request to join again, or the heartbeat that gives partitions up, on the same connection, so the coordinator has them before it
/// assigns the partitions to others.
package final class GroupConsumer {
  package let settings: GroupSettings
  package let consumer: Consumer
  /// Called with partitions that will be read, and the offsets at which reading begins.
  package var assigned: ([Int32: Offset]) -> Void = { _ in }
  /// Called with partitions that are read no more, and the offsets at which reading ended.
  package var revoked: ([Int32: Offset]) -> Void = { _ in }
  /// Called once with an error that ends the membership.
  package var failed: (ClientError) -> Void = { _ in }
  package internal(set) var counts = GroupCounts()
  package var watch = OffsetWatch()
  /// The number of commits sent.
  var commitsSent = 0

  typealias Connect = (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void

  private(set) var membership: Membership
  let metadata: Metadata
  /// Where partitions without a committed offset begin.
  let fallback: [Int32: Offset]
  let now: () -> UInt64
  private let connect: Connect
  private let eventLoop: any EventLoop
  private var coordinator: BrokerConnection?
  private var isConnecting = false
  /// How often the coordinator was looked for: each time the next leader is asked.
  private var lookups = 0
  /// Who joined, as the coordinator told the leader.
  var members: [JoinGroupResponse.Member] = []
  var protocolName: String?
  var isHeartbeatInFlight = false
  /// The time between heartbeats that the coordinator of the new protocol asked for; nil before it has.
  var askedIntervalMs: Int?
  /// The number of times that a heartbeat was scheduled: only the last one is sent.
  var heartbeatTimer = 0
  private var isClosed = false
  /// The member leaves when its heartbeat is answered.
  private var isLeaving = false
  /// When reading stopped for a rebalance; nil otherwise.
  var pausedNs: UInt64?
  /// The number of assignments, by which what is asked for a later one overtakes what was asked for an earlier one.
  var assignments = 0
  /// Set while the last answers are awaited.
  private var left: (() -> Void)?

  /// - Parameters:
  ///   - consumer: without partitions; this object assigns them.
  ///   - fallback: the offsets at which partitions without a committed one begin.
  ///   - connect: connects to the coordinator; its connections must allow a response to take `rebalanceTimeoutMs`.
  package init(
    _ settings: GroupSettings, _ consumer: Consumer, _ metadata: Metadata, fallback: [Int32: Offset],
    on eventLoop: any EventLoop, now: @escaping () -> UInt64,
    connect: @escaping (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void
  ) {
    self.settings = settings
    self.consumer = consumer
    self.metadata = metadata
    self.fallback = fallback
    self.eventLoop = eventLoop
    self.now = now
    self.connect = connect
    membership =
      switch settings.membership {
      case .classic:
        .classic(
          GroupMembership(isCooperative: settings.assignor.isCooperative, isStatic: settings.instanceID != nil))
      case .consumer(let memberID, _): .consumer(HeartbeatMembership(memberID: memberID))
      }
  }

  /// Joins the group.
  package func start() {
    findCoordinator()
    keepTime()
    scheduleCommit()
  }

  /// Commits, leaves the group, and closes the connections; `then` is called when the coordinator has answered, or does not for
  /// `ClientLimits.leaveTimeoutMs`.
  package func close(then: @escaping () -> Void) {
    guard !isClosed, left == nil else { return then() }
    left = then
    let timeout = TimeAmount.milliseconds(Int64(ClientLimits.leaveTimeoutMs))
    eventLoop.assumeIsolated().scheduleTask(in: timeout) {
      self.isClosed = true
      self.end()
    }
    // The answer to a heartbeat may raise the member's epoch, in which its last commit must be.
    isLeaving = !membership.isClassic && isHeartbeatInFlight && hasCoordinator
    if !isLeaving { leaveGroup() }
  }

  private func leaveGroup() {
    carryOut(GroupMembership.Event.leave)
    isClosed = true
    endIfAnswered()
  }

  /// Returns whether the member has left, now that its heartbeat is answered.
  func leaveIfAsked() -> Bool {
    guard isLeaving else { return false }
    isLeaving = false
    leaveGroup()
    return true
  }

  /// Ends as a crash of the client would: nothing is committed, and the group is not told.
  package func abandon() {
    isClosed = true
    end()
  }

  /// Ends once the group has the last commit and the farewell.
  private func endIfAnswered() {
    if isClosed, coordinator?.isOpen != true || coordinator?.requestsInFlight == 0 { end() }
  }

  private func end() {
    let (connection, then) = (coordinator, left)
    (coordinator, left) = (nil, nil)
    connection?.onEnd = nil
    connection?.close()
    consumer.close()
    then?()
  }

  package var generation: Int32 { membership.generation }
  package var memberID: String { membership.memberID }

  /// What the member reads now.
  package var partitions: [Int32] { membership.owned.map(\.partition).sorted() }

  // MARK: Decisions and what follows from them

  func carryOut(_ event: GroupMembership.Event) {
    guard !isClosed else { return }
    for action in membership.step(event) { carryOut(action) }
  }

  private func carryOut(_ action: GroupMembership.Action) {
    switch action {
    case .connect: after(ClientLimits.reconnectBackoffMs) { $0.findCoordinator() }
    case .join(isDelayed: false): join()
    case .join:
      after(ClientLimits.retryBackoffMs) { group in
        if group.membership.phase == .joining { group.join() }
      }
    case .synchronise: synchronise()
    case .heartbeat(let heartbeat): beat(heartbeat)
    case .assign: assign()
    case .revoke(let partitions): stop(partitions.map(\.partition), commits: true)
    case .lose(let partitions):
      counts.losses += 1
      stop(partitions.map(\.partition), commits: false)
    case .leave(let memberID): leave(memberID)
    case .fail(let code): fail(refusal("group '\(settings.groupID)'", code))
    }
  }

  func after(_ milliseconds: Int, _ body: @escaping (GroupConsumer) -> Void) {
    eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(milliseconds))) { [weak self] in
      guard let self, !self.isClosed else { return }
      body(self)
    }
  }

  /// The coordinator's address, or that of a broker that knows it.
  var endpoint: Endpoint { coordinator?.endpoint ?? metadata.partitions[0].leader.endpoint }

  func refusal(_ what: String, _ code: ErrorCode) -> ClientError {
    .refused(endpoint, what: what, code: code, message: nil)
  }

  func fail(_ error: ClientError) {
    guard !isClosed else { return }
    isClosed = true
    end()
    failed(error)
  }

  // MARK: The coordinator

  /// Asks a leader of the topic, and connects to the broker it names.
  private func findCoordinator() {
    guard !isConnecting, coordinator == nil, !metadata.partitions.isEmpty else { return }
    isConnecting = true
    lookups += 1
    let asked = metadata.partitions[lookups % metadata.partitions.count].leader
    CoordinatorLookup.connect(settings.groupID, .group, asking: asked, by: connect) { [weak self] result in
      switch result {
      case .failure(let error): self?.lostCoordinator(error)
      case .success(let connection):
        guard let self, !self.isClosed else { return connection.close() }
        self.adopt(connection)
      }
    }
  }

  private func adopt(_ connection: BrokerConnection) {
    isConnecting = false
    coordinator = connection
    isHeartbeatInFlight = false
    connection.onEnd = { [weak self, weak connection] _ in
      guard let self, self.coordinator === connection else { return }
      self.coordinator = nil
      self.carryOut(.disconnected)
    }
    carryOut(.connected)
    if membership.phase == .member { readMissing() }
  }

  private func lostCoordinator(_ error: ClientError) {
    isConnecting = false
    guard !isClosed else { return }
    guard error.isRetriable else { return fail(error) }
    carryOut(.disconnected)
  }

  /// Sends a request to the coordinator; without one nothing is sent, and joining begins again when there is one.
  func send<R: Request>(_ request: R, _ then: @escaping (GroupConsumer, R.Answer) -> Void) {
    guard let coordinator, coordinator.isOpen else { return }
    coordinator.send(request) { [weak self] result in
      guard let self else { return }
      // A connection that ends is told to `onEnd`; an answer that cannot be read ends the membership.
      switch result {
      case .success(let answer): then(self, answer)
      case .failure(let error) where !error.isRetriable: self.fail(error)
      case .failure: break
      }
      self.endIfAnswered()
    }
    coordinator.flush()
  }

  var hasCoordinator: Bool { coordinator?.isOpen == true }

  func refused(_ request: GroupMembership.Request, _ code: ErrorCode) {
    if code == .notCoordinator || code == .coordinatorNotAvailable, let old = coordinator {
      coordinator = nil
      old.onEnd = nil
      old.close()
    }
    carryOut(.refused(request, code))
  }
}
