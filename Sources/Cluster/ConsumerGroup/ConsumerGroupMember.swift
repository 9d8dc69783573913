import Model

/// A member of a consumer group: what it has said of itself, and where its reconciliation with the target assignment stands.
package struct ConsumerGroupMember: Equatable, Sendable {
  package var description: Description
  package var current: Current

  /// What a member says of itself in its heartbeats.
  package struct Description: Equatable, Sendable {
    /// `group.instance.id`; nil in a dynamic member.
    package var instanceID: String?
    package var rackID: String?
    package var clientID = ""
    package var clientHost = ""
    /// The names of topics, rising, each once.
    package var subscription: [String] = []
    /// A pattern of names of topics, to which the member subscribes as well; nil for none.
    package var pattern: String?
    /// How long the member may take to give up partitions, in milliseconds (`max.poll.interval.ms`).
    package var rebalanceTimeoutMs: Int32 = -1
    /// The assignor that the member prefers; nil when it has no preference.
    package var serverAssignor: String?

    package init() {}

    /// Whether the member subscribes to a topic.
    func isSubscribed(to topic: String) -> Bool {
      subscription.contains(topic) || compiledPattern?.matches(topic) == true
    }

    func subscribes(as other: Self?) -> Bool { subscription == other?.subscription && pattern == other?.pattern }

    /// Nil also for a pattern that this broker cannot read, which only another broker can have stored.
    var compiledPattern: TopicPattern? { pattern.flatMap { try? TopicPattern($0) } }
  }

  /// Which partitions a member has, and of which group epoch they are.
  package struct Current: Equatable, Sendable {
    /// The epoch of the target assignment that the member has reached; 0 before the first, `ConsumerGroup.staticLeaveEpoch` while a static
    /// member is away.
    package var epoch: Int32 = 0
    /// The epoch before: a member whose last response was lost still has it.
    package var previousEpoch: Int32 = 0
    package var state = State.stable
    package var assigned: Set<GroupPartition> = []
    /// Partitions that the member must give up before it reaches the next epoch.
    package var revoking: Set<GroupPartition> = []

    package init() {}
  }

  /// The numbers are those of Kafka's records.
  package enum State: Int8, Sendable {
    case stable = 0
    /// The member still has partitions that it must give up.
    case unrevoked = 1
    /// The member waits for partitions that others have not given up.
    case unreleased = 2
  }

  package init(_ description: Description, _ current: Current = Current()) {
    self.description = description
    self.current = current
  }
}

extension ConsumerGroupMember.Current {
  /// Returns the next step of the way to the target assignment (KIP-848, "Reconciliation"): first the member gives up what it must, then it
  /// reaches the target's epoch, and it gets each further partition when its owner has given it up.
  ///
  /// - Parameters:
  ///   - target: the member's partitions in the target assignment of `targetEpoch`.
  ///   - owned: the partitions that the member says it has; nil when its heartbeat does not say.
  ///   - isFree: whether no member has a partition.
  func reconciled(
    to target: Set<GroupPartition>, of targetEpoch: Int32, owned: Set<GroupPartition>?,
    isFree: (GroupPartition) -> Bool
  ) -> Self {
    switch state {
    case .stable where epoch == targetEpoch: return self
    case .stable, .unreleased: return next(target, targetEpoch, owned, isFree)
    case .unrevoked:
      guard let owned, owned.isDisjoint(with: revoking) else { return self }
      // What the member has just given up it may get again.
      return next(target, targetEpoch, owned) { isFree($0) || revoking.contains($0) }
    }
  }

  private func next(
    _ target: Set<GroupPartition>, _ targetEpoch: Int32, _ owned: Set<GroupPartition>?,
    _ isFree: (GroupPartition) -> Bool
  ) -> Self {
    var next = self
    next.assigned = assigned.intersection(target)
    let mustGive = assigned.subtracting(target)
    if !mustGive.isEmpty, owned.map({ !$0.isDisjoint(with: mustGive) }) ?? true {
      next.state = .unrevoked
      next.revoking = mustGive
      return next
    }
    let missing = target.subtracting(next.assigned)
    let free = missing.filter(isFree)
    next.assigned.formUnion(free)
    next.revoking = []
    next.state = free.count < missing.count ? .unreleased : .stable
    guard epoch != targetEpoch else { return next }
    next.previousEpoch = epoch
    next.epoch = targetEpoch
    return next
  }
}
