import Cluster
import Logging
import Model
import NIOCore
import Synchronization
import Wire

/// Replicates the partitions that this broker follows: `num.replica.fetchers` `ReplicaFetcher`s for each leader's broker, over which its
/// partitions are spread by their names. (Kafka: ReplicaFetcherManager.)
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
    /// `num.replica.fetchers`
    var fetcherCount: @Sendable () -> Int = { 1 }
    /// The rate of throttled partitions; nil for none.
    var throttle: ReplicationThrottle?
    /// Whether a partition's following is throttled.
    var isThrottled: @Sendable (TopicPartition) -> Bool = { _ in false }
    /// Called when fetched batches could not be appended for the log's files.
    let appendFailed: @Sendable (Partition, PartitionError) -> Void
  }

  private let surroundings: Surroundings
  /// The event loop of the next fetcher.
  private let nextLoop: @Sendable () -> any EventLoop
  private let state = Mutex(State())

  private struct State {
    var isStopped = false
    var fetchers: [Place: ReplicaFetcher] = [:]
    /// From where each partition is fetched.
    var followed: [TopicPartition: Followed] = [:]
  }

  /// A fetcher's leader, and its number among the fetchers from there.
  private struct Place: Hashable {
    var leader: BrokerID
    var number: Int

    static func precedes(_ one: Place, _ other: Place) -> Bool {
      (one.leader, one.number) < (other.leader, other.number)
    }
  }

  private struct Followed {
    var place: Place
    var partition: Partition
    var epoch: LeaderEpoch
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
    let number = Self.number(of: partition.name, among: surroundings.fetcherCount())
    follow(Followed(place: Place(leader: leader, number: number), partition: partition, epoch: epoch))
  }

  private func follow(_ followed: Followed) {
    let (before, fetcher) = state.withLock { state -> (ReplicaFetcher?, ReplicaFetcher?) in
      guard !state.isStopped else { return (nil, nil) }
      let place = followed.place
      let before = state.followed.updateValue(followed, forKey: followed.partition.name)?.place
      let fetcher =
        state.fetchers[place] ?? ReplicaFetcher(from: place.leader, number: place.number, on: nextLoop(), surroundings)
      state.fetchers[place] = fetcher
      return (before.flatMap { $0 == place ? nil : state.fetchers[$0] }, fetcher)
    }
    before?.stopFollowing(followed.partition.name)
    fetcher?.follow(followed.partition, epoch: followed.epoch)
  }

  /// Fetches a partition no more: it is led here, has no leader, or is stopped. A response on its way changes nothing in it, because the
  /// partition itself refuses what is not of its leader epoch.
  func stopFollowing(_ name: TopicPartition) {
    let fetcher = state.withLock { state in
      state.followed.removeValue(forKey: name).flatMap { state.fetchers[$0.place] }
    }
    fetcher?.stopFollowing(name)
  }

  /// Spreads the partitions anew, after a change of `num.replica.fetchers`. A response on its way to an earlier fetcher changes nothing that
  /// another one has changed meanwhile, because it is to a log end that has passed.
  func resize() {
    let count = surroundings.fetcherCount()
    let moved = state.withLock { state in
      state.followed.values.compactMap { followed -> Followed? in
        var moved = followed
        moved.place.number = Self.number(of: followed.partition.name, among: count)
        return moved.place == followed.place ? nil : moved
      }
    }
    for followed in moved.sorted(by: { $0.partition.name < $1.partition.name }) { follow(followed) }
  }

  /// Returns which of several fetchers from one leader fetches a partition, as Kafka spreads them.
  static func number(of name: TopicPartition, among count: Int) -> Int {
    let hash = KeyHash.java(name.topic) &* 31 &+ name.partition
    return (hash == .min ? 0 : Int(abs(hash))) % max(1, count)
  }

  /// Ends all fetches.
  func stop() {
    let fetchers = state.withLock { state in
      state.isStopped = true
      state.followed = [:]
      defer { state.fetchers = [:] }
      return state.fetchers.sorted { Place.precedes($0.key, $1.key) }.map(\.value)
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

/// Sends followers' fetches over the connections to other brokers that are for fetches. Each lives on the event loop of its fetcher, so what is
/// fetched wakes no other thread.
struct FetchPeers: PeerRequests {
  let peers: Peers

  func send<R: Request>(
    _ request: R, to broker: BrokerID, fetcher: Int, on loop: any EventLoop, timeoutMs: Int,
    then: @escaping @Sendable (Result<R.Answer, any Error>) -> Void
  ) {
    peers.send(request, to: broker, purpose: .fetch(fetcher), on: loop) { result in then(result.mapError { $0 }) }
  }
}
