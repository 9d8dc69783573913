/// Who waits for a partition to grow: fetches that found too little. Kafka calls such a place a purgatory.
///
/// A waiter names the bytes it still lacks, over all its partitions together, so it is woken once, by the append that
/// gives it enough, and not by each. Example: a fetch of min.bytes 100,000 parks on two partitions; appends of 60,000 to
/// one and 60,000 to the other follow; the first lowers what it lacks to 40,000, the second wakes it.
///
/// Owned by its `Partition` and changed under the partition's lock. Pure: waking is the caller's act.
package struct OffsetWaiters<Waiter: OffsetWaiter> {
  private var waiters: [Waiter] = []

  package init() {}

  package var isEmpty: Bool { waiters.isEmpty }
  package var count: Int { waiters.count }

  package mutating func park(_ waiter: Waiter) { waiters.append(waiter) }

  /// The waiter is answered or gone: forget it. Harmless when it is not here.
  package mutating func remove(_ waiter: Waiter) {
    guard let index = waiters.firstIndex(where: { $0 === waiter }) else { return }
    waiters.swapAt(index, waiters.count - 1)
    waiters.removeLast()
  }

  /// `bytes` more can be read. Returns those that now have enough, each exactly once over all partitions; they leave.
  package mutating func grew(by bytes: Int) -> [Waiter] {
    guard !waiters.isEmpty else { return [] }
    var woken: [Waiter] = []
    waiters.removeAll { waiter in
      guard waiter.gained(bytes) else { return false }
      woken.append(waiter)
      return true
    }
    return woken
  }

  /// Something other than growth changed what a read answers (the partition was deleted or truncated): all leave.
  package mutating func releaseAll() -> [Waiter] {
    defer { waiters.removeAll() }
    return waiters
  }
}

/// One that waits on several partitions at once, so what it lacks is shared between their locks.
package protocol OffsetWaiter: AnyObject {
  /// Lowers what is lacking. True for the one call that satisfies the waiter; false before, and false ever after.
  func gained(_ bytes: Int) -> Bool
}
