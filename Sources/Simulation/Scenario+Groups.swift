import Base
import Model

extension Scenario {
  /// A consumer group, whose members all subscribe to the same topics.
  struct Group {
    var name: String
    var partitions: [TopicPartition]
    var members: [SimulatedGroupMember.Settings]
    /// group.initial.rebalance.delay.ms.
    var initialDelayMs: Int

    var sessionTimeoutMs: Int { members.map { Int($0.sessionTimeoutMs) }.max() ?? 0 }
    var rebalanceTimeoutMs: Int { members.map { Int($0.rebalanceTimeoutMs) }.max() ?? 0 }

    /// The longest that a JoinGroup or SyncGroup may wait: for those who have gone without a word, and for new members.
    var answerMs: Int {
      initialDelayMs + 2 * rebalanceTimeoutMs + sessionTimeoutMs + Int(Simulation.slackMs)
    }

    /// The longest that a group takes to become stable once nothing goes wrong any more: a member that has gone is noticed by its session,
    /// and the rebalance that follows waits for another that has gone.
    var settlingMs: Int { 2 * answerMs }
  }

  /// Adds groups whose members read the topics that there are.
  mutating func addGroups(_ random: inout SplitMix) {
    useCoordinators(&random)
    let delayMs = random.pick([0, 300, 3_000])
    configuration["group.initial.rebalance.delay.ms"] = "\(delayMs)"
    configuration["group.min.session.timeout.ms"] = "100"
    for number in 0..<1 + random.below(2) { groups.append(makeGroup(number, delayMs, &random)) }
  }

  private func makeGroup(_ number: Int, _ delayMs: Int, _ random: inout SplitMix) -> Group {
    let first = random.below(topics.count)
    let subscribed = topics[first..<min(topics.count, first + 1 + random.below(2))]
    let partitions = subscribed.flatMap { topic in (0..<topic.partitions).map { TopicPartition(topic.name, $0) } }
    var group = Group(name: "group-\(number)", partitions: partitions.sorted(), members: [], initialDelayMs: delayMs)
    let sessionMs = random.pick([1_000, 2_000, 4_000])
    for index in 0..<1 + random.below(4) {
      let isStatic = random.below(3) == 0
      group.members.append(
        SimulatedGroupMember.Settings(
          number: 10 * number + index + 1, group: group.name, partitions: group.partitions,
          instanceID: isStatic ? "instance-\(index)" : nil, sessionTimeoutMs: Int32(sessionMs),
          rebalanceTimeoutMs: Int32(random.pick([1_500, 3_000, 6_000])),
          joinVersion: random.pick(isStatic ? [5, 7, 9] : [3, 5, 7, 9]), isReadCommitted: random.below(2) == 0,
          commitEvery: 1 + random.below(4), restlessOneIn: random.pick([4, 10, 40]),
          partitionMaxBytes: Int32(random.pick([1, 2_000, 1 << 20]))))
    }
    // The leader of a group with static members learns their instance ids.
    if group.members.contains(where: { $0.instanceID != nil }) {
      for index in group.members.indices { group.members[index].joinVersion = max(5, group.members[index].joinVersion) }
    }
    return group
  }

  /// Prepares a run in which the broker coordinates: it loses power only where the log is flushed before answers, because nothing is promised
  /// of what is lost otherwise; and in some runs its own topics are compacted.
  mutating func useCoordinators(_ random: inout SplitMix) {
    if configuration["millrace.flush.before.ack"] != "true" {
      for index in faults.indices where faults[index].kind == .powerFailure { faults[index].kind = .kill }
    }
    if configuration["log.cleaner.enable"] == "false", random.below(2) == 0 { enableCleaner(&random) }
    configuration["log.cleaner.min.cleanable.ratio"] = "0.1"
    for prefix in ["offsets.topic.", "transaction.state.log."] {
      configuration[prefix + "num.partitions"] = "\(1 + random.below(3))"
      configuration[prefix + "segment.bytes"] = "\(4_000 + random.below(random.below(2) == 0 ? 4_000 : 60_000))"
    }
  }
}
