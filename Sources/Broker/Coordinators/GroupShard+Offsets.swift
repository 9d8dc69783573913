import Base
import Cluster
import Model

/// Committed offsets.
extension GroupShard {
  typealias Commits = [(partition: TopicPartition, commit: GroupOffsets.Commit)]

  /// The outcome of an offset commit.
  enum Committed: Equatable, Sendable {
    /// The group does not take it: the error is every partition's.
    case refused(ErrorCode)
    /// The group takes it; the outcome of the append.
    case stored(ErrorCode)
  }

  /// Who commits.
  struct Committer: Sendable {
    var membership: Group.Membership
    /// Whether the request's version has the error STALE_MEMBER_EPOCH.
    var knowsMemberEpochs = true
    /// Of a transactional commit.
    var producer: (id: Int64, epoch: Int16)?
  }

  /// A commit that is being appended.
  private struct Appending: Sendable {
    var group: String
    var commits: Commits
    var producer: (id: Int64, epoch: Int16)?
    var append: GroupOffsets.Append
    var incarnation: UInt64
  }

  /// Commits offsets; with none to commit it says whether the group would take them.
  ///
  /// - Returns: nil when `then` gets the outcome later.
  func commit(
    _ id: String, by committer: Committer, _ commits: Commits, then: @escaping @Sendable (Committed) -> Void
  ) -> Committed? {
    exclusively { state, work in
      if let error = state.error { return .refused(error) }
      if let error = admit(id, committer, &state, work) { return .refused(error) }
      defer { settle(id, &state, work) }
      guard !commits.isEmpty else { return .stored(.none) }
      let appending = begin(id, committer, commits, &state)
      #if DEBUG
      if PlantedFault.keepsCommitsInMemory.isPlanted, committer.producer == nil {
        return finish(appending, .success(.largestBase), &state)
      }
      #endif
      let records = commits.map { partition, commit in
        GroupRecord.offset(group: id, partition, commit).record(timestampMs: work.now.wallMs)
      }
      let outcome = append(records, producer: committer.producer) { [weak self] outcome in
        then(self?.committed(appending, outcome) ?? .refused(.notCoordinator))
      }
      return outcome.map { finish(appending, $0, &state) }
    }
  }

  private func admit(_ id: String, _ committer: Committer, _ state: inout State, _ work: Work) -> ErrorCode? {
    if state.groups[id] == nil {
      // A group that nobody joins keeps offsets of consumers that assign partitions themselves.
      guard committer.membership.generation < 0 || committer.producer != nil else { return .illegalGeneration }
      guard state.groups.count < Limits.groupsPerPartition else { return .coordinatorNotAvailable }
      state.groups[id] = Entry(group: Group(id, rules: environment.rules, at: work.now))
    }
    if let consumers = state.groups[id]?.consumers { return consumers.admit(committer) }
    let error = state.groups[id]?.group.admit(
      committer.membership, isTransactional: committer.producer != nil, at: work.now)
    guard let error, error != .none else { return nil }
    settle(id, &state, work)
    return error
  }

  private func begin(_ id: String, _ committer: Committer, _ commits: Commits, _ state: inout State) -> Appending {
    let producerID = committer.producer?.id
    if let producerID { state.transactions[producerID, default: []].insert(id) }
    let append = state.groups[id]?.offsets.began(commits.map { $0.partition }, producerID: producerID) ?? 0
    return Appending(
      group: id, commits: commits, producer: committer.producer, append: append, incarnation: state.incarnation)
  }

  /// The outcome of an append is known, later.
  private func committed(_ appending: Appending, _ outcome: Result<Offset, ErrorCode>) -> Committed {
    exclusively { state, work in
      guard state.incarnation == appending.incarnation, state.status == .active else {
        return .refused(.notCoordinator)
      }
      defer { settle(appending.group, &state, work) }
      return finish(appending, outcome, &state)
    }
  }

  private func finish(
    _ appending: Appending, _ outcome: Result<Offset, ErrorCode>, _ state: inout State
  ) -> Committed {
    let (id, producerID) = (appending.group, appending.producer?.id)
    switch outcome {
    case .success(let base):
      state.groups[id]?.offsets.appended(
        appending.commits, at: base, producerID: producerID, append: appending.append)
    case .failure:
      state.groups[id]?.offsets.failed(appending.commits.map { $0.partition }, producerID: producerID)
    }
    if let producerID, state.groups[id]?.offsets.hasTransaction(of: producerID) != true {
      state.transactions[producerID]?.remove(id)
      if state.transactions[producerID]?.isEmpty == true { state.transactions[producerID] = nil }
    }
    return .stored(outcome.error.committingOffsets)
  }

  /// A transaction has ended, and its marker is in the partition.
  func transactionEnded(_ producerID: Int64, commits: Bool) {
    exclusively { state, work in
      for id in state.transactions.removeValue(forKey: producerID)?.sorted() ?? [] {
        state.groups[id]?.offsets.transactionEnded(producerID, commits: commits)
        // One whose append is not replicated yet is ended by that.
        if state.groups[id]?.offsets.hasTransaction(of: producerID) == true {
          state.transactions[producerID, default: []].insert(id)
        }
        if state.status == .active { settle(id, &state, work) }
      }
    }
  }

  /// The committed offsets of a group.
  struct Fetched: Sendable {
    var error = ErrorCode.none
    var partitions: [(partition: TopicPartition, found: GroupOffsets.Fetched)] = []
  }

  /// Who reads committed offsets: a member of the new protocol says so, any other client does not.
  struct Reader: Sendable {
    var memberID: String?
    var epoch: Int32 = -1
  }

  /// - Parameter partitions: nil for all that have a committed offset.
  func fetch(_ id: String, _ partitions: [TopicPartition]?, by reader: Reader, stable: Bool) -> Fetched {
    exclusively { state, _ in
      if let error = state.error ?? state.groups[id]?.consumers?.refusal(of: reader) { return Fetched(error: error) }
      guard let offsets = state.groups[id]?.offsets else {
        return Fetched(partitions: (partitions ?? []).map { ($0, .nothing) })
      }
      return Fetched(
        partitions: (partitions ?? offsets.partitions).map { ($0, offsets.fetch($0, stable: stable)) })
    }
  }
}

extension ConsumerGroup {
  fileprivate func refusal(of reader: GroupShard.Reader) -> ErrorCode? {
    do throws(ApiError) {
      try checkFetch(memberID: reader.memberID, epoch: reader.epoch)
      return nil
    } catch { return error.code }
  }

  /// Says whether the group takes a commit; nil when it does.
  fileprivate func admit(_ committer: GroupShard.Committer) -> ErrorCode? {
    let membership = committer.membership
    // A producer may commit offsets of a group whose members it does not know.
    if committer.producer != nil, membership.memberID.isEmpty, membership.generation < 0 { return nil }
    do throws(ApiError) {
      try checkCommit(memberID: membership.memberID, epoch: membership.generation)
      return nil
    } catch {
      // The error is of version 9 of OffsetCommit; clients of the new protocol have it.
      return error.code == .staleMemberEpoch && !committer.knowsMemberEpochs ? .unsupportedVersion : error.code
    }
  }
}
