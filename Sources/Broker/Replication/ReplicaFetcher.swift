import Cluster
import Logging
import Model
import NIOCore
import Storage
import Synchronization
import Wire

/// Fetches from one broker the partitions of which it is leader and this broker follower. (Kafka: ReplicaFetcherThread.)
///
/// `FollowerFetching` decides; this sends its requests and puts the responses into the logs. It runs on one event loop; what may take long there
/// (many bytes, truncations) is done on the offload's follow lane. The next fetch is sent when a response is in the logs, so it says what
/// they have.
final class ReplicaFetcher: Sendable {
  private let leader: BrokerID
  /// Which of the fetchers from this leader it is.
  private let number: Int
  private let loop: any EventLoop
  private let around: ReplicaFetchers.Surroundings
  private let settings: Settings
  private let state: Mutex<State>

  /// The values of keys that each fetch needs.
  private struct Settings {
    let waitMsMax: Int32
    let minBytes: Int32
    let maxBytes: Int32
    let partitionMaxBytes: Int32
    let timeoutMs: Int

    init(_ config: Config) {
      waitMsMax = max(0, config.replicaFetchWaitMsMax)
      minBytes = config.replicaFetchMinBytes
      maxBytes = config.replicaFetchResponseMaxBytes
      partitionMaxBytes = config.replicaFetchMaxBytes
      timeoutMs = Int(max(1, config.replicaSocketTimeoutMs))
    }
  }

  fileprivate struct State {
    var isStopped = false
    var fetching: FollowerFetching
    var partitions: [TopicPartition: Partition] = [:]
    /// The topics of the partitions, by their ids, with the number of partitions.
    var topics: [TopicID: (name: String, count: Int)] = [:]
    var timer: Scheduled<Void>?
    /// When each partition that cannot be fetched now failed first; nil once that has been told.
    var failing: [TopicPartition: NIODeadline?] = [:]
    var isLeaderSilent = false
  }

  init(from leader: BrokerID, number: Int, on loop: any EventLoop, _ surroundings: ReplicaFetchers.Surroundings) {
    self.leader = leader
    self.number = number
    self.loop = loop
    around = surroundings
    settings = Settings(surroundings.config)
    state = Mutex(
      State(
        fetching: FollowerFetching(
          backoffMs: Limits.followerBackoffMs, backoffMsMax: Int64(surroundings.config.replicaFetchBackoffMs))))
  }

  // MARK: What is followed

  func follow(_ partition: Partition, epoch: LeaderEpoch) {
    loop.execute {
      let position: FollowerFetching.Position
      do throws(PartitionError) { position = try partition.followerPosition(in: epoch) } catch {
        return self.around.log.debug(
          "a partition is not followed", metadata: ["partition": "\(partition.name)", "why": "\(error)"])
      }
      self.state.withLock { $0.put(partition) }
      self.step(
        .follow(
          FollowerFetching.Wanted(partition.name, topicID: partition.topicID, at: position),
          isThrottled: self.around.isThrottled(partition.name)))
    }
  }

  func stopFollowing(_ name: TopicPartition) {
    loop.execute {
      self.state.withLock { $0.remove(name) }
      self.step(.stopFollowing(name))
    }
  }

  func stop() {
    let timer = state.withLock { state in
      state.isStopped = true
      state.partitions = [:]
      defer { state.timer = nil }
      return state.timer
    }
    timer?.cancel()
  }

  // MARK: Steps

  private var nowMs: Int64 { Int64(clamping: loop.now.uptimeNanoseconds / 1_000_000) }

  /// Passes an event on, and carries out what follows. Called on the event loop.
  private func step(_ event: FollowerFetching.Event) {
    let now = nowMs
    let effects = state.withLock { state -> [FollowerFetching.Effect] in
      guard !state.isStopped else { return [] }
      let isOverQuota = around.throttle?.isExceeded(nowMs: now) ?? false
      return state.fetching.step(event, nowMs: now, isOverQuota: isOverQuota)
    }
    var outOfRange: [FollowerFetching.Wanted] = []
    for case .askEnds(let wanted) in effects { outOfRange.append(wanted) }
    // Before the fetch, which may wait for records while they are behind it.
    if !outOfRange.isEmpty { recover(outOfRange) }
    for effect in effects {
      switch effect {
      case .fetch(let fetch): send(fetch)
      case .askEnds: break
      case .wake(let atMs): wake(inMs: max(1, atMs - now))
      }
    }
  }

  private func later(_ event: FollowerFetching.Event) {
    if loop.inEventLoop { step(event) } else { loop.execute { self.step(event) } }
  }

  private func wake(inMs delayMs: Int64) {
    state.withLock { state in
      state.timer?.cancel()
      guard !state.isStopped else { return }
      state.timer = loop.scheduleTask(in: .milliseconds(delayMs)) { self.step(.due) }
    }
  }

  // MARK: Fetching

  private func send(_ fetch: FollowerFetching.Fetch) {
    around.peers.send(
      request(fetch), to: leader, fetcher: number, on: loop, timeoutMs: settings.timeoutMs + Int(settings.waitMsMax)
    ) { self.received($0) }
  }

  private func request(_ fetch: FollowerFetching.Fetch) -> FetchRequest {
    var request = FetchRequest()
    request.replicaID = around.brokerID
    request.replicaState.replicaID = around.brokerID
    request.replicaState.replicaEpoch = around.brokerEpoch()
    request.maxWaitMs = settings.waitMsMax
    request.minBytes = settings.minBytes
    request.maxBytes = settings.maxBytes
    request.sessionID = fetch.sessionID
    request.sessionEpoch = fetch.sessionEpoch
    for wanted in fetch.partitions {
      if request.topics.last?.topicID != wanted.topicID || request.topics.last?.topic != wanted.name.topic {
        var topic = FetchRequest.Topic()
        topic.topic = wanted.name.topic
        topic.topicID = wanted.topicID
        request.topics.append(topic)
      }
      var partition = FetchRequest.Partition()
      partition.partition = wanted.name.partition
      partition.currentLeaderEpoch = wanted.position.leaderEpoch
      partition.fetchOffset = wanted.position.offset
      partition.lastFetchedEpoch = wanted.position.lastEpoch
      partition.logStartOffset = wanted.position.logStart
      partition.partitionMaxBytes = settings.partitionMaxBytes
      request.topics[request.topics.count - 1].partitions.append(partition)
    }
    for wanted in fetch.forgotten {
      if request.forgottenTopicsData.last?.topicID != wanted.topicID {
        var topic = FetchRequest.ForgottenTopic()
        topic.topic = wanted.name.topic
        topic.topicID = wanted.topicID
        request.forgottenTopicsData.append(topic)
      }
      request.forgottenTopicsData[request.forgottenTopicsData.count - 1].partitions.append(wanted.name.partition)
    }
    return request
  }

  /// One partition of a response, with what the leader was asked for.
  private struct Part: Sendable {
    var partition: Partition
    var wanted: FollowerFetching.Wanted
    var response: FetchResponse.Partition

    /// Whether it can be put into the log without waiting for the disk.
    var isQuick: Bool {
      response.divergingEpoch.epoch < 0 && response.logStartOffset <= wanted.position.logStart
    }
  }

  /// Takes a response, on the thread of its connection.
  private func received(_ result: Result<FetchResponse, any Error>) {
    let response: FetchResponse
    switch result {
    case .failure(let error):
      tell(isLeaderSilent: true, "\(error)")
      return later(.failed)
    case .success(let found): response = found
    }
    tell(isLeaderSilent: false, "")
    guard response.errorCode == .none else { return later(.refused(response.errorCode)) }
    let parts = parts(of: response)
    let bytes = parts.reduce(0) { $0 + $1.response.records.byteCount }
    if bytes <= Limits.followedOnLoopBytes, parts.allSatisfy(\.isQuick) {
      take(parts, sessionID: response.sessionID)
    } else {
      around.offload.submit(.follow) { self.take(parts, sessionID: response.sessionID) }
    }
  }

  private func parts(of response: FetchResponse) -> [Part] {
    state.withLock { state in
      guard !state.isStopped else { return [] }
      var parts: [Part] = []
      for topic in response.responses {
        // By id from version 13 on, else by name.
        let name = topic.topic.isEmpty ? state.topics[topic.topicID]?.name : topic.topic
        guard let name else { continue }
        for found in topic.partitions {
          let key = TopicPartition(name, found.partitionIndex)
          guard let partition = state.partitions[key], let wanted = state.fetching.asked(key),
            wanted.topicID == partition.topicID
          else { continue }
          parts.append(Part(partition: partition, wanted: wanted, response: found))
        }
      }
      return parts
    }
  }

  /// Puts a response into the logs; the next fetch is sent when what must be flushed is.
  private func take(_ parts: [Part], sessionID: Int32) {
    var answers: [FollowerFetching.Answer] = []
    answers.reserveCapacity(parts.count)
    var unflushed: [Partition] = []
    for part in parts {
      let (outcome, needsFlush) = take(part)
      var answer = FollowerFetching.Answer(part.partition.name, in: part.wanted.position.leaderEpoch, outcome)
      answer.isThrottled = isThrottled(part, outcome)
      answers.append(answer)
      if needsFlush { unflushed.append(part.partition) }
    }
    guard !unflushed.isEmpty else { return later(.answered(sessionID: sessionID, answers)) }
    let placed = answers
    around.flusher.flush(unflushed) { failures in
      let answers = placed.map {
        failures[$0.name] == nil ? $0 : FollowerFetching.Answer($0.name, in: $0.leaderEpoch, .stopped)
      }
      self.later(.answered(sessionID: sessionID, answers))
    }
  }

  /// Counts the bytes of a throttled partition, and returns whether it lags.
  private func isThrottled(_ part: Part, _ outcome: FollowerFetching.Outcome) -> Bool {
    guard let throttle = around.throttle, around.isThrottled(part.partition.name) else { return false }
    throttle.record(bytes: part.response.records.byteCount, nowMs: nowMs)
    guard case .goesOn(let position) = outcome else { return false }
    return part.response.highWatermark > position.offset
  }

  private func take(_ part: Part) -> (FollowerFetching.Outcome, needsFlush: Bool) {
    let (partition, asked, found) = (part.partition, part.wanted.position, part.response)
    switch found.errorCode {
    case .none: break
    case .offsetOutOfRange: return (.outOfRange, false)
    case .fencedLeaderEpoch:
      tell(partition, "the leader has a newer epoch than \(asked.leaderEpoch)")
      return (.stopped, false)
    default: return (failed(partition, asked, "\(found.errorCode)"), false)
    }
    do throws(PartitionError) {
      if found.divergingEpoch.epoch >= 0 {
        let point = (found.divergingEpoch.epoch, found.divergingEpoch.endOffset)
        let truncated = try partition.truncate(divergingAt: point, for: asked, nowMs: around.nowMs())
        guard let truncated else { return (failed(partition, asked, "the leader's log diverges nowhere"), false) }
        tell(partition, truncated)
        return (.goesOn(truncated.position), false)
      }
      let followed = try partition.append(
        fetched: found.records.bytes ?? ByteBuffer(), for: asked, highWatermark: found.highWatermark,
        logStart: found.logStartOffset, nowMs: around.nowMs())
      for waiter in followed.woken { waiter.wake(.satisfied) }
      if let failure = followed.failure { return (failed(partition, asked, failure), followed.needsFlush) }
      succeeded(partition)
      return (.goesOn(followed.position), followed.needsFlush)
    } catch { return (failed(partition, asked, error), false) }
  }

  // MARK: Offsets that the leader does not have

  /// What the leader says of its logs.
  private struct Ends {
    var starts: [TopicPartition: ListOffsetsResponse.Partition]?
    var ends: [TopicPartition: ListOffsetsResponse.Partition]?
  }

  /// Asks the leader where the logs of partitions begin and end, and makes the logs here such that they can be fetched.
  private func recover(_ wanted: [FollowerFetching.Wanted]) {
    let gathered = Gathered()
    askEnds(wanted, timestamp: -1) { found in
      self.recover(
        wanted,
        gathered.ends.withLock { ends in
          ends.ends = found
          return ends
        })
    }
    askEnds(wanted, timestamp: -2) { found in
      self.recover(
        wanted,
        gathered.ends.withLock { ends in
          ends.starts = found
          return ends
        })
    }
  }

  private final class Gathered: Sendable { let ends = Mutex(Ends()) }

  private func recover(_ wanted: [FollowerFetching.Wanted], _ ends: Ends) {
    guard let starts = ends.starts, let ends = ends.ends else { return }
    around.offload.submit(.follow) {
      let answers = wanted.map { wanted in
        FollowerFetching.Answer(
          wanted.name, in: wanted.position.leaderEpoch,
          self.recover(wanted, start: starts[wanted.name], end: ends[wanted.name]))
      }
      self.loop.execute { for answer in answers { self.step(.recovered(answer)) } }
    }
  }

  private func recover(
    _ wanted: FollowerFetching.Wanted, start: ListOffsetsResponse.Partition?, end: ListOffsetsResponse.Partition?
  ) -> FollowerFetching.Outcome {
    guard let partition = state.withLock({ $0.partitions[wanted.name] }) else { return .stopped }
    guard let start, let end, start.errorCode == .none, end.errorCode == .none,
      let leaderStart = Offset(stored: start.offset.rawValue), let leaderEnd = Offset(stored: end.offset.rawValue)
    else {
      let code = start?.errorCode ?? end?.errorCode
      return failed(partition, wanted.position, "the leader does not say where its log begins (\(code ?? .none))")
    }
    do throws(PartitionError) {
      let truncated = try partition.recover(
        leaderStart: leaderStart, leaderEnd: leaderEnd, for: wanted.position, nowMs: around.nowMs())
      tell(partition, truncated)
      return .goesOn(truncated.position)
    } catch { return failed(partition, wanted.position, error) }
  }

  /// - Parameter then: receives what the leader says of each partition; nothing when there is no response.
  private func askEnds(
    _ wanted: [FollowerFetching.Wanted], timestamp: Int64,
    then: @escaping @Sendable ([TopicPartition: ListOffsetsResponse.Partition]) -> Void
  ) {
    var request = ListOffsetsRequest()
    request.replicaID = around.brokerID
    for wanted in wanted {
      if request.topics.last?.name != wanted.name.topic {
        var topic = ListOffsetsRequest.Topic()
        topic.name = wanted.name.topic
        request.topics.append(topic)
      }
      var partition = ListOffsetsRequest.Partition()
      partition.partitionIndex = wanted.name.partition
      partition.currentLeaderEpoch = wanted.position.leaderEpoch
      partition.timestamp = timestamp
      request.topics[request.topics.count - 1].partitions.append(partition)
    }
    around.peers.send(request, to: leader, fetcher: number, on: loop, timeoutMs: settings.timeoutMs) { result in
      var found: [TopicPartition: ListOffsetsResponse.Partition] = [:]
      for topic in (try? result.get().topics) ?? [] {
        for partition in topic.partitions { found[TopicPartition(topic.name, partition.partitionIndex)] = partition }
      }
      then(found)
    }
  }

  // MARK: Failures

  /// Says what a failure of the local log means.
  private func failed(
    _ partition: Partition, _ asked: FollowerFetching.Position, _ error: PartitionError
  ) -> FollowerFetching.Outcome {
    switch error {
    case .fencedLeaderEpoch, .notLeader, .deleted, .offline: return .stopped
    case .append(.offline):
      around.appendFailed(partition, error)
      return .stopped
    case .append(.diskFailed(let cause)):
      around.appendFailed(partition, error)
      guard cause.mayPass else { return .stopped }
    default: break
    }
    return failed(partition, asked, "\(error)")
  }

  /// Has the partition fetched again after a while, from where its log ends now.
  private func failed(
    _ partition: Partition, _ asked: FollowerFetching.Position, _ why: String
  ) -> FollowerFetching.Outcome {
    tell(partition, why)
    guard let position = try? partition.followerPosition(in: asked.leaderEpoch) else { return .stopped }
    return .failed(position)
  }

  private func tell(_ partition: Partition, _ why: String) {
    // For a while after an election, follower and leader have not both heard of it.
    let now = loop.now
    let isTold = state.withLock { state -> Bool in
      guard let first = state.failing[partition.name] else {
        state.failing[partition.name] = .some(now)
        return false
      }
      guard let first, now - first >= .milliseconds(Limits.followerPatienceMs) else { return false }
      state.failing[partition.name] = .some(nil)
      return true
    }
    guard isTold else { return }
    around.log.warning(
      "a partition cannot be fetched from its leader, and is tried again",
      metadata: ["partition": "\(partition.name)", "leader": "\(leader)", "why": "\(why)"])
  }

  private func succeeded(_ partition: Partition) {
    state.withLock { if !$0.failing.isEmpty { $0.failing[partition.name] = nil } }
  }

  private func tell(isLeaderSilent: Bool, _ why: String) {
    let hasChanged = state.withLock { state in
      defer { state.isLeaderSilent = isLeaderSilent }
      return state.isLeaderSilent != isLeaderSilent && !state.isStopped
    }
    guard hasChanged else { return }
    if isLeaderSilent {
      around.log.warning("a broker cannot be fetched from", metadata: ["broker": "\(leader)", "error": "\(why)"])
    } else {
      around.log.info("a broker can be fetched from again", metadata: ["broker": "\(leader)"])
    }
  }

  private func tell(_ partition: Partition, _ truncated: Partition.Truncated) {
    let metadata: Logger.Metadata = [
      "partition": "\(partition.name)", "leader": "\(leader)", "from": "\(truncated.before)",
      "to": "\(truncated.position.offset)",
    ]
    if truncated.isBelowMark {
      around.log.warning("records that were acknowledged are not the leader's, and are gone", metadata: metadata)
    } else {
      around.log.info("the log of a follower is truncated to what the leader has", metadata: metadata)
    }
  }
}

extension ReplicaFetcher.State {
  fileprivate mutating func put(_ partition: Partition) {
    remove(partition.name)
    partitions[partition.name] = partition
    topics[partition.topicID, default: (partition.name.topic, 0)].count += 1
  }

  fileprivate mutating func remove(_ name: TopicPartition) {
    failing[name] = nil
    guard let gone = partitions.removeValue(forKey: name) else { return }
    topics[gone.topicID]?.count -= 1
    if topics[gone.topicID]?.count == 0 { topics[gone.topicID] = nil }
  }
}
