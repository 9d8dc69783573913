import Model
import NIOCore

/// Finds the intact records of a batch behind a damaged one.
///
/// Worked case: records 0 to 9, and a byte of record 3 changed so that its fields no longer fill its length. The walk stops
/// at record 3. From there on each byte is tried as the beginning of record 4: attributes 0, offset delta 4, fields that
/// fill the length. The walk continues at the first byte where all of that holds; record 3 alone is not found.
///
/// The bytes are untrusted, so the search is bounded: `Limits.damagedSearchFactor` times the batch's bytes.
struct DamagedBatch {
  private let header: RecordBatchHeader
  /// The decompressed records; nil if decompression fails.
  private let bytes: ByteBuffer?

  init(_ batch: RecordBatch) {
    header = batch.header
    bytes = try? batch.recordBytes()
  }

  /// Returns the number of records from offset `start` on, by the header.
  func expected(from start: Offset) -> Int {
    // The header's count is capped by the minimum size of a record, 7 bytes.
    let most = bytes.map { $0.readableBytes / 7 } ?? Int(header.count)
    let before = max(0, start.rawValue.subtractingReportingOverflow(header.baseOffset.rawValue).partialValue)
    return max(0, min(Int(header.count), most) - min(Int(clamping: before), Int(header.count)))
  }

  /// Calls `body` with each record behind the first damaged one.
  func forEachRecordBehind(_ body: (borrowing RecordView) -> Void) {
    bytes?.withUnsafeReadableBytes { raw in
      var budget = raw.count * Limits.damagedSearchFactor
      var walk = RecordWalk(header, raw)
      var isBehind = false
      while true {
        let place = walk.cursor.position
        do {
          guard let view = try walk.next() else { return }
          if isBehind { body(view) }
        } catch {
          guard walk.index < walk.count, let found = resume(walk, after: place, &budget) else { return }
          walk = found
          isBehind = true
        }
      }
    }
  }

  /// Returns the walk at the first record found behind `place`.
  private func resume(_ walk: RecordWalk, after place: UnsafeRawPointer, _ budget: inout Int) -> RecordWalk? {
    // The damaged record's own delta is unreliable; without compaction it is the record's index.
    let isDense = Int64(header.count) == Int64(header.lastOffsetDelta) + 1
    let delta = isDense ? Int32(walk.index) : walk.previousDelta &+ 1
    var at = place + 1
    while at < walk.cursor.end, budget > 0 {
      budget -= 1
      var next = walk
      next.cursor.position = at
      next.index = walk.index + 1
      next.previousDelta = delta
      if let found = Self.delta(at: at, walk.cursor.end, &budget), found > delta, found <= walk.lastOffsetDelta {
        // Further damaged records may lie between.
        if isDense { next.index = Int(found) }
        var trial = next
        if next.index < next.count, (try? trial.next()) ?? nil != nil { return next }
      }
      at += 1
    }
    return nil
  }

  /// Returns the offset delta of a record that may begin at `place`: its length lies within the batch, its attributes are 0.
  private static func delta(at place: UnsafeRawPointer, _ end: UnsafeRawPointer, _ budget: inout Int) -> Int32? {
    var cursor = RecordCursor(position: place, end: end)
    guard let length = try? cursor.varint(), length >= 6, Int(length) <= end - cursor.position,
      cursor.position.load(as: UInt8.self) == 0
    else { return nil }
    cursor.position += 1
    guard (try? cursor.varlong()) != nil, let delta = try? cursor.varint() else { return nil }
    // Reading headers may cost the record's whole length.
    budget -= Int(length)
    return delta
  }
}
