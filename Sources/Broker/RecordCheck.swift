import Model
import NIOCore

extension RecordBatch {
  /// A quick look at uncompressed records: their smallest and largest timestamp when they are surely as a producer must send them, so
  /// that the close look of `validateRecords` can be spared. Nil says nothing: records with headers, very long ones and wrong
  /// ones.
  ///
  /// The whole produce path is one pass over bytes that are in the processor's cache; this part of it reads some ten bytes
  /// of each record and skips the rest.
  func plainTimestamps() -> ClosedRange<Int64>? {
    body.withUnsafeReadableBytes { header.plainTimestamps(of: $0) }
  }
}

extension RecordBatchHeader {
  /// As `RecordBatch.plainTimestamps`, of the records in `bytes`.
  func plainTimestamps(of bytes: UnsafeRawBufferPointer) -> ClosedRange<Int64>? {
    guard let (least, most) = plainDeltas(of: bytes), least <= most else { return nil }
    let (from, isBelow) = baseTimestamp.addingReportingOverflow(Int64(least))
    let (to, isAbove) = baseTimestamp.addingReportingOverflow(Int64(most))
    return isBelow || isAbove ? nil : from...to
  }

  private func plainDeltas(of bytes: UnsafeRawBufferPointer) -> (least: Int, most: Int)? {
    guard var at = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
    let end = at + bytes.count
    var (least, most) = (Int.max, Int.min)
    // Records of a batch are mostly of one millisecond: the delta of the one before, where it is a single byte.
    var previous = -1
    for index in 0..<count {
      guard let length = Self.number(&at, before: end), length > 0, length <= end - at else { return nil }
      let recordEnd = at + length
      at += 1  // attributes
      guard at < recordEnd else { return nil }
      if Int(at[0]) == previous {
        at += 1
      } else {
        previous = at[0] < 0x80 ? Int(at[0]) : -1
        guard let delta = Self.number(&at, before: recordEnd) ?? Self.longNumber(&at, before: recordEnd) else {
          return nil
        }
        least = min(least, delta)
        most = max(most, delta)
      }
      guard let delta = Self.number(&at, before: recordEnd), delta == Int(index),
        Self.skipBytes(&at, before: recordEnd),  // key
        Self.skipBytes(&at, before: recordEnd),  // value
        Self.number(&at, before: recordEnd) == 0, at == recordEnd
      else { return nil }
    }
    return at == end ? (least, most) : nil
  }

  /// A zigzag number of up to three bytes; nil for a longer one, and when it does not end before `end`.
  @inline(__always)
  private static func number(_ at: inout UnsafePointer<UInt8>, before end: UnsafePointer<UInt8>) -> Int? {
    guard at < end else { return nil }
    var bits = Int(at[0])
    if bits < 0x80 {
      at += 1
    } else {
      guard at + 1 < end else { return nil }
      bits = bits & 0x7F | Int(at[1]) << 7
      if bits < 0x80 << 7 {
        at += 2
      } else {
        guard at + 2 < end, at[2] < 0x80 else { return nil }
        bits = bits & 0x3FFF | Int(at[2]) << 14
        at += 3
      }
    }
    return bits >> 1 ^ -(bits & 1)
  }

  /// A zigzag number of up to nine bytes; one that needs the tenth is left to the close look.
  @inline(never)
  private static func longNumber(_ at: inout UnsafePointer<UInt8>, before end: UnsafePointer<UInt8>) -> Int? {
    var bits = 0
    for index in 0..<9 where at < end {
      let byte = at[0]
      at += 1
      bits |= Int(byte & 0x7F) << (7 * index)
      if byte < 0x80 { return bits >> 1 ^ -(bits & 1) }
    }
    return nil
  }

  /// Skips a length N and N bytes; -1 stands for null.
  @inline(__always)
  private static func skipBytes(_ at: inout UnsafePointer<UInt8>, before end: UnsafePointer<UInt8>) -> Bool {
    guard let length = number(&at, before: end), length >= -1, length <= end - at else { return false }
    if length > 0 { at += length }
    return true
  }
}
