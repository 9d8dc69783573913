import Base
import Compression
import Model

/// Groups and transactions, whose coordinators move between the brokers.
extension ClusterScenario {
  /// Prepares a run in which the brokers coordinate: few partitions of their own topics, so that each coordinator has much to do.
  private mutating func useCoordinators(_ random: inout SplitMix) {
    for prefix in ["offsets.topic.", "transaction.state.log."] where configuration[prefix + "num.partitions"] == nil {
      configuration[prefix + "num.partitions"] = "\(1 + random.below(3))"
      configuration[prefix + "segment.bytes"] = "\(4_000 + random.below(random.below(2) == 0 ? 4_000 : 60_000))"
    }
  }

  /// Adds groups whose members read the topics that there are.
  mutating func addGroups(_ random: inout SplitMix) {
    useCoordinators(&random)
    let delayMs = random.pick([0, 300])
    configuration["group.initial.rebalance.delay.ms"] = "\(delayMs)"
    configuration["group.min.session.timeout.ms"] = "100"
    for number in 0..<1 + random.below(2) { groups.append(group(number, delayMs, &random)) }
  }

  private func group(_ number: Int, _ delayMs: Int, _ random: inout SplitMix) -> Scenario.Group {
    let partitions = topics.filter(\.isSafe).flatMap { topic in
      (0..<topic.partitions).map { TopicPartition(topic.name, $0) }
    }
    var group = Scenario.Group(
      name: "group-\(number)", partitions: partitions.sorted(), members: [], initialDelayMs: delayMs)
    let sessionMs = random.pick([1_000, 2_000, 4_000])
    for index in 0..<1 + random.below(3) {
      let isStatic = random.below(3) == 0
      group.members.append(
        SimulatedGroupMember.Settings(
          number: 10 * number + index + 1, group: group.name, partitions: group.partitions,
          instanceID: isStatic ? "instance-\(index)" : nil, sessionTimeoutMs: Int32(sessionMs),
          rebalanceTimeoutMs: Int32(random.pick([1_500, 3_000])), joinVersion: random.pick([5, 7, 9]),
          isReadCommitted: random.below(2) == 0, commitEvery: 1 + random.below(4),
          restlessOneIn: random.pick([10, 40, 200]), partitionMaxBytes: Int32(random.pick([2_000, 1 << 20]))))
    }
    return group
  }

  /// Adds transactional producers, a topic that nobody else writes to, and consumers that read it.
  mutating func addTransactions(_ random: inout SplitMix) {
    useCoordinators(&random)
    configuration["transaction.abort.timed.out.transaction.cleanup.interval.ms"] = "\(200 + random.below(1_500))"
    let topic = Topic(
      name: "transactional", partitions: Int32(2 + random.below(2)),
      configuration: [
        ("segment.bytes", "\(2_000 + random.below(20_000))"), ("retention.ms", "-1"), ("min.insync.replicas", "2"),
      ],
      isSafe: true, segmentBytes: 2_000)
    topics.append(topic)
    for (number, isReadCommitted) in [true, random.below(2) == 0].enumerated() {
      var settings = Self.consumer(10 + number, [topic], &random)
      settings.isReadCommitted = isReadCommitted
      consumers.append(settings)
    }
    let targets = (0..<topic.partitions).map { index in
      SimulatedTransactionalProducer.Target(
        partition: TopicPartition(topic.name, index), keys: nil, batchBytesMax: topic.segmentBytes - 200)
    }
    for number in 0..<random.below(3) {
      transactionalProducers.append(transactionalProducer(100 + number, targets, &random))
      transactionalProducers[number].offsetsOf = random.below(3) > 0 ? TopicPartition(topics[0].name, 0) : nil
    }
    guard transactionalProducers.isEmpty || random.below(2) == 0 else { return }
    // Where somebody writes.
    let source = random.pick(producers.map(\.partition).filter { $0.topic != "loose" })
    let isAlone = random.below(3) == 0
    for number in 0..<(isAlone ? 1 : 2) {
      var copier = transactionalProducer(200 + number, targets, &random)
      copier.copies = .init(source: source, pair: 1, isSecond: number > 0)
      transactionalProducers.append(copier)
    }
  }

  private func transactionalProducer(
    _ number: Int, _ targets: [SimulatedTransactionalProducer.Target], _ random: inout SplitMix
  ) -> SimulatedTransactionalProducer.Settings {
    SimulatedTransactionalProducer.Settings(
      number: UInt32(number), targets: targets, timeoutMs: Int32(random.pick([3_000, 6_000, 15_000])),
      isVersion2: random.below(2) == 0, offsetsOf: nil, codec: random.pick([Codec.none, .lz4]),
      recordsMax: random.pick([1, 5, 20]), valueBytesMax: random.pick([20, 300]), pauseMs: random.pick([5, 50, 300]),
      interruptedOneIn: random.pick([3, 8, 30]))
  }
}
