import Model
import NIOCore

extension RecordBatch {
  /// A quick look at uncompressed records: true when they are surely as a producer must send them, so that the close look
  /// of `validateRecords` can be spared. False says nothing: records with headers, very long ones and wrong ones.
  ///
  /// The whole produce path is one pass over bytes that are in the processor's cache; this part of it reads some ten bytes
  /// of each record and skips the rest.
  func hasPlainRecords() -> Bool {
    let count = header.count
    return body.withUnsafeReadableBytes { bytes in
      guard var at = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
      let end = at + bytes.count
      for index in 0..<count {
        guard let length = Self.number(&at, before: end), length > 0, length <= end - at else { return false }
        let recordEnd = at + length
        at += 1  // attributes
        guard Self.skipNumber(&at, before: recordEnd),  // timestamp delta
          let delta = Self.number(&at, before: recordEnd), delta == Int(index),
          Self.skipBytes(&at, before: recordEnd),  // key
          Self.skipBytes(&at, before: recordEnd),  // value
          Self.number(&at, before: recordEnd) == 0, at == recordEnd
        else { return false }
      }
      return at == end
    }
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

  @inline(__always)
  private static func skipNumber(_ at: inout UnsafePointer<UInt8>, before end: UnsafePointer<UInt8>) -> Bool {
    // Ten bytes hold any 64-bit number; one that needs the tenth is left to the close look.
    var left = 9
    while left > 0, at < end {
      let byte = at[0]
      at += 1
      if byte < 0x80 { return true }
      left -= 1
    }
    return false
  }

  /// A length and so many bytes; -1 stands for null.
  @inline(__always)
  private static func skipBytes(_ at: inout UnsafePointer<UInt8>, before end: UnsafePointer<UInt8>) -> Bool {
    guard let length = number(&at, before: end), length >= -1, length <= end - at else { return false }
    if length > 0 { at += length }
    return true
  }
}
