import Base
package import Model

/// What a waiter needs of a partition.
package enum Need: Hashable, Sendable {
  /// More bytes below the high watermark. At parking it must still be at `past`; afterwards the waiter counts appended bytes over all
  /// its partitions.
  case bytes(past: Offset)
  /// All records below this offset on every in-sync replica, for a produce with acks=all.
  case replicated(Offset)
  /// A last stable offset above this one, for a fetch of committed records while a transaction is open.
  case stable(past: Offset)
  /// More bytes above the high watermark too, for a follower's fetch. At parking the log must still end at `past`; afterwards the waiter
  /// counts appended bytes, as with `bytes`.
  case appended(past: Offset)
  /// No records below this offset on any living replica, for DeleteRecords.
  case trimmed(Offset)
}

/// Keeps the waiters parked in a partition: delayed fetches, and produces whose records are not on every in-sync replica
/// yet. (Kafka: a delayed-operation purgatory.)
///
/// A waiter leaves when its need is met. A delayed fetch counts bytes: the append that gives it enough wakes it, the
/// ones before do not. Example: a fetch of min.bytes 100,000 parks on two partitions; appends of 60,000 to one and
/// 60,000 to the other follow; the first lowers what it lacks to 40,000, the second wakes it.
///
/// Owned by its `Partition` and changed under the partition's lock. Pure: waking is the caller's act. Waiters are kept, and woken, in the
/// order in which they came.
package struct Waiters<Parked: AwaitsPartitions> {
  /// A waiter's place in one partition.
  package struct Ticket: Hashable, Sendable {
    fileprivate let number: UInt64
  }

  private struct Entry {
    let ticket: UInt64
    let need: Need
    /// Nil once it has left.
    var waiter: Parked?
  }

  /// The entries by rising ticket. Those of waiters that have left are removed when they are more than half.
  private var entries: [Entry] = []
  private var lastTicket: UInt64 = 0
  /// The waiters that have not left: their number, and the number of those that need a stable offset.
  package private(set) var count = 0
  private var needingStable = 0
  private var needingAppends = 0
  private var needingTrims = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }
  /// True when a waiter needs the last stable offset, which takes a search to find.
  package var needsStableOffset: Bool { needingStable > 0 }

  /// True when a follower's fetch waits for the log end.
  package var needsAppends: Bool { needingAppends > 0 }

  /// True when a DeleteRecords waits for the replicas.
  package var needsTrims: Bool { needingTrims > 0 }

  /// How many wait, by kind of request; a look at each.
  package var places: WaitingPlaces {
    var places = WaitingPlaces()
    for entry in entries where entry.waiter != nil {
      switch entry.need {
      case .bytes, .stable, .appended: places.fetches += 1
      case .replicated: places.produces += 1
      case .trimmed: places.deletions += 1
      }
    }
    return places
  }

  package mutating func park(_ waiter: Parked, for need: Need) -> Ticket {
    lastTicket += 1
    entries.append(Entry(ticket: lastTicket, need: need, waiter: waiter))
    count += 1
    if case .stable = need { needingStable += 1 }
    if case .appended = need { needingAppends += 1 }
    if case .trimmed = need { needingTrims += 1 }
    return Ticket(number: lastTicket)
  }

  /// Removes a waiter whose request got its response or whose connection is gone. Does nothing when it has left already.
  package mutating func remove(_ ticket: Ticket) {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].ticket < ticket.number { low = middle + 1 } else { high = middle }
    }
    guard low < entries.count, entries[low].ticket == ticket.number, entries[low].waiter != nil else { return }
    leave(low)
    if entries.count > 2 * count { entries.removeAll { $0.waiter == nil } }
  }

  /// Records that the high watermark or the last stable offset has risen, with `bytes` more to read. Returns the waiters that this
  /// advance satisfies, each exactly once over all partitions.
  package mutating func advanced(bytes: Int, highWatermark: Offset, lastStableOffset: Offset) -> [Parked] {
    let woken = wake { need, waiter in
      switch need {
      // With too little it stays, for the next append.
      case .bytes: bytes > 0 && waiter.gained(bytes) ? .satisfied : .waits
      case .replicated(let end): highWatermark < end ? .waits : waiter.gained(1) ? .satisfied : .leaves
      case .stable(let offset): lastStableOffset <= offset ? .waits : waiter.gained(.max) ? .satisfied : .leaves
      case .appended, .trimmed: .waits
      }
    }
    #if DEBUG
    if PlantedFault.wakesOneTooFew.isPlanted, !woken.isEmpty { return woken.dropLast() }
    #endif
    return woken
  }

  /// Records that `bytes` were appended to the log, which the high watermark need not have passed. Returns the waiters of followers that
  /// this satisfies.
  package mutating func appended(bytes: Int) -> [Parked] {
    guard needsAppends else { return [] }
    return wake { need, waiter in
      guard case .appended = need else { return .waits }
      return bytes > 0 && waiter.gained(bytes) ? .satisfied : .waits
    }
  }

  /// Records that no living replica has records below `lowWatermark`. Returns the waiters that this satisfies.
  package mutating func trimmed(lowWatermark: Offset) -> [Parked] {
    wake { need, waiter in
      guard case .trimmed(let offset) = need, lowWatermark >= offset else { return .waits }
      return waiter.gained(1) ? .satisfied : .leaves
    }
  }

  /// What an event means for one waiter.
  private enum Fate {
    case waits
    /// It needs nothing more here, but elsewhere, or another event has satisfied it.
    case leaves
    case satisfied
  }

  /// Removes the waiters that do not wait any more, and returns those that are satisfied.
  @inline(__always)
  private mutating func wake(_ fate: (Need, Parked) -> Fate) -> [Parked] {
    guard count > 0 else { return [] }
    var woken: [Parked] = []
    for index in entries.indices {
      guard let waiter = entries[index].waiter else { continue }
      switch fate(entries[index].need, waiter) {
      case .waits: continue
      case .leaves: leave(index)
      case .satisfied:
        leave(index)
        woken.append(waiter)
      }
    }
    if entries.count > 2 * count { entries.removeAll { $0.waiter == nil } }
    return woken
  }

  /// Removes and returns all waiters: what a read returns has changed otherwise than by growth, because the partition was deleted
  /// or truncated, or has another leader.
  package mutating func releaseAll() -> [Parked] {
    let left = entries.compactMap(\.waiter)
    entries.removeAll()
    count = 0
    needingStable = 0
    needingAppends = 0
    needingTrims = 0
    return left
  }

  private mutating func leave(_ index: Int) {
    entries[index].waiter = nil
    count -= 1
    if case .stable = entries[index].need { needingStable -= 1 }
    if case .appended = entries[index].need { needingAppends -= 1 }
    if case .trimmed = entries[index].need { needingTrims -= 1 }
  }
}

/// Counts what is missing for a waiter. A waiter parked in several partitions shares one counter.
package protocol AwaitsPartitions: AnyObject {
  /// Lowers the number of missing bytes (fetch) or partitions (produce). Returns true for the one call that satisfies the waiter,
  /// false before and after.
  func gained(_ amount: Int) -> Bool
}
