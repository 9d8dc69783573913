import Model
import Testing

@testable import Storage

/// Segments of 100 offsets and 1,000 bytes each, from 0 on; the last is the active one.
@Suite("How much of a log may be cleaned")
struct LogDirtTests {
  private func dirt(
    _ count: Int = 5, cleanedTo: Offset? = nil, logStart: Offset = 0, stableEnd: Offset = 450, minLagMs: Int64 = 0,
    maxLagMs: Int64 = .max, nowMs: Int64 = 0, newestMs: [Int64] = [], firstMs: [Int64] = []
  ) -> LogDirt {
    let segments = (0..<count).map { index in
      SegmentFacts(
        baseOffset: Offset(Int64(100 * index)), bytes: 1000, newestMs: index < newestMs.count ? newestMs[index] : -1,
        firstMs: index < firstMs.count ? firstMs[index] : -1)
    }
    return LogDirt(
      segments,
      LogDirt.Bounds(
        cleanedTo: cleanedTo, logStart: logStart, logEnd: 450, stableEnd: stableEnd, minLagMs: minLagMs,
        maxLagMs: maxLagMs, nowMs: nowMs))
  }

  @Test("all but the active segment, when it was never cleaned")
  func first() {
    let dirt = dirt()
    #expect(dirt.firstDirtyOffset == 0 && dirt.firstUncleanableOffset == 400)
    #expect(dirt.cleanBytes == 0 && dirt.cleanableBytes == 4000 && dirt.ratio == 1)
  }

  @Test("only what came since, measured against the whole")
  func again() {
    let dirt = dirt(cleanedTo: 300)
    #expect(dirt.firstDirtyOffset == 300 && dirt.cleanBytes == 3000 && dirt.cleanableBytes == 1000)
    #expect(dirt.ratio == 0.25)
    #expect(dirt.isDue(minRatio: 0.2) && !dirt.isDue(minRatio: 0.25), "more than the ratio, as in Kafka")
    #expect(!self.dirt(cleanedTo: 400).isDue(minRatio: 0))
  }

  @Test("no segment that reaches past the last stable offset")
  func stable() {
    #expect(dirt(stableEnd: 250).firstUncleanableOffset == 200)
    #expect(dirt(stableEnd: 200).firstUncleanableOffset == 200)
    #expect(dirt(stableEnd: 199).firstUncleanableOffset == 100)
    #expect(dirt(stableEnd: 50).cleanableBytes == 0)
    #expect(dirt(cleanedTo: 300, stableEnd: 150).cleanableBytes == 0)
  }

  @Test("no segment with a record younger than min.compaction.lag.ms, and none behind it")
  func minLag() {
    let newest: [Int64] = [100, 900, 200, 300]
    #expect(dirt(minLagMs: 500, nowMs: 1000, newestMs: newest).firstUncleanableOffset == 100)
    #expect(dirt(minLagMs: 100, nowMs: 1000, newestMs: newest).firstUncleanableOffset == 400)
    #expect(dirt(cleanedTo: 200, minLagMs: 500, nowMs: 1000, newestMs: newest).firstUncleanableOffset == 400)
  }

  @Test("is due whatever its ratio, when a dirty segment is older than max.compaction.lag.ms")
  func maxLag() {
    let first: [Int64] = [100, 200, 300, 400]
    let late = dirt(cleanedTo: 300, maxLagMs: 500, nowMs: 1000, firstMs: first)
    #expect(late.isOverdue && late.isDue(minRatio: 0.9))
    #expect(!dirt(cleanedTo: 300, maxLagMs: 600, nowMs: 1000, firstMs: first).isOverdue)
    #expect(!dirt(cleanedTo: 400, maxLagMs: 0, nowMs: 1000, firstMs: first).isDue(minRatio: 0.9))
    #expect(!dirt(maxLagMs: 500, nowMs: 1000, firstMs: [-1, -1, -1, -1]).isOverdue, "records without timestamps")
  }

  @Test("begins at the log's start when that is past where it was cleaned to, or when the log ends before that")
  func reset() {
    #expect(dirt(cleanedTo: 100, logStart: 200).firstDirtyOffset == 200)
    #expect(dirt(cleanedTo: 500).firstDirtyOffset == 0)
    #expect(dirt(cleanedTo: 450).firstDirtyOffset == 450)
  }

  @Test("of a log with nothing but an active segment is nothing")
  func empty() {
    let dirt = dirt(1, stableEnd: 0)
    #expect(dirt.ratio == 0 && !dirt.isDue(minRatio: 0))
  }

  // MARK: Groups

  private func groups(_ sources: [(bytes: Int, index: Int)], segmentBytes: Int = 1000, indexBytes: Int = 100) -> [Range<
    Int
  >] {
    let sources = sources.enumerated().map { number, source in
      CleaningSource(
        baseOffset: Offset(Int64(100 * number)), endOffset: Offset(Int64(100 * number + 100)), bytes: source.bytes,
        modifiedMs: 0, offsetIndexBytes: source.index, timeIndexBytes: 0)
    }
    return CleaningSource.groups(sources, segmentBytes: segmentBytes, indexBytes: indexBytes)
  }

  @Test("neighbours become one segment as far as they fit one, with their indexes")
  func grouping() {
    #expect(groups([]) == [])
    #expect(groups([(400, 0), (600, 0), (1, 0)]) == [0..<2, 2..<3])
    #expect(groups([(5000, 0), (1, 0), (1, 0)]) == [0..<1, 1..<3], "one that is too large stays alone")
    #expect(groups([(1, 60), (1, 40), (1, 8)]) == [0..<2, 2..<3])
    #expect(groups([(0, 0), (1000, 0), (0, 0)]) == [0..<3])
  }

  @Test("no more offsets are in a group than an index can hold")
  func range() {
    let span = Int64(Int32.max)
    func source(_ base: Int64, _ end: Int64) -> CleaningSource {
      CleaningSource(baseOffset: Offset(base), endOffset: Offset(end), bytes: 1, modifiedMs: 0)
    }
    let fitting = [source(0, span - 1), source(span - 1, span)]
    #expect(CleaningSource.groups(fitting, segmentBytes: 10, indexBytes: 10) == [0..<2])
    let wide = [source(0, span - 1), source(span - 1, span + 1)]
    #expect(CleaningSource.groups(wide, segmentBytes: 10, indexBytes: 10) == [0..<1, 1..<2])
  }
}
