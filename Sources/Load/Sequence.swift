/// What the check of a run's sequence numbers found.
package struct IntegrityCounts: Equatable, Sendable {
  /// Records received, of whatever outcome: `verified`, `duplicated` or `corrupt`.
  package var records = 0
  /// Numbers skipped and not seen since, but for those that corrupt records of their partition account for.
  package var lost = 0
  /// Numbers that were not read: the run ended before the consumer came to where they may be.
  package var unread = 0
  /// Numbers that came again.
  package var duplicated = 0
  /// Numbers that came after a later one.
  package var reordered = 0
  /// Records without a stamp of ours, or changed since they were stamped, or in a partition they were not sent to.
  package var corrupt = 0

  package init() {}

  /// Records found whole that came for the first time.
  package var verified: Int { records - duplicated - corrupt }

  package var isClean: Bool { lost == 0 && duplicated == 0 && reordered == 0 && corrupt == 0 && unread == 0 }
}

/// Follows every stream (producer x partition) of a topic and counts what is lost, duplicated, reordered or corrupt.
///
/// Every number a producer gave is in one of the counts, in the end: verified + lost + corrupt + unread are the numbers given,
/// where all records are ours, and duplicates come on top. So a corrupt record, whose number cannot be read, is not counted
/// as lost as well: it accounts for one missing number of its partition.
///
/// A stream costs 32 bytes plus 16 a gap, and gaps are bounded (`Limits.gapsTracked`), so memory does not grow with the
/// number of records.
///
/// Worked case: 0 1 2 5 6 3 6 arrives. At 5 the range 3..<5 is missing; at 3 it shrinks to 4..<5 and one record is
/// reordered; the second 6 is below what is expected next and in no gap: duplicated. In the end 4 is lost.
package struct IntegrityCheck {
  private var streams: [StreamProgress] = []
  private var indexOf: [StreamID: Int] = [:]
  private var lastStream = StreamID(packed: .max)
  private var lastIndex = -1
  private var gapCount = 0
  private var counts = IntegrityCounts()
  private var partitions: [Int: PartitionCounts] = [:]
  /// The run whose streams are read from their first record on, wherever reading began.
  private let ownRun: Int?
  private let streamsMax: Int
  private let gapsMax: Int

  package init(ownRun: Int? = nil, streamsMax: Int = Limits.streamsTracked, gapsMax: Int = Limits.gapsTracked) {
    self.ownRun = ownRun
    self.streamsMax = streamsMax
    self.gapsMax = gapsMax
  }

  private struct StreamProgress {
    /// One more than the highest number seen.
    var next: UInt64
    /// Numbers below `next` not seen, rising, no two touching.
    var gaps: [Range<UInt64>] = []
    let partition: Int
  }

  /// What is known of a partition beside its streams' gaps.
  private struct PartitionCounts {
    var corrupt = 0
    /// Numbers missing that no gap tells of: of gaps forgotten, or after the last number seen.
    var missing = 0
  }

  /// - Parameter fromStart: reading began at the partition's very first record, so that a stream must begin with 0, as must
  ///   one of `ownRun`. Any other stream begins with the first number seen.
  @inline(__always)
  package mutating func received(_ stream: StreamID, sequence: UInt64, fromStart: Bool) {
    counts.records += 1
    let index = stream == lastStream ? lastIndex : self.index(of: stream, sequence: sequence, fromStart: fromStart)
    guard index >= 0 else { return }
    if streams[index].next == sequence {
      streams[index].next = sequence + 1
    } else {
      outOfTurn(index, sequence)
    }
  }

  package mutating func receivedCorrupt(in partition: Int, count: Int = 1) {
    counts.records += count
    counts.corrupt += count
    partitions[partition, default: PartitionCounts()].corrupt += count
  }

  /// The counts so far; what is missing now counts as lost.
  package var result: IntegrityCounts {
    var result = counts
    var found = partitions
    for stream in streams where !stream.gaps.isEmpty {
      found[stream.partition, default: PartitionCounts()].missing += stream.gaps.reduce(0) { $0 + $1.count }
    }
    for partition in found.values { result.lost += max(0, partition.missing - partition.corrupt) }
    return result
  }

  /// How many of the numbers `0..<end` of a stream come after the last one seen: for the end of a run whose producer says
  /// how far it got.
  package func missing(from stream: StreamID, upTo end: UInt64) -> Int {
    guard let index = indexOf[stream] else { return Int(end) }
    return end > streams[index].next ? Int(end - streams[index].next) : 0
  }

  /// Adds the numbers `0..<end` of a stream that come after the last one seen.
  ///
  /// - Parameter wasRead: the consumer came to the end of the partition's log; otherwise they may be in it.
  package mutating func addMissing(of stream: StreamID, upTo end: UInt64, wasRead: Bool) {
    let count = missing(from: stream, upTo: end)
    guard count > 0 else { return }
    guard wasRead else {
      counts.unread += count
      return
    }
    partitions[stream.partition, default: PartitionCounts()].missing += count
  }

  @inline(never)
  private mutating func index(of stream: StreamID, sequence: UInt64, fromStart: Bool) -> Int {
    var index = indexOf[stream] ?? -1
    if index < 0 {
      guard streams.count < streamsMax else {
        counts.corrupt += 1
        partitions[stream.partition, default: PartitionCounts()].corrupt += 1
        return -1
      }
      index = streams.count
      let isWhole = fromStart || stream.run == ownRun
      streams.append(StreamProgress(next: isWhole ? 0 : sequence, partition: stream.partition))
      indexOf[stream] = index
    }
    (lastStream, lastIndex) = (stream, index)
    return index
  }

  @inline(never)
  private mutating func outOfTurn(_ index: Int, _ sequence: UInt64) {
    let next = streams[index].next
    if sequence > next {
      addGap(index, next..<sequence)
      streams[index].next = sequence + 1
      return
    }
    guard let at = streams[index].gaps.lastIndex(where: { $0.lowerBound <= sequence }),
      streams[index].gaps[at].contains(sequence)
    else {
      counts.duplicated += 1
      return
    }
    counts.reordered += 1
    fill(index, gap: at, sequence)
  }

  private mutating func addGap(_ index: Int, _ gap: Range<UInt64>) {
    if gapCount >= gapsMax {
      // Forget the oldest gap: of this stream if it has one, else the new one.
      guard let oldest = streams[index].gaps.first else {
        partitions[streams[index].partition, default: PartitionCounts()].missing += gap.count
        return
      }
      partitions[streams[index].partition, default: PartitionCounts()].missing += oldest.count
      streams[index].gaps.removeFirst()
      gapCount -= 1
    }
    streams[index].gaps.append(gap)
    gapCount += 1
  }

  private mutating func fill(_ index: Int, gap at: Int, _ sequence: UInt64) {
    let gap = streams[index].gaps[at]
    let before = gap.lowerBound..<sequence
    let after = (sequence + 1)..<gap.upperBound
    let rest = [before, after].filter { !$0.isEmpty }
    streams[index].gaps.replaceSubrange(at...at, with: rest)
    gapCount += rest.count - 1
  }
}
