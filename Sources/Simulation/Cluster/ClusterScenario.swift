import Base
import Compression
import Model

/// Draws from a seed what a run of a cluster does: the nodes' configuration, topics, clients, and faults with their times.
struct ClusterScenario {
  /// The number of nodes.
  static let brokers = 3

  /// `server.properties` of each node, without its id and address.
  var configuration: [String: String]
  var topics: [Topic] = []
  var producers: [ClusterProducer.Settings] = []
  var consumers: [ClusterConsumer.Settings] = []
  var groups: [Scenario.Group] = []
  var transactionalProducers: [SimulatedTransactionalProducer.Settings] = []
  /// The faults in the order of their times.
  var faults: [Fault] = []
  /// A fault that waits for its moment, in every seventh seed, which has no others.
  var ambush: Ambush?
  /// Virtual seconds before the faults end.
  var seconds: Int
  /// The most milliseconds that a node is down.
  var downMsMax: Int

  struct Topic {
    var name: String
    var partitions: Int32
    var configuration: [(name: String, value: String)]
    /// Whether no acknowledged record may be lost: all producers wait for all replicas in sync, of which there are at least two.
    var isSafe: Bool
    var segmentBytes: Int
  }

  enum Ambush: String, CaseIterable {
    /// A leader is killed, and the next one as soon as it leads.
    case nextLeader
    /// A follower is killed, and all others as soon as it is in sync again.
    case newcomer
    /// A follower loses power, and the controller is killed before it knows of that.
    case lossBehindTheController
  }

  struct Fault {
    var afterMs: Int
    var kind: Kind

    enum Kind: String, CaseIterable {
      /// The node's process is killed; what it has written stays.
      case kill
      /// The node's machine loses power, and writes that were not synced.
      case powerFailure
      /// The node stops in order.
      case stop
      /// The node comes back without what it had on disk.
      case emptyDisk
      /// Two nodes do not reach each other; or one does not reach the other.
      case cutNodes, cutNodesOneWay
      /// A node reaches neither of the others.
      case isolate
      /// A node does not reach the tree, for less or for more than its session's timeout.
      case cutTree
      /// A node's session ends.
      case expireSession
      /// As after a long pause: the session has ended, and the node hears of it late.
      case expireSilently
      /// `/controller` is deleted, as operators do: the controller does not know at once that it is none any more.
      case moveController
      /// A node reaches nobody, and a while later not the tree either.
      case cutOff
      /// The controller is replaced while it has something to write or to order.
      case strandController
      /// The tree's events come late.
      case slowTree
      /// The clients do not reach a node.
      case cutClients
      case breakConnections
      case slowDisk
      /// What one node sends to another takes long.
      case slowLink
      case clock
    }
  }

  init(seed: UInt64) {
    var random = SplitMix(seed: seed ^ 0xC1_0573)
    let lagMs = 1_000 + random.below(4_000)
    configuration = [
      "log.dirs": "/data", "num.network.threads": "1", "zookeeper.connect": "10.0.2.1:2181",
      "zookeeper.session.timeout.ms": "\(1_000 + random.below(4_000))",
      "auto.create.topics.enable": "false", "log.cleaner.enable": "false",
      "default.replication.factor": "3", "min.insync.replicas": "2", "unclean.leader.election.enable": "false",
      "replica.lag.time.max.ms": "\(lagMs)",
      "replica.fetch.wait.max.ms": "\(random.pick([50, 200, 500]))",
      "replica.fetch.backoff.ms": "\(100 + random.below(900))",
      "replica.fetch.max.bytes": "\(random.pick([1_000, 10_000, 1 << 20]))",
      "replica.socket.timeout.ms": "\(random.pick([1_000, 3_000]))",
      "controller.socket.timeout.ms": "\(random.pick([1_000, 3_000]))",
      "controlled.shutdown.max.retries": "\(random.below(4))", "controlled.shutdown.retry.backoff.ms": "200",
      "leader.imbalance.check.interval.seconds": "\(random.pick([2, 10, 300]))",
      "millrace.flush.before.ack": "\(random.below(3) == 0)",
      "millrace.read.path": random.pick(["sendfile", "copy"]),
      "log.retention.check.interval.ms": "\(500 + random.below(3_000))",
      "log.flush.offset.checkpoint.interval.ms": "\(500 + random.below(5_000))",
      "replica.high.watermark.checkpoint.interval.ms": "\(500 + random.below(5_000))",
    ]
    seconds = 8 + random.below(16)
    downMsMax = random.pick([300, 2_000, 8_000])
    for index in 0..<1 + random.below(2) { topics.append(Self.topic("t\(index)", isSafe: true, &random)) }
    if random.below(2) == 0 { topics.append(Self.topic("loose", isSafe: false, &random)) }
    for (index, topic) in topics.enumerated() {
      for number in 0..<1 + random.below(2) {
        producers.append(Self.producer(1 + 10 * index + number, topic, seconds, &random))
      }
    }
    for number in 0..<1 + random.below(2) {
      consumers.append(Self.consumer(number + 1, topics.filter(\.isSafe), &random))
    }
    addFaults(&random)
    // From generators of their own: runs without them are as they were before there were any.
    var groups = SplitMix(seed: seed ^ 0x6_4095)
    if groups.below(3) == 0 { addGroups(&groups) }
    var transactions = SplitMix(seed: seed ^ 0x7_A4C7)
    if transactions.below(3) == 0 { addTransactions(&transactions) }
    if seed % 7 == 5 {
      faults = []
      seconds += 10
      ambush = Ambush.allCases[Int(seed / 7 % UInt64(Ambush.allCases.count))]
    }
  }

  /// A run has few faults of few kinds, so that one does not hide another.
  private mutating func addFaults(_ random: inout SplitMix) {
    let all =
      Fault.Kind.allCases + [.kill, .kill, .kill, .stop, .stop, .powerFailure, .isolate, .cutTree, .strandController]
    let kinds = (0..<1 + random.below(3)).map { _ in random.pick(all) }
    for _ in 0..<random.below(10) {
      faults.append(Fault(afterMs: random.below(seconds * 1000), kind: random.pick(kinds)))
    }
    faults.sort { $0.afterMs < $1.afterMs }
  }

  private static func topic(_ name: String, isSafe: Bool, _ random: inout SplitMix) -> Topic {
    let segmentBytes = 3_000 + random.below(random.below(2) == 0 ? 8_000 : 100_000)
    return Topic(
      name: name, partitions: Int32(1 + random.below(2)),
      configuration: [
        ("segment.bytes", "\(segmentBytes)"), ("retention.ms", "-1"),
        ("min.insync.replicas", isSafe ? "2" : "1"),
      ],
      isSafe: isSafe, segmentBytes: segmentBytes)
  }

  private static func producer(
    _ number: Int, _ topic: Topic, _ seconds: Int, _ random: inout SplitMix
  ) -> ClusterProducer.Settings {
    ClusterProducer.Settings(
      number: UInt32(number), partition: TopicPartition(topic.name, Int32(random.below(Int(topic.partitions)))),
      acks: topic.isSafe ? -1 : 1, codec: random.pick([Codec.none, .lz4]),
      isIdempotent: topic.isSafe && random.below(3) > 0, inFlightMax: 1 + random.below(5),
      intervalMicroseconds: seconds * 2_000_000 / random.pick([40, 200, 500]), recordsMax: random.pick([1, 5, 20]),
      valueBytesMax: random.pick([20, 300]), batchBytesMax: topic.segmentBytes - 200)
  }

  static func consumer(
    _ number: Int, _ topics: [Topic], _ random: inout SplitMix
  ) -> ClusterConsumer.Settings {
    let topic = random.pick(topics)
    return ClusterConsumer.Settings(
      number: number, partition: TopicPartition(topic.name, Int32(random.below(Int(topic.partitions)))),
      maxWaitMs: random.pick([0, 100, 500]), partitionMaxBytes: random.pick([1, 2_000, 1 << 20]),
      rereadEvery: random.pick([5, 30, 1_000]))
  }
}
