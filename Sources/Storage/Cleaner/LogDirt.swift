import Base
package import Model

/// What the choice of a log to clean needs to know of one of its segments.
struct SegmentFacts: Hashable {
  var baseOffset: Offset
  var bytes: Int
  /// The largest record timestamp, or the time of the last write where records have none.
  var newestMs: Int64 = -1
  /// The first batch's timestamp; -1 without one.
  var firstMs: Int64 = -1
}

/// How much of a compacted log no cleaning has read, and how far one may go now. A value; nothing here reads a file.
///
/// ```
/// segments       0      │ 100      │ 250      │ 400      │ 520 (active)
///                cleaned to 250 ───┘          │
///                         the high watermark, 450, is in this one
/// clean bytes    those of 0 and 100; cleanable bytes: those of 250; and from 400 on nothing may be cleaned yet
/// ```
///
/// A cleaning ends before the active segment, before the last stable offset (and so the high watermark), and before the first segment with a
/// record younger than min.compaction.lag.ms. It ends where a segment begins.
package struct LogDirt: Hashable, Sendable {
  /// Where the part begins that no cleaning has read.
  package private(set) var firstDirtyOffset: Offset
  /// Where a cleaning must end.
  package private(set) var firstUncleanableOffset: Offset
  /// Bytes of the segments before the dirty part.
  package private(set) var cleanBytes: Int
  /// Bytes of the dirty segments that may be cleaned.
  package private(set) var cleanableBytes: Int
  /// Whether a dirty segment is older than max.compaction.lag.ms.
  package private(set) var isOverdue: Bool

  /// The share of bytes that may be cleaned and are dirty, by which the dirtiest log is found; 0 for an empty log.
  package var ratio: Double {
    cleanableBytes == 0 ? 0 : Double(cleanableBytes) / Double(cleanBytes + cleanableBytes)
  }

  /// Whether the log is to be cleaned.
  package func isDue(minRatio: Double) -> Bool { cleanableBytes > 0 && (isOverdue || ratio > minRatio) }

  /// What bounds a cleaning, apart from the segments.
  struct Bounds {
    /// Up to where the log was cleaned; nil before the first cleaning.
    var cleanedTo: Offset?
    var logStart: Offset
    var logEnd: Offset
    /// The last stable offset.
    var stableEnd: Offset
    var minLagMs: Int64 = 0
    var maxLagMs: Int64 = .max
    var nowMs: Int64 = 0
  }

  /// - Parameter segments: all of the log's, the active one last.
  init(_ segments: [SegmentFacts], _ bounds: Bounds) {
    firstDirtyOffset = Self.firstDirty(bounds)
    let dirty = firstDirtyOffset
    var end = segments.count - 1
    end = min(end, Self.index(holding: bounds.stableEnd, segments))
    let firstDirtyIndex = Self.index(holding: dirty, segments)
    if bounds.minLagMs > 0, firstDirtyIndex < end {
      let youngest = bounds.nowMs.subtractingClamped(bounds.minLagMs)
      end = (firstDirtyIndex..<end).first { segments[$0].newestMs > youngest } ?? end
    }
    #if DEBUG
    if PlantedFault.cleansTheActiveSegment.isPlanted { end = segments.count }
    #endif
    firstUncleanableOffset = end < segments.count ? segments[end].baseOffset : bounds.logEnd
    let dirtySegments = segments[min(firstDirtyIndex, end)..<end]
    cleanBytes = segments[..<min(firstDirtyIndex, end)].reduce(0) { $0 + $1.bytes }
    cleanableBytes = dirty < firstUncleanableOffset ? dirtySegments.reduce(0) { $0 + $1.bytes } : 0
    let oldest = bounds.nowMs.subtractingClamped(bounds.maxLagMs)
    isOverdue = bounds.maxLagMs < .max && dirtySegments.contains { $0.firstMs >= 0 && $0.firstMs < oldest }
  }

  /// A log that retention has shortened begins later than where it was cleaned to, and one that was truncated by hand ends before it:
  /// then all of it is dirty.
  private static func firstDirty(_ bounds: Bounds) -> Offset {
    guard let cleanedTo = bounds.cleanedTo, cleanedTo >= bounds.logStart, cleanedTo <= bounds.logEnd else {
      return bounds.logStart
    }
    return cleanedTo
  }

  /// The segment that would hold `offset`: the last that begins at or before it.
  private static func index(holding offset: Offset, _ segments: [SegmentFacts]) -> Int {
    max(0, (segments.firstIndex { $0.baseOffset > offset } ?? segments.count) - 1)
  }
}
