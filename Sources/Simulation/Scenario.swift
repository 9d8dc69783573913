import Base
import Compression
import Model

/// Draws from a seed what a run does: the node's configuration, topics, clients, and faults with their times.
struct Scenario {
  /// `server.properties` of the node.
  var configuration: [String: String]
  var topics: [Topic] = []
  var producers: [SimulatedProducer.Settings] = []
  var consumers: [SimulatedConsumer.Settings] = []
  var groups: [Group] = []
  var transactionalProducers: [SimulatedTransactionalProducer.Settings] = []
  var hasAdmin: Bool
  /// How many try to get in who do not belong. Where there are any, everybody has to log in.
  var strangers = 0
  /// The faults in the order of their times.
  var faults: [Fault] = []
  /// Virtual seconds before the world heals.
  var seconds: Int

  struct Topic {
    var name: String
    var partitions: Int32
    var configuration: [(name: String, value: String)]
    var promise: Ledger.Promise
    var segmentBytes: Int
  }

  struct Fault {
    var afterMs: Int
    var kind: Kind

    enum Kind: String, CaseIterable {
      case stop, kill, powerFailure
      case breakConnection, breakAllConnections
      case failWrite, failSync, fullDisk, slowDisk, coldCache
      case clockForward, clockBack
      case slowNetwork
    }
  }

  init(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let flushesBeforeAck = random.below(2) == 0
    let flushMessages: Int64 = random.below(4) == 0 ? Int64(1 + random.below(20)) : .max
    configuration = [
      "broker.id": "1", "listeners": "PLAINTEXT://10.0.0.1:9092", "log.dirs": "/data", "num.network.threads": "1",
      "auto.create.topics.enable": "false",
      "millrace.flush.before.ack": "\(flushesBeforeAck)",
      "millrace.read.path": random.pick(["sendfile", "copy"]),
      "millrace.requests.in.flight": "\(1 + random.below(8))",
      "log.retention.check.interval.ms": "\(500 + random.below(3_000))",
      "log.flush.offset.checkpoint.interval.ms": "\(500 + random.below(5_000))",
      "log.flush.start.offset.checkpoint.interval.ms": "\(500 + random.below(5_000))",
      "replica.high.watermark.checkpoint.interval.ms": "\(500 + random.below(5_000))",
      "log.segment.delete.delay.ms": "\(random.below(2) == 0 ? 0 : 2_000)",
    ]
    // Buffers are small, so that requests exceed one and have to wait for memory.
    if random.below(2) == 0 { configuration["millrace.receive.buffer.bytes"] = "\(4_096 + random.below(20_000))" }
    if random.below(3) == 0 { configuration["queued.max.request.bytes"] = "\(20_000 + random.below(200_000))" }
    if flushMessages < .max { configuration["log.flush.interval.messages"] = "\(flushMessages)" }
    hasAdmin = random.below(3) > 0
    seconds = 5 + random.below(20)
    for index in 0..<1 + random.below(3) {
      topics.append(
        Self.topic(index, flushesBeforeAck: flushesBeforeAck, flushMessages: flushMessages, random: &random))
    }
    let partitions = topics.flatMap { topic in
      (0..<topic.partitions).map { TopicPartition(topic.name, $0) }
    }
    for number in 0..<1 + random.below(4) { producers.append(Self.producer(number, topics, seconds, &random)) }
    for number in 0..<1 + random.below(4) { consumers.append(Self.consumer(number, partitions, &random)) }
    // A run has few faults of few kinds, so that one does not hide another.
    let kinds = (0..<1 + random.below(4)).map { _ in random.pick(Fault.Kind.allCases) }
    for _ in 0..<random.below(8) {
      faults.append(Fault(afterMs: random.below(seconds * 1000), kind: random.pick(kinds)))
    }
    faults.sort { $0.afterMs < $1.afterMs }
    // From a generator of its own: runs without a compacted topic are as they were before there were any.
    var compaction = SplitMix(seed: seed ^ 0xC0_4DB1)
    if compaction.below(3) == 0 {
      enableCleaner(&compaction)
      addCompactedTopic(&compaction)
    } else {
      configuration["log.cleaner.enable"] = "false"
    }
    // Likewise.
    var groups = SplitMix(seed: seed ^ 0x6_4095)
    if groups.below(3) == 0 { addGroups(&groups) }
    var transactions = SplitMix(seed: seed ^ 0x7_A4C7)
    if transactions.below(3) == 0 { addTransactions(&transactions) }
    var security = SplitMix(seed: seed ^ 0x5_EC07)
    if security.below(4) == 0 { addSecurity(&security) }
  }

  /// Has the cleaner look often, with little memory.
  mutating func enableCleaner(_ random: inout SplitMix) {
    configuration["log.cleaner.enable"] = nil
    configuration["log.cleaner.backoff.ms"] = "\(50 + random.below(1_500))"
    configuration["log.cleaner.threads"] = "\(1 + random.below(2))"
    configuration["log.cleaner.io.buffer.size"] = "\(random.pick([1_024, 8_192, 65_536]))"
    // At times too little for all keys, though enough for those of one batch, so that a cleaning is done in parts.
    configuration["log.cleaner.dedupe.buffer.size"] = "\(random.pick([2_400, 4_800, 1 << 20]))"
    if random.below(3) == 0 {
      configuration["log.cleaner.io.max.bytes.per.second"] = "\(20_000 + random.below(200_000))"
    }
  }

  /// Adds a topic that is compacted, with clients of its own.
  mutating func addCompactedTopic(_ random: inout SplitMix) {
    let topic = Self.compactedTopic(configuration, &random)
    topics.append(topic)
    let partitions = (0..<topic.partitions).map { TopicPartition(topic.name, $0) }
    for _ in 0..<1 + random.below(2) {
      producers.append(Self.producer(producers.count, [topic], seconds, &random))
    }
    consumers.append(Self.consumer(consumers.count, partitions, &random))
  }

  private static func compactedTopic(_ broker: [String: String], _ random: inout SplitMix) -> Topic {
    let segmentBytes = 2_000 + random.below(random.below(2) == 0 ? 2_000 : 10_000)
    let keys = random.pick([3, 20, 200])
    // DeleteRecords wants a topic whose policy has `delete` too.
    let mayDelete = random.below(4) == 0
    return Topic(
      name: "compacted", partitions: Int32(1 + random.below(2)),
      configuration: [
        ("cleanup.policy", mayDelete ? "compact,delete" : "compact"), ("retention.ms", "-1"),
        ("segment.bytes", "\(segmentBytes)"),
        ("min.cleanable.dirty.ratio", random.pick(["0.01", "0.3"])),
        ("index.interval.bytes", "\(random.below(3) == 0 ? 0 : random.below(2_000))"),
        // No run is so long, whatever a fault does to the clock: a tombstone that is gone was removed too early.
        ("delete.retention.ms", "864000000"),
      ],
      promise: Ledger.Promise(
        flushesBeforeAck: broker["millrace.flush.before.ack"] == "true",
        flushMessages: broker["log.flush.interval.messages"].flatMap { Int64($0) } ?? .max, retentionBytes: nil,
        mayDeleteRecords: mayDelete, isLogAppendTime: false, keys: keys),
      segmentBytes: segmentBytes)
  }

  private static func topic(
    _ index: Int, flushesBeforeAck: Bool, flushMessages: Int64, random: inout SplitMix
  ) -> Topic {
    let segmentBytes = 2_000 + random.below(random.below(2) == 0 ? 8_000 : 100_000)
    var configuration: [(name: String, value: String)] = [
      ("segment.bytes", "\(segmentBytes)"),
      ("index.interval.bytes", "\(random.below(3) == 0 ? 0 : random.below(2_000))"),
      ("retention.ms", "-1"),
    ]
    var promise = Ledger.Promise(
      flushesBeforeAck: flushesBeforeAck, flushMessages: flushMessages, retentionBytes: nil, mayDeleteRecords: false,
      isLogAppendTime: random.below(4) == 0, keys: nil)
    if promise.isLogAppendTime { configuration.append(("message.timestamp.type", "LogAppendTime")) }
    switch random.below(3) {
    case 0:
      promise.retentionBytes = Int64(4_000 + random.below(40_000))
      configuration.append(("retention.bytes", "\(promise.retentionBytes ?? 0)"))
    case 1: promise.mayDeleteRecords = true
    default: break
    }
    return Topic(
      name: "t\(index)", partitions: Int32(1 + random.below(3)), configuration: configuration, promise: promise,
      segmentBytes: segmentBytes)
  }

  private static func producer(
    _ number: Int, _ topics: [Topic], _ seconds: Int, _ random: inout SplitMix
  ) -> SimulatedProducer.Settings {
    let topic = random.pick(topics)
    let partition = TopicPartition(topic.name, Int32(random.below(Int(topic.partitions))))
    let isIdempotent = random.below(2) == 0
    return SimulatedProducer.Settings(
      number: UInt32(number + 1), partition: partition,
      acks: isIdempotent ? -1 : random.pick([-1, 1, 1, 0]),
      codec: random.pick([Codec.none, .none, .gzip, .snappy, .lz4, .zstd]), isIdempotent: isIdempotent,
      inFlightMax: 1 + random.below(5), intervalMicroseconds: seconds * 2_000_000 / random.pick([20, 100, 400]),
      recordsMax: random.pick([1, 5, 30]), valueBytesMax: random.pick([20, 300, 1_500]),
      batchBytesMax: topic.segmentBytes - 200, version: random.pick([8, 9, 11]), keys: topic.promise.keys)
  }

  static func consumer(
    _ number: Int, _ partitions: [TopicPartition], _ random: inout SplitMix
  ) -> SimulatedConsumer.Settings {
    let first = random.below(partitions.count)
    let count = 1 + random.below(3)
    return SimulatedConsumer.Settings(
      number: number + 1, partitions: Array(partitions[first..<min(first + count, partitions.count)]),
      minBytes: random.pick([0, 1, 1, 1, 500, 5_000]), maxWaitMs: random.pick([0, 200, 1_000, 8_000, 20_000]),
      maxBytes: random.pick([1, 5_000, 1 << 20]), partitionMaxBytes: random.pick([1, 2_000, 1 << 20]),
      version: random.pick([10, 11, 12]), isReadCommitted: random.below(4) == 0,
      seekEvery: random.pick([3, 20, 1_000]),
      isSlow: random.below(3) == 0)
  }
}
