import Cluster
import Logging
import Model
import NIOCore
import Synchronization
import Wire

/// Replicates the partitions that this broker follows: one `ReplicaFetcher` for each leader's broker. (Kafka: ReplicaFetcherManager.)
///
/// Any thread may call.
final class ReplicaFetchers: Sendable {
  /// What fetchers need of their broker.
  struct Surroundings: Sendable {
    let brokerID: BrokerID
    let config: Config
    let peers: any PeerRequests
    let offload: any Offload
    let flusher: Flusher
    let log: Logger
    /// The epoch of this broker's registration; -1 if unknown.
    let brokerEpoch: @Sendable () -> Int64
    /// Wall clock.
    let nowMs: @Sendable () -> Int64
    /// Called when fetched batches could not be appended for the log's files.
    let appendFailed: @Sendable (Partition, PartitionError) -> Void
  }

  private let surroundings: Surroundings
  /// The event loop of the next fetcher.
  private let nextLoop: @Sendable () -> any EventLoop
  private let state = Mutex(State())

  private struct State {
    var isStopped = false
    var fetchers: [BrokerID: ReplicaFetcher] = [:]
    /// The leader from which each partition is fetched.
    var leaders: [TopicPartition: BrokerID] = [:]
  }

  init(_ surroundings: Surroundings, nextLoop: @escaping @Sendable () -> any EventLoop) {
    self.surroundings = surroundings
    self.nextLoop = nextLoop
  }

  /// Makes the fetchers of a broker.
  convenience init(
    _ broker: LocalBroker, peers: any PeerRequests, brokerEpoch: @escaping @Sendable () -> Int64,
    nextLoop: @escaping @Sendable () -> any EventLoop
  ) {
    self.init(
      Surroundings(
        brokerID: broker.brokerID, config: broker.config, peers: peers, offload: broker.offload,
        flusher: broker.flusher, log: broker.log, brokerEpoch: brokerEpoch, nowMs: broker.nowMs,
        appendFailed: { [weak broker] partition, error in broker?.appendFailed(partition, error) }),
      nextLoop: nextLoop)
  }

  /// Fetches a partition from `leader` in a leader epoch, in which `Partition.follow` has made it a follower. A fetch from an earlier leader
  /// ends. With no leader (-1) nothing is fetched.
  func follow(_ partition: Partition, leader: BrokerID, epoch: LeaderEpoch) {
    guard leader >= 0, leader != surroundings.brokerID else { return stopFollowing(partition.name) }
    let (before, fetcher) = state.withLock { state -> (ReplicaFetcher?, ReplicaFetcher?) in
      guard !state.isStopped else { return (nil, nil) }
      let before = state.leaders.updateValue(leader, forKey: partition.name)
      let fetcher =
        state.fetchers[leader] ?? ReplicaFetcher(from: leader, on: nextLoop(), surroundings)
      state.fetchers[leader] = fetcher
      return (before.flatMap { $0 == leader ? nil : state.fetchers[$0] }, fetcher)
    }
    before?.stopFollowing(partition.name)
    fetcher?.follow(partition, epoch: epoch)
  }

  /// Fetches a partition no more: it is led here, has no leader, or is stopped. A response on its way changes nothing in it, because the
  /// partition itself refuses what is not of its leader epoch.
  func stopFollowing(_ name: TopicPartition) {
    let fetcher = state.withLock { state in state.leaders.removeValue(forKey: name).flatMap { state.fetchers[$0] } }
    fetcher?.stopFollowing(name)
  }

  /// Ends all fetches.
  func stop() {
    let fetchers = state.withLock { state in
      state.isStopped = true
      state.leaders = [:]
      defer { state.fetchers = [:] }
      return state.fetchers.sorted { $0.key < $1.key }.map(\.value)
    }
    for fetcher in fetchers { fetcher.stop() }
  }
}

/// Tells of fetched batches that could not be appended for the log's files.
final class AppendFailures: Sendable {
  private let told = Hook<@Sendable (Partition, PartitionError) -> Void>({ _, _ in })

  /// Sets the function to call with each.
  func whenOneHappens(_ body: @escaping @Sendable (Partition, PartitionError) -> Void) { told.set(body) }

  func happened(in partition: Partition, _ error: PartitionError) { told.call(partition, error) }
}

/// Sends followers' fetches over the connections to other brokers that are for fetches.
struct FetchPeers: PeerRequests {
  let peers: Peers

  func send<R: Request>(
    _ request: R, to broker: BrokerID, on loop: any EventLoop, timeoutMs: Int,
    then: @escaping @Sendable (Result<R.Answer, any Error>) -> Void
  ) {
    peers.send(request, to: broker, purpose: .fetch) { result in then(result.mapError { $0 }) }
  }
}
