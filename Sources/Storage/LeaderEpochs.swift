package import Model

/// A partition's leaderships: which epoch began at which offset. Kept in `leader-epoch-checkpoint`.
///
/// Epochs and offsets both rise. Followers and clients ask where an epoch ended, to learn whether their log went another way.
package struct LeaderEpochs: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    package var epoch: LeaderEpoch
    package var startOffset: Offset
  }

  package private(set) var entries: [Entry] = []

  package init(_ entries: [Entry] = []) { self.entries = entries }

  /// What a file says: of entries that do not rise the later ones, of numbers that are no offset none.
  package init(stored rows: [(epoch: LeaderEpoch, startOffset: Int64)]) {
    for row in rows {
      if let offset = Offset(stored: row.startOffset) { _ = assign(row.epoch, startOffset: offset) }
    }
  }

  package var latest: LeaderEpoch? { entries.last?.epoch }

  /// Notes that `epoch` begins at `offset`; returns whether that was news.
  ///
  /// An epoch that begins at or before known later ones replaces them: their records are gone.
  package mutating func assign(_ epoch: LeaderEpoch, startOffset offset: Offset) -> Bool {
    guard epoch >= 0, epoch != latest else { return false }
    while let last = entries.last, last.epoch >= epoch || last.startOffset >= offset { entries.removeLast() }
    entries.append(Entry(epoch: epoch, startOffset: offset))
    return true
  }

  /// Forgets epochs that begin at or after `offset`; returns whether any did.
  package mutating func truncate(to offset: Offset) -> Bool {
    let before = entries.count
    while let last = entries.last, last.startOffset >= offset { entries.removeLast() }
    return entries.count != before
  }

  /// Forgets epochs that ended before the log now starts; the one it starts in now begins there.
  package mutating func raiseStart(to offset: Offset) -> Bool {
    guard let first = entries.first, first.startOffset < offset else { return false }
    let kept = entries.lastIndex { $0.startOffset <= offset } ?? 0
    entries.removeFirst(kept)
    entries[0].startOffset = offset
    return true
  }

  /// The largest epoch not above `epoch` and where it ended; nil when `epoch` is not known to have existed.
  package func end(of epoch: LeaderEpoch, logEnd: Offset) -> (epoch: LeaderEpoch, endOffset: Offset)? {
    guard epoch >= 0, let last = entries.last else { return nil }
    if epoch == last.epoch { return (epoch, logEnd) }
    guard let higher = entries.firstIndex(where: { $0.epoch > epoch }) else { return nil }
    return (higher == 0 ? epoch : entries[higher - 1].epoch, entries[higher].startOffset)
  }

  /// The epoch a record belongs to.
  package func epoch(at offset: Offset) -> LeaderEpoch? { entries.last { $0.startOffset <= offset }?.epoch }
}
