package import Model

/// The committed offsets of a group, and those that transactions will commit (Kafka: the offsets of GroupMetadata). A value without
/// I/O: its owner appends the records.
///
/// A commit counts once its record is replicated; of two commits of a partition the one whose record comes later in the log counts,
/// whichever was replicated or, in a transaction, committed last. So a committed offset does not go back, and a coordinator that reads
/// the log finds the same offsets:
///
///     record 10: t-0 at 100, of transaction 7      pending
///     record 11: t-0 at 120                        committed: 120
///     marker: transaction 7 commits                committed: 120, for record 10 is older
package struct GroupOffsets: Sendable {
  package struct Commit: Equatable, Sendable {
    package var offset: Offset
    /// -1 when the client does not say.
    package var leaderEpoch: LeaderEpoch
    package var metadata: String
    /// When the client committed, in milliseconds since 1970.
    package var timestampMs: Int64
    /// When the offset expires, if the client has said so (OffsetCommit versions 2 to 4); else the broker decides.
    package var expiryMs: Int64?

    package init(
      offset: Offset, leaderEpoch: LeaderEpoch = -1, metadata: String = "", timestampMs: Int64, expiryMs: Int64? = nil
    ) {
      self.offset = offset
      self.leaderEpoch = leaderEpoch
      self.metadata = metadata
      self.timestampMs = timestampMs
      self.expiryMs = expiryMs
    }
  }

  /// What OffsetFetch returns of a partition.
  package enum Fetched: Equatable, Sendable {
    case committed(Commit)
    /// Nothing is committed, which is no error.
    case nothing
    /// A transaction that commits the offset has not ended, and the client wants to wait for it.
    case unstable
  }

  /// Which offsets expire.
  package enum Expiry: Equatable, Sendable {
    case never
    /// All, when the group has been without members for the retention time: since this time, or each offset since its commit when that
    /// is not known.
    case afterEmptied(ms: Int64?)
    /// Each, the retention time after its commit; not those of these topics.
    case afterCommit(except: Set<String>)
  }

  /// A commit with the offset of its record in the log.
  private struct Placed {
    var commit: Commit
    var record: Offset
  }

  /// The appends of a transaction that are not replicated yet, and how it ended meanwhile.
  private struct Underway {
    var appends = 0
    var commits: Bool?
  }

  private var committed: [TopicPartition: Placed] = [:]
  /// How many commits of a partition are appended and not replicated yet.
  private var appending: [TopicPartition: Int] = [:]
  private var appends: Append = 0
  /// The last append before the offset of a partition was removed: the tombstone comes later in the log than its record.
  private var removedAfter: [TopicPartition: Append] = [:]
  /// What transactions will commit, by the producer's id.
  private var transactions: [Int64: [TopicPartition: Placed]] = [:]
  private var underway: [Int64: Underway] = [:]

  package init() {}

  // MARK: Commits

  /// Identifies an append whose outcome is not known at once. Rises.
  package typealias Append = UInt64

  /// The records of commits are being appended; `appended` or `failed` follows. Not needed when the outcome is known at once.
  ///
  /// - Parameter producerID: of the transaction, if the commit belongs to one.
  package mutating func began(_ partitions: some Sequence<TopicPartition>, producerID: Int64? = nil) -> Append {
    for partition in partitions { appending[partition, default: 0] += 1 }
    if let producerID { underway[producerID, default: Underway()].appends += 1 }
    appends += 1
    return appends
  }

  /// The records of commits are replicated.
  ///
  /// - Parameters:
  ///   - base: the offset of the first record; the others follow.
  ///   - append: what `began` returned, if it was called.
  package mutating func appended(
    _ commits: [(partition: TopicPartition, commit: Commit)], at base: Offset, producerID: Int64? = nil,
    append: Append? = nil
  ) {
    let removed = removedAfter
    let end = append == nil ? nil : ended(commits.map { $0.partition }, producerID)
    for (index, (partition, commit)) in commits.enumerated() {
      if let append, append <= removed[partition, default: 0] { continue }
      let placed = Placed(commit: commit, record: base + index)
      guard let producerID else {
        take(placed, for: partition)
        continue
      }
      switch end {
      case nil: transactions[producerID, default: [:]][partition] = placed
      case true?: take(placed, for: partition)
      case false?: break
      }
    }
  }

  /// The records of commits that `began` are not in the log.
  package mutating func failed(_ partitions: some Sequence<TopicPartition>, producerID: Int64? = nil) {
    _ = ended(partitions, producerID)
  }

  /// An append has ended. Returns how its transaction ended meanwhile; nil when it has not.
  private mutating func ended(_ partitions: some Sequence<TopicPartition>, _ producerID: Int64?) -> Bool? {
    for partition in partitions {
      let count = appending[partition, default: 0] - 1
      appending[partition] = count > 0 ? count : nil
      if count <= 0 { removedAfter[partition] = nil }
    }
    guard let producerID, var left = underway[producerID] else { return nil }
    left.appends -= 1
    underway[producerID] = left.appends > 0 ? left : nil
    return left.commits
  }

  private mutating func take(_ placed: Placed, for partition: TopicPartition) {
    if let known = committed[partition], known.record > placed.record { return }
    committed[partition] = placed
  }

  // MARK: Transactions

  /// A transaction has ended: its marker is in the log.
  package mutating func transactionEnded(_ producerID: Int64, commits: Bool) {
    if underway[producerID] != nil { underway[producerID]?.commits = commits }
    guard let pending = transactions.removeValue(forKey: producerID), commits else { return }
    for (partition, placed) in pending { take(placed, for: partition) }
  }

  /// The producers whose transactions will commit offsets, in the order of their ids.
  package var openTransactions: [Int64] { transactions.keys.sorted() }

  package func hasTransaction(of producerID: Int64) -> Bool {
    transactions[producerID] != nil || underway[producerID] != nil
  }

  // MARK: The log

  /// Takes in a record that was read from the log.
  package mutating func replay(
    _ commit: Commit?, of partition: TopicPartition, at record: Offset, producerID: Int64? = nil
  ) {
    let placed = commit.map { Placed(commit: $0, record: record) }
    if let producerID {
      transactions[producerID, default: [:]][partition] = placed
      if transactions[producerID]?.isEmpty == true { transactions[producerID] = nil }
    } else {
      committed[partition] = placed
    }
  }

  // MARK: What there is

  /// No offset is committed, or will be.
  package var isEmpty: Bool { committed.isEmpty && appending.isEmpty && transactions.isEmpty && underway.isEmpty }
  package var count: Int { committed.count }
  /// Every committed offset, unordered.
  package var all: [(partition: TopicPartition, commit: Commit)] { committed.map { ($0.key, $0.value.commit) } }
  /// The partitions with committed offsets, in order.
  package var partitions: [TopicPartition] { committed.keys.sorted() }

  /// Returns what is committed for a partition.
  ///
  /// - Parameter stable: an offset that a transaction is about to change is not told.
  package func fetch(_ partition: TopicPartition, stable: Bool) -> Fetched {
    if stable, isPending(partition) { return .unstable }
    return committed[partition].map { .committed($0.commit) } ?? .nothing
  }

  private func isPending(_ partition: TopicPartition) -> Bool {
    appending[partition] != nil || transactions.values.contains { $0[partition] != nil }
  }

  // MARK: Removal

  /// Forgets committed offsets, and what transactions would commit for these partitions.
  ///
  /// - Returns: those that were committed, in order: each needs a tombstone.
  package mutating func remove(where isGone: (TopicPartition) -> Bool) -> [TopicPartition] {
    for producerID in openTransactions {
      transactions[producerID] = transactions[producerID]?.filter { !isGone($0.key) }
      if transactions[producerID]?.isEmpty == true { transactions[producerID] = nil }
    }
    for partition in appending.keys where isGone(partition) { removedAfter[partition] = appends }
    let gone = committed.keys.filter(isGone).sorted()
    for partition in gone { committed[partition] = nil }
    return gone
  }

  /// Forgets offsets that have expired; one that is being committed stays.
  ///
  /// - Parameters:
  ///   - now: in milliseconds since 1970.
  ///   - retentionMs: offsets.retention.minutes.
  /// - Returns: the partitions, in order: each needs a tombstone.
  package mutating func expire(_ expiry: Expiry, now: Int64, retentionMs: Int64) -> [TopicPartition] {
    let gone = committed.filter { partition, placed in
      appending[partition] == nil && Self.isExpired(placed.commit, of: partition.topic, expiry, now, retentionMs)
    }.keys.sorted()
    for partition in gone { committed[partition] = nil }
    return gone
  }

  private static func isExpired(
    _ commit: Commit, of topic: String, _ expiry: Expiry, _ now: Int64, _ retentionMs: Int64
  ) -> Bool {
    let since: Int64
    switch expiry {
    case .never: return false
    case .afterEmptied(let ms): since = ms ?? commit.timestampMs
    case .afterCommit(let except):
      if except.contains(topic) { return false }
      since = commit.timestampMs
    }
    if let expiryMs = commit.expiryMs { return now >= expiryMs }
    // Timestamps come from clients and files: the difference may not fit.
    return now.subtractingClamped(since) >= retentionMs
  }
}
