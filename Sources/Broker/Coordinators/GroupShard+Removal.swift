import Cluster
import Model
import NIOCore

/// Offsets and groups that are deleted or expire. Each leaves a tombstone, so that a coordinator that reads the log does not find it
/// again.
extension GroupShard {
  /// Deletes a group without members, and its offsets.
  func delete(_ id: String) -> ErrorCode {
    exclusively { state, work in
      if let error = state.error { return error }
      guard let entry = state.groups[id] else { return .groupIdNotFound }
      guard entry.deletionError == .none else { return entry.deletionError }
      let error = bury(id, entry.offsets.partitions, ending: entry, work)
      if error == .none { state.groups[id] = nil }
      return error
    }
  }

  /// The outcome of the deletion of offsets: an error of the whole, or those of the partitions.
  struct Deleted: Sendable {
    var error = ErrorCode.none
    var partitions: [ErrorCode] = []
  }

  func deleteOffsets(_ id: String, _ partitions: [TopicPartition]) -> Deleted {
    exclusively { state, work in
      if let error = state.error { return Deleted(error: error) }
      guard let entry = state.groups[id] else { return Deleted(error: .groupIdNotFound) }
      guard entry.group.offsetDeletionError == .none else { return Deleted(error: entry.group.offsetDeletionError) }
      let free = Set(partitions.filter { !entry.isSubscribed(to: $0.topic) })
      let error = remove(id, &state, work) { free.contains($0) }
      return Deleted(partitions: partitions.map { free.contains($0) ? error : .groupSubscribedToTopic })
    }
  }

  /// Removes the offsets of topics that have been deleted.
  func forget(topics: Set<String>) {
    exclusively { state, work in
      guard state.status == .active else { return }
      for id in state.groups.keys.sorted() { _ = remove(id, &state, work) { topics.contains($0.topic) } }
    }
  }

  /// Removes expired offsets, and groups that have neither members nor offsets any more.
  func expire() {
    exclusively { state, work in
      guard state.status == .active else { return }
      for id in state.groups.keys.sorted() { expire(id, &state, work) }
    }
  }

  private func expire(_ id: String, _ state: inout State, _ work: Work) {
    guard var entry = state.groups[id] else { return }
    let expired = entry.offsets.expire(
      entry.offsetExpiry, now: work.now.wallMs, retentionMs: environment.offsetRetentionMs)
    let isGone = entry.isGone
    guard !expired.isEmpty || isGone else { return }
    // With an error everything stays for the next time.
    guard bury(id, expired, ending: isGone ? entry : nil, work) == .none else { return }
    state.groups[id] = isGone ? nil : entry
  }

  /// Removes committed offsets of a group, and the group if nothing else is left of it.
  private func remove(
    _ id: String, _ state: inout State, _ work: Work, where isGone: (TopicPartition) -> Bool
  ) -> ErrorCode {
    guard var entry = state.groups[id] else { return .none }
    let removed = entry.offsets.remove(where: isGone)
    let endsGroup = !removed.isEmpty && entry.isGone
    let error = bury(id, removed, ending: endsGroup ? entry : nil, work)
    if error == .none { state.groups[id] = endsGroup ? nil : entry }
    return error
  }

  /// Appends tombstones, in batches that fit: a group can have more offsets than a batch has room.
  ///
  /// - Parameter entry: the group, when nothing is left of it; nil when it stays.
  private func bury(_ id: String, _ partitions: [TopicPartition], ending entry: Entry?, _ work: Work) -> ErrorCode {
    var dead = partitions.map { GroupRecord.offset(group: id, $0, nil).record(timestampMs: work.now.wallMs) }
    if let entry, entry.group.generation > 0 {
      dead.append(GroupRecord.group(id, nil).record(timestampMs: work.now.wallMs))
    }
    if entry?.consumers != nil { dead += tombstones(of: id, work) }
    var batch: [CoordinatorRecord] = []
    var bytes = 0
    for (index, record) in dead.enumerated() {
      batch.append(record)
      bytes += record.key.readableBytes
      guard bytes >= Limits.tombstoneBatchBytes || index == dead.count - 1 else { continue }
      // Not waited for: what is not replicated yet is removed again by the next coordinator.
      let outcome = append(batch) { _ in }
      if let outcome, outcome.error != .none { return outcome.error.committingOffsets }
      (batch, bytes) = ([], 0)
    }
    return .none
  }
}

extension GroupShard.Entry {
  /// Nothing is left of the group but its last record.
  var isGone: Bool {
    group.isEmpty && consumers?.members.isEmpty ?? true && offsets.isEmpty && group.pendingMemberCount == 0
  }

  /// The error with which the deletion of the group is refused.
  fileprivate var deletionError: ErrorCode {
    guard let consumers else { return group.deletionError }
    return consumers.members.isEmpty ? .none : .nonEmptyGroup
  }

  /// Whether a member subscribes to the topic, or may.
  fileprivate func isSubscribed(to topic: String) -> Bool {
    consumers?.isSubscribed(to: topic) ?? group.isSubscribed(to: topic)
  }

  /// Which offsets expire, `offsets.retention.minutes` after what.
  fileprivate var offsetExpiry: GroupOffsets.Expiry {
    guard let consumers else { return group.offsetExpiry }
    return .afterCommit(except: consumers.subscribedTopics)
  }
}
