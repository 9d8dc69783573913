import Base
import Model
import NIOCore
import Wire

/// Simulates a member of a consumer group (classic protocol): finds the coordinator, joins, assigns partitions when it leads, sends
/// heartbeats, reads what it is assigned and commits offsets. At times it leaves, stalls for longer than its session, crashes, or joins
/// again.
final class SimulatedGroupMember: @unchecked Sendable {
  struct Settings {
    var number: Int
    var group: String
    /// All partitions of the topics that the group subscribes to, in order.
    var partitions: [TopicPartition]
    /// Of a static member.
    var instanceID: String?
    var sessionTimeoutMs: Int32
    var rebalanceTimeoutMs: Int32
    var joinVersion: Int16
    var isReadCommitted: Bool
    /// The number of fetches for each commit.
    var commitEvery: Int
    /// One heartbeat in so many is followed by something unusual.
    var restlessOneIn: Int
    var partitionMaxBytes: Int32

    /// The versions of JoinGroup before 6 know no protocol type in the response, nor SyncGroup before 5 in the request.
    var syncVersion: Int16 { joinVersion >= 7 ? 5 : 3 }
    var heartbeatIntervalMs: Int { Int(sessionTimeoutMs) / 4 }
  }

  enum Phase {
    /// No member: left, crashed, or not there yet.
    case away
    case joining
    /// Has an assignment.
    case assigned
    /// Does nothing for a while, as a process that hangs.
    case stalled
  }

  let settings: Settings
  let ledger: GroupLedger
  /// With the coordinator; a turn is a phase.
  let session: SimulatedSession
  /// Connected for fetches, which may wait.
  let fetcher: any RequestSender
  let simulation: any CoordinatedWorld
  var random: SplitMix
  var reader: SimulatedReader
  private(set) var phase = Phase.away
  var memberID = ""
  var generation: Int32 = -1
  /// The next offset of each partition that is owned.
  var positions: GroupLedger.Offsets = [:]
  /// What the last acknowledged commit of this assignment held.
  var committed: GroupLedger.Offsets = [:]
  /// What it would have committed in a generation that is over.
  private var late: (generation: Int32, positions: GroupLedger.Offsets)?
  var fetches = 0
  /// When a join or sync was sent that is not answered.
  var rebalanceSent: NIODeadline?
  /// Whether the member has stopped to be restless, and reads to the end.
  var isSettling = false
  /// Whether a member that is away stays so.
  var staysAway = false
  private(set) var rebalances = 0
  var commits = 0

  init(_ settings: Settings, _ ledger: GroupLedger, _ simulation: any CoordinatedWorld, seed: UInt64) {
    self.settings = settings
    self.ledger = ledger
    self.simulation = simulation
    random = SplitMix(seed: seed)
    let client = simulation.makeClient(
      "member \(settings.number)", waitsMs: 2 * Int(settings.rebalanceTimeoutMs) + Int(settings.sessionTimeoutMs))
    session = SimulatedSession(client, simulation)
    fetcher = simulation.makeClient("member \(settings.number)'s fetches", waitsMs: 200)
    reader = SimulatedReader(client.name, isReadCommitted: settings.isReadCommitted)
  }

  /// What the ledger knows the member by.
  var identity: String { settings.instanceID ?? memberID }
  var owned: [TopicPartition] { positions.keys.sorted() }

  var client: any RequestSender { session.client }

  func start() { session.later(1 + random.below(1_000_000)) { [self] in enter() } }

  // MARK: Phases

  func change(to phase: Phase) {
    self.phase = phase
    session.beginTurn()
    rebalanceSent = nil
  }

  /// Begins as a client that has just started, or goes on after its coordinator was lost: with the member id that it has, if any.
  func enter() {
    change(to: .joining)
    var request = FindCoordinatorRequest()
    request.key = settings.group
    session.ask(request, version: 3) { [self] result in
      guard case .success(let answer) = result else { return enterLater() }
      switch answer.errorCode {
      case .none: join()
      case .coordinatorNotAvailable, .coordinatorLoadInProgress, .notCoordinator: enterLater()
      default:
        expect(answer.errorCode, "FindCoordinator")
        enterLater()
      }
    }
  }

  func enterLater() { session.later(20_000 + random.below(60_000)) { [self] in enter() } }

  /// A generation has begun in which the member has these partitions.
  func begin(_ partitions: [TopicPartition]) {
    change(to: .assigned)
    rebalances += 1
    positions = [:]
    committed = [:]
    simulation.trace.note("\(client.name) has \(partitions) in generation \(generation)")
    if let late, late.generation < generation, random.below(3) == 0 { commitLate(late.positions, in: late.generation) }
    late = nil
    beatLater()
    if !partitions.isEmpty { findPositions(partitions) }
  }

  /// Forgets its part in the generation, and joins the next.
  func rejoin() {
    if !positions.isEmpty { late = (generation, positions) }
    positions = [:]
    change(to: .joining)
    join()
  }

  /// The coordinator does not know the member.
  func joinAnew() {
    memberID = ""
    positions = [:]
    late = nil
    rejoin()
  }

  // MARK: What is unusual

  /// Draws what follows a heartbeat; returns whether that is something else than the next.
  func isRestless() -> Bool {
    guard !isSettling, random.below(settings.restlessOneIn) == 0 else { return false }
    switch random.below(4) {
    case 0:
      if settings.instanceID == nil { leave() } else { crash() }
    case 1: stall()
    case 2: crash()
    default:
      simulation.trace.note("\(client.name) joins again")
      rejoin()
    }
    return true
  }

  /// Leaves in order, and comes back as a new member.
  func leave() {
    simulation.trace.note("\(client.name) leaves")
    var request = LeaveGroupRequest()
    request.groupID = settings.group
    request.members = [.with { ($0.memberID, $0.groupInstanceID) = (memberID, settings.instanceID) }]
    goAway()
    session.ask(request, version: 4) { [self] result in
      guard case .success(let answer) = result else { return }
      expect(answer.errorCode, "LeaveGroup")
    }
  }

  /// The process ends, and starts again: with its instance id, if it has one, and without its member id.
  func crash() {
    simulation.trace.note("\(client.name) crashes")
    client.breakConnection()
    fetcher.breakConnection()
    goAway()
  }

  private func goAway() {
    change(to: .away)
    memberID = ""
    generation = -1
    positions = [:]
    late = nil
    comeBackLater()
  }

  private func comeBackLater() {
    let pauseMs = isSettling || random.below(2) == 0 ? 100 : 2 * Int(settings.sessionTimeoutMs)
    session.later(milliseconds: 1 + random.below(pauseMs)) { [self] in
      if staysAway { comeBackLater() } else { enter() }
    }
  }

  /// Does nothing for about as long as a session is, or longer, and then goes on as if nothing had happened: what it sends is of an older
  /// generation, if the others have gone on without it.
  private func stall() {
    simulation.trace.note("\(client.name) stalls")
    change(to: .stalled)
    let sessionMs = Int(settings.sessionTimeoutMs)
    session.later(milliseconds: sessionMs / 2 + random.below(2 * sessionMs)) { [self] in
      simulation.trace.note("\(client.name) goes on")
      change(to: .assigned)
      if random.below(2) == 0, !positions.isEmpty {
        commit { [self] in resume() }
      } else {
        resume()
      }
    }
  }

  private func resume() {
    beat()
    if !positions.isEmpty { poll() }
  }
}
