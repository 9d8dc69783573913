import Base
import Model

/// Members that come, change and go, and their sessions.
extension Group {
  /// Adds a member whose JoinGroup waits.
  mutating func add(_ request: RequestID, _ join: Join, id memberID: String) {
    var member = GroupMember(
      id: memberID, instanceID: join.instanceID, clientID: join.clientID, clientHost: join.clientHost,
      rebalanceTimeoutMs: join.rebalanceTimeoutMs, sessionTimeoutMs: join.sessionTimeoutMs,
      protocols: Self.distinct(join.protocols))
    member.joinRequest = request
    insert(member, protocolType: join.protocolType)
    renewSession(of: memberID, forMs: GroupLimits.newMemberJoinMs)
  }

  mutating func insert(_ added: GroupMember, protocolType type: String) {
    var member = added
    ordinals += 1
    member.ordinal = ordinals
    if members.isEmpty { protocolType = type }
    if leader == nil { leader = member.id }
    if let instanceID = member.instanceID { staticMembers[instanceID] = member.id }
    if member.isAwaitingJoin { awaitingJoin += 1 }
    count(member.protocols, by: 1)
    pendingMembers[member.id] = nil
    members[member.id] = member
  }

  /// Removes a member, or an id that nobody has joined with. Requests of the member that wait are the caller's to answer.
  mutating func remove(_ memberID: String) {
    pendingMembers[memberID] = nil
    guard let member = members.removeValue(forKey: memberID) else { return }
    count(member.protocols, by: -1)
    if member.isAwaitingJoin { awaitingJoin -= 1 }
    if member.owesSync { owingSync -= 1 }
    if let instanceID = member.instanceID { staticMembers[instanceID] = nil }
    if leader == memberID { leader = members.values.min { $0.ordinal < $1.ordinal }?.id }
  }

  /// Takes in the protocols and timeouts with which a member joins again.
  mutating func update(_ memberID: String, _ join: Join) {
    guard var member = members[memberID] else { return }
    count(member.protocols, by: -1)
    member.protocols = Self.distinct(join.protocols)
    member.rebalanceTimeoutMs = join.rebalanceTimeoutMs
    member.sessionTimeoutMs = join.sessionTimeoutMs
    count(member.protocols, by: 1)
    members[memberID] = member
  }

  /// Lets a request of the member wait for the rebalance. An earlier one that still waits is answered: one client can have asked twice,
  /// and its connection gets no later response before that.
  mutating func awaitJoin(_ request: RequestID, of memberID: String) {
    answerJoin(of: memberID, JoinAnswer(error: .rebalanceInProgress, memberID: memberID))
    guard members[memberID] != nil else { return }
    members[memberID]?.joinRequest = request
    awaitingJoin += 1
  }

  mutating func answerJoin(of memberID: String, _ answer: JoinAnswer) {
    guard let request = members[memberID]?.joinRequest else { return }
    members[memberID]?.joinRequest = nil
    awaitingJoin -= 1
    effects.append(.joined(request, answer))
  }

  mutating func answerSync(of memberID: String, _ answer: SyncAnswer) {
    guard let request = members[memberID]?.syncRequest else { return }
    members[memberID]?.syncRequest = nil
    effects.append(.synced(request, answer))
  }

  mutating func setOwesSync(_ memberID: String, _ owes: Bool) {
    guard let member = members[memberID], member.owesSync != owes else { return }
    members[memberID]?.owesSync = owes
    owingSync += owes ? 1 : -1
  }

  /// Begins the member's session anew.
  mutating func renewSession(of memberID: String) {
    guard let timeoutMs = members[memberID]?.sessionTimeoutMs else { return }
    renewSession(of: memberID, forMs: Int64(max(0, timeoutMs)))
  }

  mutating func renewSession(of memberID: String, forMs timeoutMs: Int64) {
    let deadlineMs = now.ms + Self.sessionMs(timeoutMs)
    members[memberID]?.sessionDeadlineMs = deadlineMs
    arm(deadlineMs)
  }

  private static func sessionMs(_ timeoutMs: Int64) -> Int64 {
    #if DEBUG
    if PlantedFault.neverEndsSessions.isPlanted { return 86_400_000 }
    #endif
    return timeoutMs
  }

  /// Removes a member that has left or whose session has ended: a request of it that waits gets UNKNOWN_MEMBER_ID, so that a client that is
  /// still there joins anew.
  mutating func removeAndRebalance(_ memberID: String, _ reason: String) {
    answerJoin(of: memberID, JoinAnswer(error: .unknownMemberId, memberID: ""))
    answerSync(of: memberID, SyncAnswer(error: .unknownMemberId))
    remove(memberID)
    switch state {
    case .stable, .completingRebalance: prepareRebalance(reason)
    case .preparingRebalance: completeJoinIfReady()
    case .empty, .dead: break
    }
  }

  /// Removes an id that nobody has joined with; a rebalance may have waited for that alone.
  mutating func removePending(_ memberID: String) {
    remove(memberID)
    completeJoinIfReady()
  }

  private mutating func count(_ protocols: [GroupProtocol], by difference: Int) {
    for name in protocols.map(\.name) {
      let count = supportedProtocols[name, default: 0] + difference
      supportedProtocols[name] = count > 0 ? count : nil
    }
  }

  /// The protocols without those whose name an earlier one has.
  static func distinct(_ protocols: [GroupProtocol]) -> [GroupProtocol] {
    var names: Set<String> = []
    return protocols.filter { names.insert($0.name).inserted }
  }

  /// A member that has the protocols can join: all members have one of them, and the protocol type.
  func supports(_ type: String, _ protocols: [GroupProtocol]) -> Bool {
    if state == .empty { return !type.isEmpty && !protocols.isEmpty }
    return protocolType == type && protocols.contains { supportedProtocols[$0.name, default: 0] == members.count }
  }

  /// Returns the protocol that most members prefer, of those that all have. Of several with as many votes it is the one that the
  /// member who came first prefers.
  func selectProtocol() -> String? {
    let voters = membersInOrder
    var votes: [String: Int] = [:]
    for voter in voters {
      if let choice = voter.protocols.first(where: { supportedProtocols[$0.name] == members.count }) {
        votes[choice.name, default: 0] += 1
      }
    }
    let most = votes.values.max()
    return voters.first?.protocols.first { votes[$0.name] == most }?.name
  }

  /// The topics that the members of this generation subscribe to; nil when that is unknown.
  func findSubscribedTopics() -> Set<String>? {
    guard protocolType == Self.consumerProtocolType else { return nil }
    guard !members.isEmpty else { return [] }
    var topics: Set<String> = []
    for member in members.values {
      guard let subscribed = rules.topics(member.metadata(for: protocolName)) else { return nil }
      topics.formUnion(subscribed)
    }
    return topics
  }

  /// The protocol type of consumers, whose metadata is a subscription.
  package static let consumerProtocolType = "consumer"
}

/// Time that passes.
extension Group {
  /// Takes in the deadlines that have passed.
  mutating func passDeadlines() {
    guard let due = nextDeadlineMs, due <= now.ms else { return }
    expirePending()
    expireSessions()
    if let joinWait, joinWait.deadlineMs <= now.ms { endWait(joinWait) }
    if let deadline = syncDeadlineMs, deadline <= now.ms { expireSyncs() }
    rearm()
  }

  private mutating func expirePending() {
    for (memberID, deadline) in pendingMembers.sorted(by: { $0.key < $1.key }) where deadline <= now.ms {
      removePending(memberID)
    }
  }

  /// Removes members whose sessions have ended. A member whose request waits is there; its session begins anew with the response.
  private mutating func expireSessions() {
    let due = members.values.filter { ($0.sessionDeadlineMs ?? .max) <= now.ms }.sorted { $0.ordinal < $1.ordinal }
    for expired in due {
      guard let member = members[expired.id], (member.sessionDeadlineMs ?? .max) <= now.ms else { continue }
      if !member.isNew, member.isAwaitingJoin || member.isAwaitingSync {
        members[member.id]?.sessionDeadlineMs = nil
      } else {
        removeAndRebalance(member.id, "the session of member \(member.id) has ended")
      }
    }
  }
}
