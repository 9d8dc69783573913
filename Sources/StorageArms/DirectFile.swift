import CMillrace
import Glibc
import Storage
import Synchronization

/// A segment's file that is written, read, or both, past the page cache (O_DIRECT).
///
/// The system takes whole aligned blocks only. So a direct append writes the block its bytes begin in once more, from a copy
/// that is kept, and fills the last one up with zeros: the file is up to 4095 bytes longer than the log until the
/// segment is closed, and what ends in zeros is what recovery cuts off anyway. Worked case: batches of 100 bytes write 4096 bytes each.
///
/// One thread writes at a time, under its log's lock; any thread may read meanwhile: a block that is being written again holds the
/// same bytes as before up to the log's end.
final class DirectFile: DiskFile {
  struct Use {
    var readsDirectly: Bool
    var writesDirectly: Bool
  }

  /// What O_DIRECT wants of places in the file and in memory: no device here or known wants more.
  static let alignment = 4096
  /// Buffered appends of a file that is read directly leave the page cache this many bytes behind the log's end.
  private static let behindBytes = 1 << 20
  /// Room for an append that is kept between appends.
  private static let bufferBytesKept = 1 << 20

  /// -1 when reads must not touch the page cache, as sendfile would.
  let descriptor: Int32
  private let path: String
  private let use: Use
  /// Through the page cache.
  private let plain: RealFile
  /// Past it.
  private let direct: RealFile
  private let writing: Mutex<Writing>

  private struct Writing {
    /// The bytes of the last block, from its start to the log's end; nil when not known.
    var tail: (start: Int, bytes: [UInt8])?
    var buffer: Scratch?
    /// Buffered appends: below this, pages were given to the disk and dropped; behind it, `behindBytes` are on their way.
    var droppedTo = 0
    var startedTo = 0
  }

  init(_ path: String, creating: Bool, use: Use) throws(DiskError) {
    self.path = path
    self.use = use
    let flags = O_RDWR | O_CLOEXEC | (creating ? O_CREAT : 0)
    func open(_ extra: Int32, _ operation: String) throws(DiskError) -> RealFile {
      let descriptor = Glibc.open(path, flags | extra, 0o644)
      guard descriptor >= 0 else { throw DiskError(operation, path, code: errno) }
      return RealFile(descriptor, path)
    }
    plain = try open(0, "open")
    direct = try open(millrace_o_direct(), "open with O_DIRECT")
    descriptor = use.readsDirectly ? -1 : plain.descriptor
    writing = Mutex(Writing())
  }

  func size() throws(DiskError) -> Int { try plain.size() }

  // MARK: Reading

  func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int {
    guard use.readsDirectly else { return try plain.read(into: buffer, at: position) }
    guard buffer.count > 0 else { return 0 }
    if position % Self.alignment == 0, buffer.count % Self.alignment == 0,
      Int(bitPattern: buffer.baseAddress) % Self.alignment == 0
    {
      return try direct.read(into: buffer, at: position)
    }
    let start = position / Self.alignment * Self.alignment
    let count = Self.roundedUp(position + buffer.count - start)
    let scratch = Scratch(count)
    let read = try direct.read(into: scratch.bytes, at: start)
    let copied = max(0, min(buffer.count, read - (position - start)))
    let from = position - start
    buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: scratch.bytes[from..<from + copied]))
    return copied
  }

  private static func roundedUp(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  // MARK: Writing

  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
    let outcome = writing.withLock { writing in
      Result { () throws(DiskError) in
        if use.writesDirectly {
          try writeDirectly(first, second, at: position, &writing)
        } else {
          try plain.write(first, second, at: position)
          try dropBehind(position + first.count + second.count, &writing)
        }
      }
    }
    try outcome.get()
  }

  private func writeDirectly(
    _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int, _ writing: inout Writing
  ) throws(DiskError) {
    let start = position / Self.alignment * Self.alignment
    let lead = position - start
    let end = lead + first.count + second.count
    let padded = Self.roundedUp(end)
    let before = try tail(at: start, count: lead, &writing)
    writing.tail = nil
    let kept = writing.buffer.flatMap { $0.bytes.count >= padded ? $0 : nil }
    let buffer = kept ?? Scratch(max(padded, Self.alignment * 16))
    writing.buffer = buffer.bytes.count <= Self.bufferBytesKept ? buffer : nil
    let bytes = buffer.bytes
    bytes.copyBytes(from: before)
    UnsafeMutableRawBufferPointer(rebasing: bytes[lead...]).copyMemory(from: first)
    UnsafeMutableRawBufferPointer(rebasing: bytes[(lead + first.count)...]).copyMemory(from: second)
    UnsafeMutableRawBufferPointer(rebasing: bytes[end..<padded]).initializeMemory(as: UInt8.self, repeating: 0)
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    try direct.write(UnsafeRawBufferPointer(rebasing: bytes[..<padded]), none, at: start)
    let tailFrom = end / Self.alignment * Self.alignment
    writing.tail = (start + tailFrom, Array(bytes[tailFrom..<end]))
  }

  /// The file's bytes in front of an append, in its block.
  private func tail(at start: Int, count: Int, _ writing: inout Writing) throws(DiskError) -> [UInt8] {
    if let tail = writing.tail, tail.start == start, tail.bytes.count == count { return tail.bytes }
    guard count > 0 else { return [] }
    let bytes = try read(count, at: start)
    guard bytes.count == count else { throw DiskError("read the last block", path, code: DiskError.unexpectedEnd) }
    return bytes
  }

  /// Gives appended pages to the disk, and lets those go that it has: the page cache holds some two MiB of the file.
  private func dropBehind(_ end: Int, _ writing: inout Writing) throws(DiskError) {
    if end < writing.startedTo { (writing.droppedTo, writing.startedTo) = (end, end) }
    guard end - writing.startedTo >= Self.behindBytes else { return }
    if writing.startedTo > writing.droppedTo { try drop(from: writing.droppedTo, to: writing.startedTo) }
    guard millrace_start_writing(plain.descriptor, writing.startedTo, end - writing.startedTo) == 0 else {
      throw DiskError("sync_file_range", path, code: errno)
    }
    (writing.droppedTo, writing.startedTo) = (writing.startedTo, end)
  }

  private func drop(from start: Int, to end: Int) throws(DiskError) {
    guard millrace_write_and_drop(plain.descriptor, start, end - start) == 0 else {
      throw DiskError("sync_file_range", path, code: errno)
    }
  }

  func truncate(to size: Int) throws(DiskError) {
    let outcome = writing.withLock { writing in
      writing.tail = nil
      return Result { () throws(DiskError) in try plain.truncate(to: size) }
    }
    try outcome.get()
  }

  func reserve(_ size: Int) throws(DiskError) { try plain.reserve(size) }
  func reserveAhead(from position: Int, to end: Int) -> Bool { false }

  func sync() throws(DiskError) {
    try plain.sync()
    // All pages are clean now, so all of them go.
    if use.readsDirectly { posix_fadvise(plain.descriptor, 0, 0, POSIX_FADV_DONTNEED) }
  }
}
