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
      guard entry.group.deletionError == .none else { return entry.group.deletionError }
      let error = bury(id, entry.offsets.partitions, withGroup: entry.group.generation > 0, work)
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
      guard let group = state.groups[id]?.group else { return Deleted(error: .groupIdNotFound) }
      guard group.offsetDeletionError == .none else { return Deleted(error: group.offsetDeletionError) }
      let free = Set(partitions.filter { !group.isSubscribed(to: $0.topic) })
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
      entry.group.offsetExpiry, now: work.now.wallMs, retentionMs: environment.offsetRetentionMs)
    let isGone = entry.isGone
    guard !expired.isEmpty || isGone else { return }
    // With an error everything stays for the next time.
    guard bury(id, expired, withGroup: isGone && entry.group.generation > 0, work) == .none else { return }
    state.groups[id] = isGone ? nil : entry
  }

  /// Removes committed offsets of a group, and the group if nothing else is left of it.
  private func remove(
    _ id: String, _ state: inout State, _ work: Work, where isGone: (TopicPartition) -> Bool
  ) -> ErrorCode {
    guard var entry = state.groups[id] else { return .none }
    let removed = entry.offsets.remove(where: isGone)
    let endsGroup = !removed.isEmpty && entry.isGone
    let error = bury(id, removed, withGroup: endsGroup && entry.group.generation > 0, work)
    if error == .none { state.groups[id] = endsGroup ? nil : entry }
    return error
  }

  /// Appends tombstones, in batches that fit: a group can have more offsets than a batch has room.
  private func bury(_ id: String, _ partitions: [TopicPartition], withGroup: Bool, _ work: Work) -> ErrorCode {
    let dead = partitions.map { GroupRecord.offset(group: id, $0, nil) } + (withGroup ? [.group(id, nil)] : [])
    var batch: [CoordinatorRecord] = []
    var bytes = 0
    for (index, tombstone) in dead.enumerated() {
      let record = tombstone.record(timestampMs: work.now.wallMs)
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
    group.isEmpty && offsets.isEmpty && group.pendingMemberCount == 0
  }
}
