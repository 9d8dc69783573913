import Model

/// A consumer group of the new protocol (KIP-848): the coordinator assigns the partitions, and each member moves to its assignment by its
/// own heartbeats, without a barrier that all must reach.
///
/// The group has an epoch, which rises with every change of members, subscriptions or topics; the target assignment has the epoch for
/// which it was computed; a member has the epoch that it has reached. Example, of one topic with two partitions:
/// ```
/// A joins:    group 1, target 1 {A: 0 1}         A at 1 has 0 1
/// B joins:    group 2, target 2 {A: 0, B: 1}     B at 2 has nothing yet: A still has 1
/// A's beat:   A is told 0, and must give up 1    A at 1
/// A's beat, which says that it owns 0 alone:     A at 2 has 0
/// B's beat:                                      B at 2 has 1
/// ```
/// A pure value. Every change is a `Change`, which is also a record of `__consumer_offsets`: `step` returns the changes that it has made, and
/// `replay` of the same changes makes the same group. The source of the rules is KIP-848, of messages and errors Apache Kafka 3.9.
package struct ConsumerGroup: Equatable, Sendable {
  /// The epoch in the heartbeat of a member that leaves, and of a static member that will come back.
  package static let leaveEpoch: Int32 = -1, staticLeaveEpoch: Int32 = -2

  package let id: String
  package private(set) var epoch: Int32 = 0
  /// The group epoch for which the target assignment was computed.
  package private(set) var assignmentEpoch: Int32 = 0
  package private(set) var members: [String: ConsumerGroupMember] = [:]
  /// The topics to which members have subscribed, by rising name.
  package private(set) var topics: [SubscribedTopic] = []
  /// The partitions that each member is to have.
  package private(set) var target: [String: Set<GroupPartition>] = [:]
  /// The member that has a partition, or has not yet given it up.
  private(set) var owners: [GroupPartition: String] = [:]
  /// The member of each `group.instance.id`.
  private var instances: [String: String] = [:]

  // What is not stored: it begins anew when another broker becomes coordinator.
  private(set) var sessionEnds: [String: Int64] = [:]
  private(set) var revocationEnds: [String: Int64] = [:]
  private var catalogVersion: Int?
  private var changes: [Change] = []

  package init(id: String) { self.id = id }

  /// A change of the group; nil deletes.
  package enum Change: Equatable, Sendable {
    case epoch(Int32?)
    case topics([SubscribedTopic]?)
    case member(String, ConsumerGroupMember.Description?)
    case targetEpoch(Int32?)
    case target(String, Set<GroupPartition>?)
    case current(String, ConsumerGroupMember.Current?)
  }

  package struct Settings: Sendable {
    /// `group.consumer.session.timeout.ms`.
    package var sessionTimeoutMs: Int64 = 45_000
    /// `group.consumer.heartbeat.interval.ms`.
    package var heartbeatIntervalMs: Int32 = 5_000
    /// `group.consumer.max.size`.
    package var membersMax = Int(Int32.max)
    /// `group.consumer.assignors`; the first is used when no member prefers one.
    package var assignors = ServerAssignor.allCases

    package init() {}
  }

  package enum Event: Sendable {
    case heartbeat(Heartbeat)
    /// Time has passed: members whose session is over are removed.
    case tick
  }

  package enum Effect: Equatable, Sendable {
    /// Append these records; the response to a heartbeat waits for them.
    case write([Change])
    case response(Result<Response, ApiError>)
  }

  package struct Response: Equatable, Sendable {
    package var memberID: String
    package var memberEpoch: Int32
    package var heartbeatIntervalMs: Int32
    /// The member's partitions, rising; nil when they are those that it was told.
    package var assignment: [GroupPartition]?
  }

  /// Handles an event. Where it is refused, nothing has changed.
  ///
  /// - Parameter nowMs: a monotonic time, in milliseconds.
  package mutating func step(
    _ event: Event, topics catalog: TopicCatalog, settings: Settings, nowMs: Int64
  ) -> [Effect] {
    var next = self
    next.changes = []
    switch event {
    case .tick:
      next.expire(catalog, nowMs: nowMs)
      return take(next, nil)
    case .heartbeat(let heartbeat):
      do throws(ApiError) {
        let response = try next.beat(heartbeat, catalog, settings, nowMs: nowMs)
        return take(next, response)
      } catch { return [.response(.failure(error))] }
    }
  }

  private mutating func take(_ next: ConsumerGroup, _ response: Response?) -> [Effect] {
    self = next
    let written = changes
    changes = []
    return (written.isEmpty ? [] : [.write(written)]) + (response.map { [.response(.success($0))] } ?? [])
  }

  /// Takes in a change that was stored.
  package mutating func replay(_ change: Change) { apply(change) }

  /// Begins the sessions of all members anew, once the group is loaded.
  package mutating func beginSessions(settings: Settings, nowMs: Int64) {
    for (id, member) in members {
      sessionEnds[id] = nowMs + settings.sessionTimeoutMs
      if member.current.state == .unrevoked {
        revocationEnds[id] = nowMs + Int64(member.description.rebalanceTimeoutMs)
      }
    }
  }

  /// When a `tick` is due; nil when no member's time can end.
  package var nextDeadlineMs: Int64? {
    let ends = [sessionEnds.values.min(), revocationEnds.values.min()].compactMap { $0 }
    return ends.min()
  }

  /// Puts off the removal of members whose time ends before `deadlineMs`, because it could not be stored.
  package mutating func postponeRemovals(until deadlineMs: Int64) {
    sessionEnds = sessionEnds.mapValues { max($0, deadlineMs) }
    revocationEnds = revocationEnds.mapValues { max($0, deadlineMs) }
  }

  package enum Phase: String, Sendable {
    case empty = "Empty"
    case assigning = "Assigning"
    case reconciling = "Reconciling"
    case stable = "Stable"
  }

  package var phase: Phase {
    if members.isEmpty { return .empty }
    if epoch > assignmentEpoch { return .assigning }
    let isReconciled = members.values.allSatisfy {
      $0.current.state == .stable && $0.current.epoch == assignmentEpoch
    }
    return isReconciled ? .stable : .reconciling
  }

  /// The ids of the members, rising.
  package var memberIDs: [String] { members.keys.sorted() }

  /// The names of the topics to which members subscribe: those that they name, and of their patterns those that there are.
  package var subscribedTopics: Set<String> { topics.reduce(into: namedTopics) { $0.insert($1.name) } }

  private var namedTopics: Set<String> { members.values.reduce(into: []) { $0.formUnion($1.description.subscription) } }

  /// The patterns to which members subscribe, each once.
  private var patterns: [String: TopicPattern] {
    members.values.reduce(into: [:]) { found, member in
      guard let pattern = member.description.pattern, found[pattern] == nil else { return }
      found[pattern] = member.description.compiledPattern
    }
  }

  package func isSubscribed(to topic: String) -> Bool {
    members.values.contains { $0.description.isSubscribed(to: topic) }
  }

  /// The assignor that most members prefer; of several, the one that `settings` names first.
  package func assignor(_ settings: Settings) -> ServerAssignor {
    let preferred = members.values.compactMap { $0.description.serverAssignor.flatMap(ServerAssignor.init) }
    let votes = settings.assignors.map { assignor in (assignor, preferred.count { $0 == assignor }) }
    let most = votes.map(\.1).max() ?? 0
    return votes.first { $0.1 == most }?.0 ?? .uniform
  }

  /// Checks whether a member may commit offsets.
  ///
  /// - Throws: UNKNOWN_MEMBER_ID, or STALE_MEMBER_EPOCH, after which the member commits again in its present epoch.
  package func checkCommit(memberID: String, epoch: Int32) throws(ApiError) {
    // A commit of nobody's, by a tool, is taken while the group is empty.
    if epoch < 0, members.isEmpty { return }
    try check(memberID, in: epoch)
  }

  /// Checks whether a client may read the committed offsets.
  ///
  /// - Parameter memberID: nil, and a negative epoch, of a client that does not say that it is a member.
  /// - Throws: UNKNOWN_MEMBER_ID, or STALE_MEMBER_EPOCH, after which the member asks again in its present epoch: before that it may not know
  ///   that a partition is another member's by now.
  package func checkFetch(memberID: String?, epoch: Int32) throws(ApiError) {
    if memberID == nil, epoch < 0 { return }
    try check(memberID ?? "", in: epoch)
  }

  private func check(_ memberID: String, in epoch: Int32) throws(ApiError) {
    let member = try known(memberID)
    guard epoch == member.current.epoch else {
      throw ApiError(
        .staleMemberEpoch, "The member's epoch is \(member.current.epoch), and the request's is \(epoch).")
    }
  }

  // MARK: Changes

  private mutating func change(_ change: Change) {
    apply(change)
    changes.append(change)
  }

  private mutating func apply(_ change: Change) {
    switch change {
    case .epoch(let epoch): self.epoch = epoch ?? 0
    case .topics(let topics): self.topics = topics ?? []
    case .targetEpoch(let epoch): assignmentEpoch = epoch ?? 0
    case .target(let id, let partitions): target[id] = partitions
    case .member(let id, let description): describe(id, description)
    case .current(let id, let current): setCurrent(id, current)
    }
  }

  private mutating func describe(_ id: String, _ description: ConsumerGroupMember.Description?) {
    let before = members[id]
    if let instance = before?.description.instanceID, instances[instance] == id { instances[instance] = nil }
    guard let description else {
      release(id)
      members[id] = nil
      sessionEnds[id] = nil
      revocationEnds[id] = nil
      return
    }
    members[id] = ConsumerGroupMember(description, before?.current ?? ConsumerGroupMember.Current())
    if let instance = description.instanceID { instances[instance] = id }
  }

  /// In a compacted log a member's description may stand behind its assignment.
  private mutating func setCurrent(_ id: String, _ current: ConsumerGroupMember.Current?) {
    release(id)
    guard let current else {
      members[id]?.current = ConsumerGroupMember.Current()
      return
    }
    members[id] = ConsumerGroupMember(members[id]?.description ?? ConsumerGroupMember.Description(), current)
    for partition in current.assigned.union(current.revoking) { owners[partition] = id }
  }

  private mutating func release(_ id: String) {
    guard let current = members[id]?.current else { return }
    for partition in current.assigned.union(current.revoking) where owners[partition] == id { owners[partition] = nil }
  }
}

// MARK: Heartbeats

extension ConsumerGroup {
  private mutating func beat(
    _ heartbeat: Heartbeat, _ catalog: TopicCatalog, _ settings: Settings, nowMs: Int64
  ) throws(ApiError) -> Response {
    try heartbeat.check(settings)
    switch heartbeat.memberEpoch {
    case Self.leaveEpoch: return try leave(heartbeat, catalog)
    case Self.staticLeaveEpoch: return try leaveForNow(heartbeat, nowMs: nowMs)
    default:
      let (id, before) = try admit(heartbeat, settings)
      let isNew = before == nil
      let description = heartbeat.description(after: before?.description)
      if isNew || description != before?.description { change(.member(id, description)) }
      refresh(catalog, hasChanged: isNew || !description.subscribes(as: before?.description))
      assign(settings)
      reconcile(id, owned: heartbeat.owned, nowMs: nowMs)
      sessionEnds[id] = nowMs + settings.sessionTimeoutMs
      let current = members[id]?.current ?? ConsumerGroupMember.Current()
      let isTold = heartbeat.isFull || current.assigned != before?.current.assigned
      return Response(
        memberID: id, memberEpoch: current.epoch, heartbeatIntervalMs: settings.heartbeatIntervalMs,
        assignment: isTold ? current.assigned.sorted() : nil)
    }
  }

  /// Returns the member that sends a heartbeat, as it was before; nil when it is new.
  private mutating func admit(
    _ heartbeat: Heartbeat, _ settings: Settings
  ) throws(ApiError) -> (id: String, before: ConsumerGroupMember?) {
    let id = heartbeat.memberID
    guard heartbeat.memberEpoch == 0 else {
      let member = try known(id, of: heartbeat.instanceID)
      try member.check(heartbeat)
      return (id, member)
    }
    if let instance = heartbeat.instanceID, let earlier = instances[instance], earlier != id {
      return (id, try replace(earlier, by: id))
    }
    if let member = members[id] { return (id, member) }
    guard members.count < settings.membersMax else {
      throw ApiError(
        .groupMaxSizeReached, "The consumer group has reached its maximum capacity of \(settings.membersMax) members.")
    }
    return (id, nil)
  }

  /// Puts a new member in the place of a static member that has left for now; it goes on with the partitions of the old one.
  private mutating func replace(_ earlier: String, by id: String) throws(ApiError) -> ConsumerGroupMember? {
    guard let old = members[earlier] else { return nil }
    guard old.current.epoch == Self.staticLeaveEpoch else {
      throw ApiError(
        .unreleasedInstanceId,
        "The static member \(old.description.instanceID ?? "") is still in the group as \(earlier).")
    }
    let partitions = target[earlier]
    forget(earlier)
    var current = old.current
    current.epoch = 0
    current.previousEpoch = 0
    current.state = .stable
    current.revoking = []
    change(.member(id, old.description))
    if let partitions { change(.target(id, partitions)) }
    change(.current(id, current))
    return members[id]
  }

  private func known(_ id: String, of instance: String? = nil) throws(ApiError) -> ConsumerGroupMember {
    if let instance {
      guard let owner = instances[instance] else {
        throw ApiError(.unknownMemberId, "Instance id \(instance) is unknown.")
      }
      guard owner == id else {
        throw ApiError(.fencedInstanceId, "Instance id \(instance) belongs to another member.")
      }
    }
    guard let member = members[id] else {
      throw ApiError(.unknownMemberId, "Member \(id) is not a member of the group.")
    }
    return member
  }

  private mutating func leave(_ heartbeat: Heartbeat, _ catalog: TopicCatalog) throws(ApiError) -> Response {
    let id = heartbeat.memberID
    _ = try known(id, of: heartbeat.instanceID)
    remove([id], catalog)
    return Response(memberID: id, memberEpoch: Self.leaveEpoch, heartbeatIntervalMs: 0, assignment: nil)
  }

  /// Lets a static member go for now: its partitions stay its own until it comes back, or its session ends.
  private mutating func leaveForNow(_ heartbeat: Heartbeat, nowMs: Int64) throws(ApiError) -> Response {
    let id = heartbeat.memberID
    var current = try known(id, of: heartbeat.instanceID).current
    current.previousEpoch = current.epoch
    current.epoch = Self.staticLeaveEpoch
    current.revoking = []
    current.state = .stable
    change(.current(id, current))
    revocationEnds[id] = nil
    return Response(memberID: id, memberEpoch: Self.staticLeaveEpoch, heartbeatIntervalMs: 0, assignment: nil)
  }

  private mutating func expire(_ catalog: TopicCatalog, nowMs: Int64) {
    let ended = members.keys.filter { id in
      sessionEnds[id].map { $0 <= nowMs } ?? false || revocationEnds[id].map { $0 <= nowMs } ?? false
    }
    if !ended.isEmpty { remove(ended.sorted(), catalog) }
  }

  private mutating func remove(_ ids: [String], _ catalog: TopicCatalog) {
    for id in ids { forget(id) }
    refresh(catalog, hasChanged: true)
  }

  private mutating func forget(_ id: String) {
    change(.current(id, nil))
    change(.target(id, nil))
    change(.member(id, nil))
  }

  /// Raises the group's epoch when members or subscriptions have changed, or the topics to which they have subscribed.
  private mutating func refresh(_ catalog: TopicCatalog, hasChanged: Bool) {
    guard hasChanged || catalog.version != catalogVersion else { return }
    catalogVersion = catalog.version
    let patterns = Array(patterns.values)
    let matched = patterns.isEmpty ? [] : catalog.names().filter { name in patterns.contains { $0.matches(name) } }
    let found = namedTopics.union(matched).sorted().compactMap { catalog.topic($0) }
    let isOther = found != topics
    if isOther { change(.topics(found)) }
    if hasChanged || isOther { change(.epoch(epoch + 1)) }
  }

  /// Computes the target assignment when the group's epoch has risen.
  private mutating func assign(_ settings: Settings) {
    guard assignmentEpoch < epoch else { return }
    let ids = Dictionary(topics.map { ($0.name, $0.id) }) { first, _ in first }
    let matched = patterns.mapValues { pattern in topics.filter { pattern.matches($0.name) }.map(\.id) }
    let subscribers = members.map { id, member in
      ServerAssignor.Subscriber(
        id: id, instanceID: member.description.instanceID,
        topics: Set(member.description.subscription.compactMap { ids[$0] })
          .union(member.description.pattern.flatMap { matched[$0] } ?? []),
        before: target[id] ?? [])
    }
    let assigned = assignor(settings).assign(topics, to: subscribers)
    for (id, partitions) in assigned.sorted(by: { $0.key < $1.key }) where target[id] != partitions {
      change(.target(id, partitions))
    }
    change(.targetEpoch(epoch))
  }

  private mutating func reconcile(_ id: String, owned: Set<GroupPartition>?, nowMs: Int64) {
    guard let member = members[id] else { return }
    let next = member.current.reconciled(to: target[id] ?? [], of: assignmentEpoch, owned: owned) { owners[$0] == nil }
    guard next != member.current else { return }
    change(.current(id, next))
    switch next.state {
    case .unrevoked where member.current.state == .unrevoked: break
    case .unrevoked: revocationEnds[id] = nowMs + Int64(member.description.rebalanceTimeoutMs)
    case .stable, .unreleased: revocationEnds[id] = nil
    }
  }
}

extension ConsumerGroupMember {
  /// Checks the epoch of a heartbeat. The epoch before the present one is taken from a member that has not got the last response: it cannot
  /// own more than it was assigned.
  fileprivate func check(_ heartbeat: ConsumerGroup.Heartbeat) throws(ApiError) {
    let received = heartbeat.memberEpoch
    if received == current.epoch { return }
    if received < current.epoch, received == current.previousEpoch,
      let owned = heartbeat.owned, owned.isSubset(of: current.assigned)
    {
      return
    }
    throw ApiError(
      .fencedMemberEpoch,
      "The member's epoch is \(current.epoch), and the request's is \(received). The member must give up its partitions and join again."
    )
  }
}
