import Model
import TestSupport
import Testing

@testable import Cluster

/// Clients that join, leave, stall, crash and come back, and a coordinator that crashes and whose stores fail, in an order that a seed
/// decides. What no group may do is checked at every answer.
private struct GroupModel {
  /// A consumer: what it knows of its membership.
  struct Client {
    enum Phase: Equatable {
      case out
      case joining(Group.RequestID)
      case syncing(Group.RequestID)
      case member
    }

    var instanceID: String?
    var memberID = ""
    var generation: Int32 = -1
    var phase = Phase.out
    var heartbeatMs: Int64 = 0
    var stalledMs: Int64 = 0
  }

  /// What happened, to be told of a failure.
  enum Entry {
    case event(Int64, Group.Event)
    case effect(Group.Effect)
    case restart(Int64)

    var text: String {
      switch self {
      case .event(let ms, let event): "\(ms) \(event)"
      case .effect(let effect): "  \(GroupScript.text(effect))"
      case .restart(let ms): "\(ms) restart"
      }
    }
  }

  static let partitions = 7
  var seed: Seed
  var now = Group.Instant(ms: 0, wallMs: 0)
  let rules = GroupScript.rules(["delay": "500"])
  var group: Group
  /// The record that is in the log.
  var durable: StoredGroup?
  var stores: [(id: Group.StoreID, record: StoredGroup)] = []
  var clients: [Client]
  var requests: Group.RequestID = 0
  var members = 0
  /// Requests that wait, and their clients; a client that has crashed is nil.
  var waiting: [Group.RequestID: Int?] = [:]
  /// Who owns each partition in each generation: the member, a static one by its instance.
  var owners: [Int32: [UInt8: String]] = [:]
  var rebalances = 0
  var failures: [String] = []
  var trace: [Entry] = []

  init(_ seed: Seed) {
    self.seed = seed
    group = Group("g", rules: rules, at: now)
    clients = (0..<6).map { Client(instanceID: $0 < 2 ? "i\($0)" : nil) }
  }

  // MARK: The coordinator

  mutating func send(_ event: Group.Event) {
    trace.append(.event(now.ms, event))
    for effect in group.step(event, at: now) {
      trace.append(.effect(effect))
      carryOut(effect)
    }
  }

  private mutating func carryOut(_ effect: Group.Effect) {
    switch effect {
    case .joined(let request, let answer): if let client = answered(request) { joined(client, answer) }
    case .synced(let request, let answer): if let client = answered(request) { synced(client, answer) }
    case .heartbeat(let request, let error): if let client = answered(request) { beaten(client, error) }
    case .left(let request, _): _ = answered(request)
    case .store(let id, let record): stores.append((id, record))
    case .rebalance: rebalances += 1
    }
  }

  /// The client of a request; nil when that has crashed.
  private mutating func answered(_ request: Group.RequestID) -> Int? {
    guard let client = waiting.removeValue(forKey: request) else {
      failures.append("request \(request) was answered twice")
      return nil
    }
    return client
  }

  mutating func finishStore() {
    guard !stores.isEmpty else { return }
    let (id, record) = stores.removeFirst()
    let succeeds = Int.random(in: 0...9, using: &seed) > 0
    if succeeds { durable = record }
    send(.stored(id, succeeds ? .none : .notCoordinator))
  }

  /// Another coordinator reads the log; connections end.
  mutating func restart() {
    trace.append(.restart(now.ms))
    for index in clients.indices {
      switch clients[index].phase {
      case .joining, .syncing: clients[index].phase = .out
      case .out, .member: break
      }
    }
    waiting = [:]
    stores = []
    group = durable.map { Group("g", reading: $0, rules: rules, at: now) } ?? Group("g", rules: rules, at: now)
    send(.loaded)
  }

  mutating func pass(_ ms: Int64) {
    now.ms += ms
    now.wallMs += ms
    if let deadline = group.nextDeadlineMs, deadline <= now.ms { send(.tick) }
  }

  // MARK: Clients

  private mutating func request(_ client: Int) -> Group.RequestID {
    requests += 1
    waiting[requests] = .some(client)
    return requests
  }

  mutating func act(_ index: Int) {
    guard clients[index].stalledMs <= now.ms else { return }
    switch clients[index].phase {
    case .out: join(index)
    case .joining, .syncing: break
    case .member:
      guard clients[index].heartbeatMs <= now.ms else { return }
      clients[index].heartbeatMs = now.ms + 3000
      send(.heartbeat(request(index), membership(index)))
    }
  }

  private func membership(_ index: Int) -> Group.Membership {
    Group.Membership(
      clients[index].memberID, generation: clients[index].generation, instanceID: clients[index].instanceID)
  }

  mutating func join(_ index: Int) {
    members += 1
    var join = Group.Join()
    join.memberID = clients[index].memberID
    join.instanceID = clients[index].instanceID
    join.newMemberID = "m\(members)"
    join.sessionTimeoutMs = 10_000
    join.rebalanceTimeoutMs = 20_000
    join.protocolType = "consumer"
    join.protocols = [GroupProtocol("range", Array("s".utf8))]
    join.requiresKnownID = join.instanceID == nil && index % 2 == 0
    join.supportsSkippingAssignment = index % 3 == 0
    let id = request(index)
    clients[index].phase = .joining(id)
    send(.join(id, join))
  }

  private mutating func joined(_ index: Int, _ answer: Group.JoinAnswer) {
    switch answer.error {
    case .none: break
    case .memberIdRequired:
      clients[index].memberID = answer.memberID
      return clients[index].phase = .out
    case .unknownMemberId, .fencedInstanceId:
      clients[index].memberID = ""
      return clients[index].phase = .out
    default: return clients[index].phase = .out
    }
    clients[index].memberID = answer.memberID
    clients[index].generation = answer.generation
    let assigns = answer.leader == answer.memberID && !answer.skipsAssignment
    var sync = Group.Sync(membership(index))
    sync.protocolName = answer.protocolName
    if assigns {
      if answer.members.isEmpty { failures.append("the leader of \(answer.generation) is told of no members") }
      for (place, member) in answer.members.enumerated() {
        sync.assignments[member.id] = (0..<UInt8(Self.partitions)).filter { Int($0) % answer.members.count == place }
      }
    }
    let id = request(index)
    clients[index].phase = .syncing(id)
    send(.sync(id, sync))
  }

  private mutating func synced(_ index: Int, _ answer: Group.SyncAnswer) {
    guard answer.error == .none else { return rejoin(index, answer.error) }
    clients[index].phase = .member
    clients[index].heartbeatMs = now.ms + 3000
    let generation = clients[index].generation
    if generation != group.generation { failures.append("an assignment of \(generation) in \(group.generation)") }
    if durable?.generation != generation { failures.append("the assignment of \(generation) is not stored") }
    let owner = clients[index].instanceID ?? clients[index].memberID
    for partition in answer.assignment {
      if let other = owners[generation]?[partition], other != owner {
        failures.append("partition \(partition) has two owners in \(generation): \(other) and \(owner)")
      }
      owners[generation, default: [:]][partition] = owner
    }
  }

  private mutating func beaten(_ index: Int, _ error: ErrorCode) {
    if error != .none { rejoin(index, error) }
  }

  private mutating func rejoin(_ index: Int, _ error: ErrorCode) {
    clients[index].phase = .out
    if error == .unknownMemberId || error == .fencedInstanceId { clients[index].memberID = "" }
  }

  mutating func leave(_ index: Int) {
    guard clients[index].phase == .member else { return }
    let leaver = Group.Leaver(clients[index].memberID, instanceID: clients[index].instanceID)
    let id = request(index)
    send(.leave(id, [leaver]))
    clients[index].phase = .out
    clients[index].memberID = ""
  }

  /// The process ends, and another begins with nothing but the instance id.
  mutating func crash(_ index: Int) {
    for (request, client) in waiting where client == index { waiting[request] = .some(nil) }
    clients[index] = Client(instanceID: clients[index].instanceID)
    clients[index].stalledMs = now.ms + Int64.random(in: 0...15_000, using: &seed)
  }

  // MARK: A run

  mutating func step() {
    pass(Int64.random(in: 0...800, using: &seed))
    let client = Int.random(in: 0..<clients.count, using: &seed)
    switch Int.random(in: 0...99, using: &seed) {
    case 0...69: act(client)
    case 70...89: finishStore()
    case 90...91: leave(client)
    case 92...93: crash(client)
    case 94...97: clients[client].stalledMs = now.ms + Int64.random(in: 0...25_000, using: &seed)
    case 98: restart()
    default: if case .member = clients[client].phase { clients[client].phase = .out }
    }
  }

  /// Nothing fails any more.
  mutating func settle() {
    for index in clients.indices { clients[index].stalledMs = 0 }
    for _ in 0..<600 {
      pass(500)
      while let (id, record) = stores.first {
        stores.removeFirst()
        durable = record
        send(.stored(id, .none))
      }
      for index in clients.indices { act(index) }
    }
  }

  /// Stores succeed and clients act until nobody waits.
  mutating func settleAtOnce() {
    for _ in 0..<20 {
      while let (id, record) = stores.first {
        stores.removeFirst()
        durable = record
        send(.stored(id, .none))
      }
      for index in clients.indices {
        clients[index].heartbeatMs = now.ms
        act(index)
      }
    }
  }
}

@Suite("Group model")
struct GroupModelTests {
  @Test(
    "no partition has two owners in a generation, and nobody is stuck once nothing fails any more",
    arguments: Seed.some(60))
  func random(seed: Seed) {
    var model = GroupModel(seed)
    for _ in 0..<1500 where model.failures.isEmpty { model.step() }
    model.settle()
    let generation = model.group.generation
    expect(model, model.failures.isEmpty, "\(model.failures)")
    expect(model, model.group.state == .stable, "the group is \(model.group.state)")
    expect(model, model.group.memberCount == model.clients.count, "\(model.group.memberCount) members")
    expect(model, model.clients.allSatisfy { $0.phase == .member && $0.generation == generation }, "\(model.clients)")
    expect(model, model.waiting.isEmpty && model.group.waitingRequests == 0, "requests wait: \(model.waiting)")
    expect(model, model.owners[generation]?.count == GroupModel.partitions, "a partition has no owner")
    expect(
      model, model.group.record == model.durable || model.group.record.members == model.durable?.members,
      "the log differs")
  }

  @Test("a member that leaves and joins again costs one rebalance, and not two", arguments: Seed.some(20))
  func oneRebalance(seed: Seed) {
    var model = GroupModel(seed)
    for _ in 0..<300 where model.failures.isEmpty { model.step() }
    model.settle()
    for index in model.clients.indices {
      let (before, generation) = (model.rebalances, model.group.generation)
      model.leave(index)
      model.join(index)
      model.settleAtOnce()
      expect(model, model.rebalances == before + 1, "client \(index): \(model.rebalances - before) rebalances")
      expect(model, model.group.generation == generation + 1, "client \(index): generation \(model.group.generation)")
      expect(model, model.group.state == .stable, "the group is \(model.group.state)")
    }
  }

  private func expect(_ model: GroupModel, _ isTrue: Bool, _ what: String) {
    if !isTrue { Issue.record("\(model.seed): \(what)\n\(model.trace.suffix(60).map(\.text).joined(separator: "\n"))") }
  }
}
