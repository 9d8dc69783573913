import CMillrace
import Model

/// Walks the batches of a segment by their headers, reading a chunk of the file at a time.
struct BatchScan: ~Copyable {
  /// Says what a position holds.
  enum Element {
    case batch(RecordBatchHeader, position: Int)
    /// The scan's end was reached, on a batch's boundary.
    case end
    /// Bytes that are not a whole batch.
    case damaged(position: Int)
  }

  private let file: SegmentFile
  private let end: Int
  private let checksCRC: Bool
  private let buffer: UnsafeMutableRawBufferPointer
  /// The part of the file that `buffer` holds.
  private var held = 0..<0
  /// Where the next batch begins.
  private(set) var position: Int

  /// Reads for lookups: the bytes between two index entries and a little more.
  static let lookupBytes = 4096
  /// Reads for recovery, which wants all bytes.
  static let recoveryBytes = 512 << 10
  /// Reads for replays of headers over whole segments.
  static let replayBytes = 64 << 10

  /// - Parameter buffer: owned by the caller; must outlive the scan.
  init(
    _ file: SegmentFile, from position: Int, to end: Int, checkingCRC: Bool, buffer: UnsafeMutableRawBufferPointer
  ) {
    self.file = file
    self.position = position
    self.end = end
    checksCRC = checkingCRC
    self.buffer = buffer
  }

  mutating func next() throws(DiskError) -> Element {
    let start = position
    guard start < end else { return .end }
    guard start + BatchField.records <= end, try hold(start, BatchField.records) else {
      return .damaged(position: start)
    }
    let header = RecordBatchHeader(reading: window(start, BatchField.records))
    guard (try? header.check(available: end - start)) != nil else { return .damaged(position: start) }
    if checksCRC, try computedCRC(header, at: start) != header.crc { return .damaged(position: start) }
    position = start + header.sizeInBytes
    return .batch(header, position: start)
  }

  private func window(_ at: Int, _ count: Int) -> UnsafeRawBufferPointer {
    let from = at - held.lowerBound
    return UnsafeRawBufferPointer(rebasing: buffer[from..<from + count])
  }

  /// Makes `buffer` hold `count` bytes from `at`; false when the file is shorter.
  private mutating func hold(_ at: Int, _ count: Int) throws(DiskError) -> Bool {
    if at >= held.lowerBound && at + count <= held.upperBound { return true }
    let wanted = min(buffer.count, end - at)
    let read = try file.file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: at)
    held = at..<at + read
    return read >= count
  }

  /// CRC-32C of a batch's bytes from the attributes on; nil when the file is shorter.
  private mutating func computedCRC(_ header: RecordBatchHeader, at start: Int) throws(DiskError) -> UInt32? {
    var crc: UInt32 = 0
    var at = start + BatchField.attributes
    let batchEnd = start + header.sizeInBytes
    while at < batchEnd {
      let count: Int
      if at >= held.lowerBound && at < held.upperBound {
        count = min(held.upperBound, batchEnd) - at
      } else {
        count = min(buffer.count, batchEnd - at)
        guard try hold(at, count) else { return nil }
      }
      crc = millrace_crc32c(crc, window(at, count).baseAddress, count)
      at += count
    }
    return crc
  }
}
