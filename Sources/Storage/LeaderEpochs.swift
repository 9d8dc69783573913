package import Model

/// Holds the start offset of each leader epoch of a partition, stored in `leader-epoch-checkpoint`.
///
/// Epochs and offsets both rise. Followers and clients query where an epoch ended, to detect whether their log has diverged.
package struct LeaderEpochs: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    package var epoch: LeaderEpoch
    package var startOffset: Offset

    package init(epoch: LeaderEpoch, startOffset: Offset) {
      self.epoch = epoch
      self.startOffset = startOffset
    }
  }

  package private(set) var entries: [Entry] = []

  package init(_ entries: [Entry] = []) { self.entries = entries }

  /// Builds the epochs from a file's entries: of entries that do not rise the later ones count, and invalid offsets are dropped.
  package init(stored rows: [(epoch: LeaderEpoch, startOffset: Int64)]) {
    for row in rows {
      if let offset = Offset(stored: row.startOffset) { _ = assign(row.epoch, startOffset: offset) }
    }
  }

  package var latest: LeaderEpoch? { entries.last?.epoch }

  /// Records that `epoch` begins at `offset`; returns whether that is a change.
  ///
  /// An epoch that begins at or before known later ones replaces them, since their records were truncated.
  package mutating func assign(_ epoch: LeaderEpoch, startOffset offset: Offset) -> Bool {
    guard epoch >= 0, epoch != latest else { return false }
    while let last = entries.last, last.epoch >= epoch || last.startOffset >= offset { entries.removeLast() }
    entries.append(Entry(epoch: epoch, startOffset: offset))
    return true
  }

  /// Removes epochs that begin at or after `offset`; returns whether any did.
  package mutating func truncate(to offset: Offset) -> Bool {
    let before = entries.count
    while let last = entries.last, last.startOffset >= offset { entries.removeLast() }
    return entries.count != before
  }

  /// Removes epochs that ended before the new log start, at which the remaining first epoch then begins.
  package mutating func raiseStart(to offset: Offset) -> Bool {
    guard let first = entries.first, first.startOffset < offset else { return false }
    let kept = entries.lastIndex { $0.startOffset <= offset } ?? 0
    entries.removeFirst(kept)
    entries[0].startOffset = offset
    return true
  }

  /// Returns the largest epoch not above `epoch`, and its end offset; nil if `epoch` is unknown.
  package func end(of epoch: LeaderEpoch, logEnd: Offset) -> (epoch: LeaderEpoch, endOffset: Offset)? {
    guard epoch >= 0, let last = entries.last else { return nil }
    if epoch == last.epoch { return (epoch, logEnd) }
    guard let higher = entries.firstIndex(where: { $0.epoch > epoch }) else { return nil }
    return (higher == 0 ? epoch : entries[higher - 1].epoch, entries[higher].startOffset)
  }

  /// Returns the epoch of a record.
  package func epoch(at offset: Offset) -> LeaderEpoch? { entries.last { $0.startOffset <= offset }?.epoch }
}
