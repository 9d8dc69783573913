import Glibc
package import Model
package import NIOCore

/// A segment's `.log` file, open for as long as anyone refers to it: a fetch under way may finish reading a segment
/// that retention has meanwhile deleted.
package final class SegmentFile: Sendable {
  /// The path with which the file was opened; deletion renames the file under a reader.
  package let path: String
  /// The descriptor for sendfile; -1 on a disk that has no real files (tests).
  package let descriptor: Int32
  let file: any DiskFile
  private let lease: SegmentDescriptors.Lease?

  package init(_ file: any DiskFile, path: String, lease: SegmentDescriptors.Lease? = nil) {
    self.file = file
    self.lease = lease
    self.path = path
    descriptor = file.descriptor
  }
}

/// Bytes of a segment that were written whole and never change: what a fetch sends.
package struct FileRange: Sendable {
  package let file: SegmentFile
  /// Bytes from the file's start.
  package let position: Int
  /// Bytes.
  package let length: Int

  package init(file: SegmentFile, position: Int, length: Int) {
    self.file = file
    self.position = position
    self.length = length
  }

  /// Fills `buffer` from `offset` bytes into the range; returns how many bytes: fewer than the buffer holds only at
  /// the range's end.
  package func read(into buffer: UnsafeMutableRawBufferPointer, from offset: Int = 0) throws(DiskError) -> Int {
    let count = min(buffer.count, length - offset)
    guard count > 0 else { return 0 }
    return try file.file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: position + offset)
  }

  /// Appends up to `maxBytes` of the range, from `offset` bytes into it; returns how many.
  package func read(into buffer: inout ByteBuffer, from offset: Int = 0, maxBytes: Int = .max) throws(DiskError) -> Int
  {
    let wanted = max(0, min(maxBytes, length - offset))
    return try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { room throws(DiskError) in
      try read(into: UnsafeMutableRawBufferPointer(rebasing: room[..<wanted]), from: offset)
    }
  }

  /// Returns whether the file ends before the range does, or its size cannot be read: another program has truncated it.
  package var isCut: Bool {
    guard let size = try? file.file.size() else { return true }
    return size < position + length
  }

  /// Maps the range into memory, read only.
  package func map() throws(DiskError) -> MappedRange { try MappedRange(self) }
}

/// A file range as memory: valid as long as this object is referred to.
package final class MappedRange: Sendable {
  private let address: UInt
  private let mappedBytes: Int
  private let lead: Int
  package let count: Int

  init(_ range: FileRange) throws(DiskError) {
    // Pages beyond the file's end cannot be read.
    guard !range.isCut else { throw DiskError("mmap", range.file.path, code: DiskError.unexpectedEnd) }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    lead = range.position % page
    count = range.length
    mappedBytes = max(1, lead + range.length)
    let mapped = mmap(nil, mappedBytes, PROT_READ, MAP_SHARED, range.file.descriptor, range.position - lead)
    guard let mapped, mapped != MAP_FAILED else { throw DiskError("mmap", range.file.path, code: errno) }
    address = UInt(bitPattern: mapped)
  }

  deinit { munmap(UnsafeMutableRawPointer(bitPattern: address), mappedBytes) }

  /// The range's bytes. Do not let them escape `body`.
  package func withBytes<T, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> T
  ) throws(Failure) -> T {
    let start = UnsafeRawPointer(bitPattern: address)! + lead
    return try body(UnsafeRawBufferPointer(start: start, count: count))
  }
}

/// What a read found: a file range, no bytes. Whole batches, the first of which holds the offset asked for.
package struct LogSlice: Sendable {
  /// Nil when nothing was found.
  package var range: FileRange?
  package var byteCount: Int
  /// The offset asked for: the first batch may begin before it.
  package var firstOffset: Offset
  /// The offset of the next read; `firstOffset` when nothing was found.
  package var nextOffset: Offset
  /// The slice ends where its segment does, and the log goes on in the next one: more is there than a read returns.
  package var isCutBySegment = false

  package var isEmpty: Bool { range == nil }

  package init(_ range: FileRange?, firstOffset: Offset, nextOffset: Offset) {
    self.range = range
    byteCount = range?.length ?? 0
    self.firstOffset = firstOffset
    self.nextOffset = nextOffset
  }

  package static func empty(at offset: Offset) -> LogSlice {
    LogSlice(nil, firstOffset: offset, nextOffset: offset)
  }

  /// All bytes, read into one buffer: for tests and tools; the broker sends ranges.
  package func bytes() throws(DiskError) -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.reserveCapacity(byteCount)
    if let range { _ = try range.read(into: &buffer) }
    return buffer
  }
}
