import CMillrace
import Model

/// Reads a segment's batches whole, one after the other, through a buffer that grows for a batch that is larger.
///
/// Each batch's CRC is checked: a batch that is written anew gets a new one, which would hide damage for ever.
///
/// Used by one thread.
final class BatchReader {
  private var buffer: UnsafeMutableRawBufferPointer
  private var file: SegmentFile?
  /// The part of the file that the buffer holds, from its start.
  private var held = 0..<0
  private var end = 0
  /// The offsets that the next batches may have.
  private var offsets: Range<Offset> = 0..<0
  /// Where the next batch begins.
  private(set) var position = 0

  init(bytes: Int) {
    buffer = .allocate(byteCount: max(bytes, BatchField.records), alignment: 16)
  }

  deinit { buffer.deallocate() }

  /// The memory of the buffer, in bytes.
  var memoryBytes: Int { buffer.count }

  /// Begins with another segment.
  ///
  /// - Parameters:
  ///   - end: where its batches end.
  ///   - offsets: within which its batches' offsets rise.
  func begin(_ file: SegmentFile, to end: Int, offsets: Range<Offset>) {
    self.file = file
    self.end = end
    self.offsets = offsets
    position = 0
    held = 0..<0
  }

  /// Lets go of the file.
  func finish() { file = nil }

  /// Returns the next batch, whose bytes are valid until the next call; nil at the end.
  func next() throws(CleaningError) -> (header: RecordBatchHeader, bytes: UnsafeRawBufferPointer)? {
    guard position < end else { return nil }
    let header = RecordBatchHeader(reading: try hold(BatchField.records))
    do throws(RecordBatchError) { try header.check(available: end - position) } catch { throw damaged("\(error)") }
    guard offsets.contains(header.baseOffset), header.nextOffset <= offsets.upperBound else {
      throw damaged("offsets \(header.baseOffset) to \(header.lastOffset) are not among \(offsets)")
    }
    let bytes = try hold(header.sizeInBytes)
    let covered = UnsafeRawBufferPointer(rebasing: bytes[BatchField.attributes...])
    guard millrace_crc32c(0, covered.baseAddress, covered.count) == header.crc else {
      throw damaged("the batch's checksum is not that of its bytes")
    }
    position += header.sizeInBytes
    offsets = header.nextOffset..<offsets.upperBound
    return (header, bytes)
  }

  func damaged(_ problem: String, at position: Int? = nil) -> CleaningError {
    .damaged(path: file?.path ?? "", position: position ?? self.position, problem: problem)
  }

  /// Returns `count` bytes from the position.
  private func hold(_ count: Int) throws(CleaningError) -> UnsafeRawBufferPointer {
    if position + count > held.upperBound { try fill(count) }
    let from = position - held.lowerBound
    return UnsafeRawBufferPointer(rebasing: buffer[from..<from + count])
  }

  /// Moves the bytes that are not read yet to the buffer's front, and fills it.
  private func fill(_ count: Int) throws(CleaningError) {
    guard let file, position + count <= end else { throw damaged("the file ends within a batch") }
    let left = max(0, held.upperBound - position)
    let from = position - held.lowerBound
    if count > buffer.count {
      let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
      if left > 0 { larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[from..<from + left])) }
      buffer.deallocate()
      buffer = larger
    } else if left > 0, from > 0, let base = buffer.baseAddress {
      base.copyMemory(from: base + from, byteCount: left)
    }
    held = position..<position + left
    let wanted = min(buffer.count, end - position) - left
    let read: Int
    do throws(DiskError) {
      read = try file.file.read(
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[left..<left + wanted]), at: position + left)
    } catch { throw .disk(error) }
    held = position..<position + left + read
    guard held.count >= count else { throw damaged("the file ends within a batch") }
  }
}
