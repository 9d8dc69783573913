import Glibc
package import Model

/// One of several batches that are appended together: its header, its records where they were received, and what became of it.
package struct GroupedBatch: BitwiseCopyable {
  /// The most batches of one write, two parts each.
  static let writtenTogetherMax = 64

  package enum Outcome: BitwiseCopyable {
    /// Not appended yet.
    case waits
    /// Not to be appended, because too few replicas are in sync.
    case refused
    case appended(Appended)
    /// `BatchGroup.errors` says why.
    case failed
  }

  package var header: RecordBatchHeader
  /// What follows the header. Valid while the group is appended.
  package let body: UnsafeRawBufferPointer
  /// Whether the produce has acks=all.
  package let wantsAllInSync: Bool
  /// The next batch of the same log, in the order of appending; -1 for none.
  package var next = -1
  package var outcome = Outcome.waits

  /// - Parameters:
  ///   - header: of a batch of records that a producer sent, outside a transaction.
  package init(header: RecordBatchHeader, body: UnsafeRawBufferPointer, wantsAllInSync: Bool) {
    self.header = header
    self.wantsAllInSync = wantsAllInSync
    self.body = body
  }
}

/// The batches of several partitions, in memory of the caller, which alone uses it while they are appended.
package final class BatchGroup: @unchecked Sendable {
  // Unchecked: see above.
  package var batches = UnsafeMutableBufferPointer<GroupedBatch>(start: nil, count: 0)
  /// Why batches failed, by their index: apart, so that a batch is a plain value.
  package var errors: [Int: AppendError] = [:]

  package init() {}
}

extension Log {
  /// Appends producers' batches in order, as `append` does with each: every batch has its own outcome, and one that is refused does not
  /// keep the next ones from being appended. Those that follow each other in a segment are written by one system call.
  ///
  /// - Parameters:
  ///   - first: the index of the first batch; the others follow by `next`. Batches whose outcome is known are left out.
  /// - Precondition: the log has segments, and its timestamps are those of the producers.
  /// - Returns: the bytes that were appended.
  package func append(_ group: BatchGroup, from first: Int, leaderEpoch: LeaderEpoch, nowMs: Int64) -> Int {
    let batches = group.batches
    let endBefore = logEndOffset
    var bytes = 0
    var index = first
    while index >= 0 {
      let start = index
      index = appendTogether(group, from: start, leaderEpoch: leaderEpoch, nowMs: nowMs, &bytes)
      // At least the first is decided.
      precondition(index != start, "a group of batches makes no progress")
    }
    if logEndOffset != endBefore { tellFlushes(batches, from: first) }
    return bytes
  }

  /// Whether the log takes groups.
  package var takesGroups: Bool {
    if case .segments = store { config.timestampType == .createTime } else { false }
  }

  /// Appends the first batch and those behind it that go into the same write. Returns the index of the first batch that is left.
  private func appendTogether(
    _ group: BatchGroup, from first: Int, leaderEpoch: LeaderEpoch, nowMs: Int64, _ bytes: inout Int
  ) -> Int {
    let batches = group.batches
    var second = batches[first].next
    // The first batch of a segment says when the segment rolls.
    if second < 0 || active.size == 0 || failure != nil
      || !active.hasIndexRoom(for: GroupedBatch.writtenTogetherMax, config)
    {
      second = batches[first].next
      if case .waits = batches[first].outcome {
        appendAlone(group, first, leaderEpoch: leaderEpoch, nowMs: nowMs, &bytes)
      }
      return second
    }
    return withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2 * GroupedBatch.writtenTogetherMax) { parts in
      withUnsafeTemporaryAllocation(
        byteCount: BatchField.records * GroupedBatch.writtenTogetherMax, alignment: 8
      ) { heads in
        writeTogether(group, from: first, leaderEpoch: leaderEpoch, nowMs: nowMs, parts, heads, &bytes)
      }
    }
  }

  private func appendAlone(
    _ group: BatchGroup, _ index: Int, leaderEpoch: LeaderEpoch, nowMs: Int64, _ bytes: inout Int
  ) {
    let batches = group.batches
    var header = batches[index].header
    do throws(AppendError) {
      try checkUsable()
      try checkFits(header)
      try checkTime(header, nowMs: nowMs)
      if header.hasProducer, let earlier = try producers.check(header) {
        batches[index].outcome = .appended(answer(earlier))
        return
      }
      header.baseOffset = logEndOffset
      header.partitionLeaderEpoch = leaderEpoch
      try withUnsafeTemporaryAllocation(byteCount: BatchField.records, alignment: 8) { head throws(AppendError) in
        header.write(to: head)
        try append(header, UnsafeRawBufferPointer(head), batches[index].body, nil, nowMs: nowMs)
      }
      batches[index].outcome = .appended(appended(from: header.baseOffset, logAppendTimeMs: -1))
      bytes += header.sizeInBytes
    } catch {
      batches[index].outcome = .failed
      group.errors[index] = error
    }
  }

  private func writeTogether(
    _ group: BatchGroup, from first: Int, leaderEpoch: LeaderEpoch, nowMs: Int64,
    _ parts: UnsafeMutableBufferPointer<iovec>, _ heads: UnsafeMutableRawBufferPointer, _ bytes: inout Int
  ) -> Int {
    let batches = group.batches
    let segment = active
    let endBefore = producers.endOffset
    var undo: [(id: Int64, producer: ProducerState.Producer?)] = []
    var (count, size) = (0, 0)
    var end = logEndOffset
    var index = first
    // What the checks let pass is noted with its producer at once: the next batch may follow it.
    while index >= 0, count < GroupedBatch.writtenTogetherMax {
      guard case .waits = batches[index].outcome else {
        index = batches[index].next
        continue
      }
      var header = batches[index].header
      do throws(AppendError) {
        try checkFits(header)
        try checkTime(header, nowMs: nowMs)
        if header.hasProducer, let earlier = try producers.check(header) {
          // A batch of this very write is acknowledged when it is written.
          if earlier.lastOffset >= logEndOffset { break }
          batches[index].outcome = .appended(answer(earlier))
          index = batches[index].next
          continue
        }
      } catch {
        batches[index].outcome = .failed
        group.errors[index] = error
        index = batches[index].next
        continue
      }
      header.baseOffset = end
      header.partitionLeaderEpoch = leaderEpoch
      guard end <= .largestBase, leaderEpoch == epochs.latest,
        (try? segment.mustRoll(
          for: header, bytes: header.sizeInBytes, unwritten: size, config: config, nowMs: nowMs)) == false
      else { break }
      if header.hasProducer { undo.append((header.producerID, producers.producer(header.producerID))) }
      producers.appended(header)
      batches[index].header = header
      let head = UnsafeMutableRawBufferPointer(
        rebasing: heads[count * BatchField.records..<(count + 1) * BatchField.records])
      header.write(to: head)
      parts.initializeElement(at: 2 * count, to: iovec(iov_base: head.baseAddress, iov_len: head.count))
      let body = batches[index].body
      parts.initializeElement(
        at: 2 * count + 1,
        to: iovec(iov_base: body.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) }, iov_len: body.count))
      count += 1
      size += header.sizeInBytes
      end = header.nextOffset
      index = batches[index].next
    }
    guard count > 0 else {
      // The batch at hand rolls the segment, or begins an epoch.
      guard index >= 0 else { return index }
      let next = batches[index].next
      appendAlone(group, index, leaderEpoch: leaderEpoch, nowMs: nowMs, &bytes)
      return next
    }
    do throws(SegmentWriteError) {
      try segment.write(UnsafeMutableBufferPointer(rebasing: parts[..<(2 * count)]), count: size)
    } catch {
      for change in undo.reversed() { producers.restore(change.producer, of: change.id, endOffset: endBefore) }
      producers.endOffset = endBefore
      if !error.isIntact { failure = error.cause }
      // Each by itself: what is too much for the disk together may fit one by one, and else each has its own error.
      return appendEach(group, from: first, to: index, leaderEpoch: leaderEpoch, nowMs: nowMs, &bytes)
    }
    bytes += size
    noteWritten(batches, from: first, to: index, in: segment, nowMs: nowMs)
    return index
  }

  private func appendEach(
    _ group: BatchGroup, from first: Int, to last: Int, leaderEpoch: LeaderEpoch, nowMs: Int64, _ bytes: inout Int
  ) -> Int {
    let batches = group.batches
    var index = first
    while index != last {
      if case .waits = batches[index].outcome {
        appendAlone(group, index, leaderEpoch: leaderEpoch, nowMs: nowMs, &bytes)
      }
      index = batches[index].next
    }
    return last
  }

  private func noteWritten(
    _ batches: UnsafeMutableBufferPointer<GroupedBatch>, from first: Int, to last: Int, in segment: Segment,
    nowMs: Int64
  ) {
    var index = first
    while index != last {
      if case .waits = batches[index].outcome {
        let header = batches[index].header
        notePlace(of: header, in: segment, nowMs: nowMs)
        batches[index].outcome = .appended(appended(from: header.baseOffset, logAppendTimeMs: -1))
      }
      index = batches[index].next
    }
  }

  /// Where one batch of the group asks for a flush, all that were appended before it wait for the same one.
  private func tellFlushes(_ batches: UnsafeMutableBufferPointer<GroupedBatch>, from first: Int) {
    let needsFlush = appended(from: logEndOffset, logAppendTimeMs: -1).needsFlush
    guard needsFlush else { return }
    var index = first
    while index >= 0 {
      if case .appended(var appended) = batches[index].outcome, !appended.isDuplicate {
        appended.needsFlush = true
        batches[index].outcome = .appended(appended)
      }
      index = batches[index].next
    }
  }
}
