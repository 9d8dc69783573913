/// What the check of a run's sequence numbers found.
package struct IntegrityCounts: Equatable, Sendable {
  /// Records checked, of whatever outcome.
  package var records = 0
  /// Numbers skipped and not seen since.
  package var lost = 0
  /// Numbers that came again.
  package var duplicated = 0
  /// Numbers that came after a later one.
  package var reordered = 0
  /// Records without a stamp of ours, or changed since they were stamped, or in a partition they were not sent to.
  package var corrupt = 0

  package init() {}

  package var isClean: Bool { lost == 0 && duplicated == 0 && reordered == 0 && corrupt == 0 }
}

/// Follows every stream (producer x partition) of a topic and counts what is lost, duplicated, reordered or corrupt.
///
/// A stream costs 24 bytes plus 16 a gap, and gaps are bounded (`Limits.gapsTracked`), so memory does not grow with the
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
  private let streamsMax: Int
  private let gapsMax: Int

  package init(streamsMax: Int = Limits.streamsTracked, gapsMax: Int = Limits.gapsTracked) {
    self.streamsMax = streamsMax
    self.gapsMax = gapsMax
  }

  private struct StreamProgress {
    /// One more than the highest number seen.
    var next: UInt64
    /// Numbers below `next` not seen, rising, no two touching.
    var gaps: [Range<UInt64>] = []
    /// Distinct numbers seen.
    var seen: UInt64 = 0
  }

  /// - Parameter fromStart: reading began at the partition's very first record, so that a stream must begin with 0.
  ///   Otherwise a stream begins with the first number seen.
  @inline(__always)
  package mutating func received(_ stream: StreamID, sequence: UInt64, fromStart: Bool) {
    counts.records += 1
    let index = stream == lastStream ? lastIndex : self.index(of: stream, sequence: sequence, fromStart: fromStart)
    guard index >= 0 else { return }
    if streams[index].next == sequence {
      streams[index].next = sequence + 1
      streams[index].seen += 1
    } else {
      outOfTurn(index, sequence)
    }
  }

  package mutating func receivedCorrupt() {
    counts.records += 1
    counts.corrupt += 1
  }

  /// The counts so far; what is missing now counts as lost.
  package var result: IntegrityCounts {
    var result = counts
    result.lost += streams.reduce(0) { sum, stream in sum + stream.gaps.reduce(0) { $0 + $1.count } }
    return result
  }

  /// How many of the numbers `0..<end` of a stream never came, gaps included: for the end of a run whose producer says
  /// how far it got.
  package func missing(from stream: StreamID, upTo end: UInt64) -> Int {
    guard let index = indexOf[stream] else { return Int(end) }
    return end > streams[index].next ? Int(end - streams[index].next) : 0
  }

  /// Adds what the producer knows was acknowledged beyond the last number seen.
  package mutating func addLost(_ count: Int) { counts.lost += count }

  /// Distinct records seen of all streams.
  package var distinct: Int { streams.reduce(0) { $0 + Int($1.seen) } }

  @inline(never)
  private mutating func index(of stream: StreamID, sequence: UInt64, fromStart: Bool) -> Int {
    var index = indexOf[stream] ?? -1
    if index < 0 {
      guard streams.count < streamsMax else {
        counts.corrupt += 1
        return -1
      }
      index = streams.count
      streams.append(StreamProgress(next: fromStart ? 0 : sequence))
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
      streams[index].seen += 1
      return
    }
    guard let at = streams[index].gaps.lastIndex(where: { $0.lowerBound <= sequence }),
      streams[index].gaps[at].contains(sequence)
    else {
      counts.duplicated += 1
      return
    }
    counts.reordered += 1
    streams[index].seen += 1
    fill(index, gap: at, sequence)
  }

  private mutating func addGap(_ index: Int, _ gap: Range<UInt64>) {
    if gapCount >= gapsMax {
      // Forget the oldest gap: of this stream if it has one, else the new one.
      guard let oldest = streams[index].gaps.first else {
        counts.lost += gap.count
        return
      }
      counts.lost += oldest.count
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
