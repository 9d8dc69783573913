import Base
import Compression
import Model

extension Scenario {
  /// Adds transactional producers, a topic that nobody else writes to, and consumers that read it.
  mutating func addTransactions(_ random: inout SplitMix) {
    useCoordinators(&random)
    configuration["transaction.abort.timed.out.transaction.cleanup.interval.ms"] = "\(200 + random.below(1_500))"
    if !topics.contains(where: { $0.promise.keys != nil }), random.below(2) == 0 {
      enableCleaner(&random)
      addCompactedTopic(&random)
    }
    let topic = Topic(
      name: "transactional", partitions: Int32(2 + random.below(2)),
      configuration: [("segment.bytes", "\(2_000 + random.below(20_000))"), ("retention.ms", "-1")],
      promise: Ledger.Promise(
        flushesBeforeAck: configuration["millrace.flush.before.ack"] == "true", flushMessages: .max,
        retentionBytes: nil, mayDeleteRecords: false, isLogAppendTime: false, keys: nil),
      segmentBytes: 2_000)
    topics.append(topic)
    let partitions = (0..<topic.partitions).map { TopicPartition(topic.name, $0) }
    for isReadCommitted in [true, random.below(2) == 0] {
      var settings = Self.consumer(consumers.count, partitions, &random)
      settings.isReadCommitted = isReadCommitted
      consumers.append(settings)
    }
    let targets = transactionTargets
    for _ in 0..<1 + random.below(3) {
      transactionalProducers.append(
        transactionalProducer(producers.count + transactionalProducers.count, targets, &random))
    }
  }

  /// The partitions of topics that keep what is written: the ledger does not count the bytes of markers, so retention by size could not be
  /// checked with them.
  private var transactionTargets: [SimulatedTransactionalProducer.Target] {
    topics.filter { $0.promise.retentionBytes == nil }.flatMap { topic in
      (0..<topic.partitions).map { index in
        SimulatedTransactionalProducer.Target(
          partition: TopicPartition(topic.name, index), keys: topic.promise.keys,
          batchBytesMax: topic.segmentBytes - 200)
      }
    }
  }

  private func transactionalProducer(
    _ number: Int, _ targets: [SimulatedTransactionalProducer.Target], _ random: inout SplitMix
  ) -> SimulatedTransactionalProducer.Settings {
    SimulatedTransactionalProducer.Settings(
      number: UInt32(number + 1), targets: targets, timeoutMs: Int32(random.pick([1_000, 3_000, 6_000])),
      isVersion2: random.below(2) == 0,
      offsetsOf: random.below(2) == 0 ? TopicPartition(topics[0].name, 0) : nil,
      codec: random.pick([Codec.none, .none, .lz4, .zstd]), recordsMax: random.pick([1, 5, 20]),
      valueBytesMax: random.pick([20, 300]), pauseMs: random.pick([5, 50, 300]),
      interruptedOneIn: random.pick([3, 8, 30]))
  }
}
