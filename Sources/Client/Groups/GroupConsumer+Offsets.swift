import Model
import NIOCore
import Wire

/// Begins and ends reading partitions, and commits how far they were read.
extension GroupConsumer {
  func assign() {
    counts.rebalances += 1
    assignments += 1
    readMissing()
  }

  /// Begins to read what is assigned and not read yet, at its committed offsets, beside what is read already.
  func readMissing() {
    let known = consumer.positions
    let missing = partitions.filter { known[$0] == nil }
    guard !missing.isEmpty else { return resume(at: [:]) }
    let assignment = assignments
    watch.looking(missing)
    send(committedOffsets(of: missing)) { group, answer in
      if group.assignments == assignment { group.take(answer, of: missing) }
    }
  }

  private func committedOffsets(of partitions: [Int32]) -> OffsetFetchRequest {
    var request = OffsetFetchRequest()
    request.groupID = settings.groupID
    request.topics = [
      .with {
        $0.name = metadata.topic
        $0.partitionIndexes = partitions
      }
    ]
    // From version 8 a request is of several groups.
    request.groups = [
      .with {
        $0.groupID = settings.groupID
        $0.topics = [
          .with {
            $0.name = metadata.topic
            $0.partitionIndexes = partitions
          }
        ]
      }
    ]
    // A transaction that commits an offset ends first.
    request.requireStable = true
    return request
  }

  private func take(_ answer: OffsetFetchResponse, of missing: [Int32]) {
    let ofGroup = answer.groups.flatMap(\.topics).flatMap(\.partitions)
      .map { ($0.partitionIndex, $0.committedOffset, $0.errorCode) }
    let old = answer.topics.flatMap(\.partitions).map { ($0.partitionIndex, $0.committedOffset, $0.errorCode) }
    let codes = [answer.errorCode] + answer.groups.map(\.errorCode) + (ofGroup + old).map(\.2)
    if let refusal = codes.first(where: { $0 != .none }) { return retry(after: refusal) }
    var committed: [Int32: Offset] = [:]
    for (partition, offset, _) in ofGroup + old where offset >= 0 { committed[partition] = offset }
    watch.found(committed)
    var offsets = committed
    for partition in missing where committed[partition] == nil { offsets[partition] = fallback[partition] ?? 0 }
    resume(at: offsets)
  }

  private func retry(after refusal: ErrorCode) {
    guard refusal.isRetriable else { return fail(self.refusal("the offsets of group '\(settings.groupID)'", refusal)) }
    let assignment = assignments
    after(ClientLimits.retryBackoffMs) { group in
      if group.assignments == assignment { group.readMissing() }
    }
  }

  private func resume(at added: [Int32: Offset]) {
    if let pausedNs, !membership.owned.isEmpty { counts.pausesNs.append(now() - min(now(), pausedNs)) }
    pausedNs = nil
    guard !added.isEmpty else { return }
    assigned(added)
    consumer.assign(consumer.positions.merging(added) { _, new in new })
  }

  func stop(_ partitions: [Int32], commits: Bool) {
    let positions = consumer.positions
    if commits { commit(positions.filter { partitions.contains($0.key) }) }
    assignments += 1
    let kept = positions.filter { !partitions.contains($0.key) }
    consumer.assign(kept)
    if kept.isEmpty { pausedNs = pausedNs ?? now() }
    revoked(positions.filter { partitions.contains($0.key) })
  }

  func commit(_ positions: [Int32: Offset]) {
    guard !positions.isEmpty else { return }
    var request = OffsetCommitRequest()
    request.groupID = settings.groupID
    request.generationIDOrMemberEpoch = membership.generation
    request.memberID = membership.memberID
    request.groupInstanceID = settings.instanceID
    request.topics = [
      .with {
        $0.name = metadata.topic
        $0.partitions = positions.sorted { $0.key < $1.key }.map { partition, offset in
          .with {
            $0.partitionIndex = partition
            $0.committedOffset = offset
            $0.committedMetadata = ""
          }
        }
      }
    ]
    let number = commitsSent
    commitsSent += 1
    watch.committing(number, positions)
    send(request) { group, answer in group.committed(answer, number) }
  }

  private func committed(_ answer: OffsetCommitResponse, _ number: Int) {
    let codes = answer.topics.flatMap(\.partitions).map(\.errorCode)
    let refusal = codes.first { $0 != .none }
    watch.committed(number, refusal)
    guard let refusal else {
      counts.commits += 1
      return
    }
    counts.refusedCommits += 1
    // A member that joins again or has left learns nothing new.
    if membership.phase == .member { refused(.commit, refusal) }
  }

  func scheduleCommit() {
    guard settings.commitIntervalMs > 0 else { return }
    after(settings.commitIntervalMs) { group in
      if group.membership.phase == .member { group.commit(group.consumer.positions) }
      group.scheduleCommit()
    }
  }
}
