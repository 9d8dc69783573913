import Base
import Broker
import Model
import NIOCore
import Wire

/// Simulates a consumer of one partition of a cluster, which follows the leader, and at times reads from the start again.
final class ClusterConsumer: @unchecked Sendable {
  struct Settings {
    var number: Int
    var partition: TopicPartition
    var maxWaitMs: Int32
    var partitionMaxBytes: Int32
    /// One fetch in so many is preceded by a seek to an earlier offset.
    var rereadEvery: Int
    var isReadCommitted = false
  }

  let settings: Settings
  let client: ClusterClient
  private let cluster: ClusterSimulation
  private var random: SplitMix
  private var reader: SimulatedReader
  private(set) var position: Int64 = 0
  private(set) var lastFailure = "nothing has failed"
  /// Whether the consumer has stopped seeking and reads to the end.
  var isCatchingUp = false
  /// Whether the consumer reads no more.
  var isDone = false
  /// Gets each batch, and what its producer calls it.
  var each: (RecordBatch, Ledger.BatchID?) -> Void = { _, _ in }

  init(_ settings: Settings, _ cluster: ClusterSimulation, seed: UInt64, name: String? = nil) {
    self.settings = settings
    self.cluster = cluster
    random = SplitMix(seed: seed)
    client = ClusterClient(name ?? "consumer \(settings.number)", cluster, seed: random.next())
    reader = SimulatedReader(client.name, isReadCommitted: settings.isReadCommitted)
  }

  var records: Int { reader.records }

  private var ledger: Ledger? { cluster.ledgers[settings.partition] }
  var isAtEnd: Bool { position >= ledger?.acknowledgedEnd ?? 0 }

  func start() { next() }

  private func later(_ microseconds: Int) {
    cluster.after(microseconds: microseconds) { [self] in next() }
  }

  private func next() {
    guard !cluster.isOver, !isDone else { return }
    guard let leader = client.leaders[settings.partition], leader.broker >= 0 else {
      return lookForLeader("none is known")
    }
    if !isCatchingUp, random.below(settings.rereadEvery) == 0 { position = Int64(random.below(Int(position) + 1)) }
    fetch(from: leader)
  }

  private func lookForLeader(_ why: String) {
    lastFailure = why
    cluster.after(microseconds: 10_000 + random.below(50_000)) { [self] in
      client.refresh { [self] in later(1 + random.below(1_000)) }
    }
  }

  private func fetch(from leader: ClusterClient.Leader) {
    var request = FetchRequest()
    request.maxWaitMs = settings.maxWaitMs
    request.minBytes = 1
    request.isolationLevel = settings.isReadCommitted ? 1 : 0
    request.want(settings.partition, from: position, maxBytes: isCatchingUp ? 1 << 20 : settings.partitionMaxBytes)
    request.topics[0].partitions[0].currentLeaderEpoch = leader.epoch
    let asked = position
    client.ask(request, to: leader.broker, version: 12) { [self] result in
      guard !cluster.isOver, !isDone else { return }
      guard case .success(let answer) = result else { return lookForLeader("no response from \(leader.broker)") }
      guard answer.errorCode == .none, let found = answer.responses.first?.partitions.first else {
        return cluster.violation("\(client.name): a fetch is answered with \(answer.errorCode)")
      }
      took(found, from: leader, asked: asked)
    }
  }

  private func took(_ found: FetchResponse.Partition, from leader: ClusterClient.Leader, asked: Int64) {
    if found.errorCode != .none, found.errorCode.isOfMovingLeaders {
      return lookForLeader("\(found.errorCode) from \(leader.broker)")
    }
    switch reader.take(found, of: settings.partition, from: asked, each: each, in: cluster) {
    case .next(let next):
      position = next
      cluster.trace.note("\(client.name) is at \(next), fed by \(leader.broker)")
    case .outOfRange:
      cluster.violation(
        "\(client.name): \(asked) of \(settings.partition) is out of range at \(leader.broker), the leader of epoch "
          + "\(leader.epoch)")
    case .nothing: break
    }
    later(1 + random.below(isCatchingUp ? 2_000 : 30_000))
  }
}
