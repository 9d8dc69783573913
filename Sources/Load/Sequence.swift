/// Holds the results of checking sequence numbers.
package struct IntegrityCounts: Equatable, Sendable {
  /// Records received: `verified`, `duplicated` or `corrupt`.
  package var records = 0
  /// Numbers skipped and never received, minus the corrupt records of the partition, which account for one each.
  package var lost = 0
  /// Numbers not read: the run ended before the consumer reached the end of the log.
  package var unread = 0
  /// Numbers received again.
  package var duplicated = 0
  /// Numbers received after a later one.
  package var reordered = 0
  /// Records without a valid stamp, or in a partition that they were not sent to.
  package var corrupt = 0

  package init() {}

  /// Valid records received for the first time.
  package var verified: Int { records - duplicated - corrupt }

  package var isClean: Bool { lost == 0 && duplicated == 0 && reordered == 0 && corrupt == 0 && unread == 0 }
}

/// Tracks every stream (producer x partition) of a topic and counts lost, duplicated, reordered and corrupt records.
///
/// In the end every number sent is in one of the counts: verified + lost + corrupt + unread = sent, if all records are ours;
/// duplicates are extra. So a corrupt record, whose number cannot be read, is not counted as lost as well: it accounts for
/// one missing number of its partition.
///
/// A stream costs 32 bytes plus 16 per gap, and gaps are bounded (`Limits.gapsTracked`), so memory does not grow with the
/// number of records.
///
/// Worked case: 0 1 2 5 6 3 6 arrives. At 5 the range 3..<5 is missing; at 3 it shrinks to 4..<5 and one record is
/// reordered; the second 6 is below the next expected number and in no gap: duplicated. In the end 4 is lost.
package struct IntegrityCheck {
  private var streams: [StreamProgress] = []
  private var indexOf: [StreamID: Int] = [:]
  private var lastStream = StreamID(packed: .max)
  private var lastIndex = -1
  private var gapCount = 0
  private var counts = IntegrityCounts()
  private var partitions: [Int: PartitionCounts] = [:]
  /// The run whose streams are read from their first record, wherever reading began.
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
    /// The missing ranges below `next`, ascending and not adjacent.
    var gaps: [Range<UInt64>] = []
    let partition: Int
  }

  /// Holds a partition's counts beside its streams' gaps.
  private struct PartitionCounts {
    var corrupt = 0
    /// Missing numbers in no gap: of forgotten gaps, or after the last number received.
    var missing = 0
  }

  /// - Parameter fromStart: whether reading began at the partition's first record, so that streams must begin with 0, as
  ///   those of `ownRun` must. Any other stream begins with the first number received.
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

  /// Forgets how far the streams of a partition were read: its reading begins anew, where other readers may have been
  /// meanwhile. What was missing before stays missing.
  package mutating func beginAgain(in partition: Int) {
    indexOf = indexOf.filter { $0.key.partition != partition }
    (lastStream, lastIndex) = (StreamID(packed: .max), -1)
  }

  package mutating func receivedCorrupt(in partition: Int, count: Int = 1) {
    counts.records += count
    counts.corrupt += count
    partitions[partition, default: PartitionCounts()].corrupt += count
  }

  /// The counts so far; numbers missing now count as lost.
  package var result: IntegrityCounts {
    var result = counts
    var found = partitions
    for stream in streams where !stream.gaps.isEmpty {
      found[stream.partition, default: PartitionCounts()].missing += stream.gaps.reduce(0) { $0 + $1.count }
    }
    for partition in found.values { result.lost += max(0, partition.missing - partition.corrupt) }
    return result
  }

  /// Returns how many of the numbers `0..<end` of a stream come after the last one received. `end` is the producer's count.
  package func missing(from stream: StreamID, upTo end: UInt64) -> Int {
    guard let index = indexOf[stream] else { return Int(end) }
    return end > streams[index].next ? Int(end - streams[index].next) : 0
  }

  /// Counts the numbers `0..<end` of a stream after the last one received as missing.
  ///
  /// - Parameter wasRead: whether the consumer reached the end of the partition's log; otherwise the numbers count as unread.
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
