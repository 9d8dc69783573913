package import Glibc

/// Abstracts the file system of the logs, so that a test can provide one that crashes, tears writes and runs full.
///
/// Paths are absolute or relative to the process. Nothing is durable before a `sync`: neither bytes (`DiskFile.sync`)
/// nor names (`syncDirectory`).
package protocol Disk: Sendable {
  /// Opens a file for reading and writing; with `creating`, creates an empty one if missing.
  func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile
  /// Returns the names in a directory, unordered, without `.` and `..`.
  func names(in directory: String) throws(DiskError) -> [String]
  /// Returns a file's size and times; nil if it does not exist.
  func info(_ path: String) throws(DiskError) -> FileInfo?
  /// Creates one directory; an existing one is not an error.
  func makeDirectory(_ path: String) throws(DiskError)
  /// Renames a file; replaces `to` if it exists.
  func rename(_ from: String, to: String) throws(DiskError)
  /// Removes a file; a missing one is not an error.
  func remove(_ path: String) throws(DiskError)
  /// Removes an empty directory; a missing one is not an error.
  func removeDirectory(_ path: String) throws(DiskError)
  /// Makes the names in a directory durable.
  func syncDirectory(_ path: String) throws(DiskError)
  /// Locks a file against other processes and other openers, creating it; nil when someone else holds it. The lock
  /// lasts as long as the returned file.
  func lock(_ path: String) throws(DiskError) -> (any DiskFile)?

  /// Whether an append to a segment leaves zeros behind its last byte, so that a closed segment must be truncated.
  var padsFiles: Bool { get }
  /// Counts and bounds the descriptors that segments keep; nil for as many as there are.
  var segmentDescriptors: SegmentDescriptors? { get }
  /// Throws if the file system under a directory lacks a feature that this disk needs.
  func probe(_ directory: String) throws(DiskError)
}

extension Disk {
  package var padsFiles: Bool { false }
  package var segmentDescriptors: SegmentDescriptors? { nil }
  package func probe(_ directory: String) throws(DiskError) {}
}

/// Represents an open file, closed with its last reference, so that a reader may outlive the file's deletion.
package protocol DiskFile: AnyObject, Sendable {
  /// The descriptor for sendfile; -1 without a real file.
  var descriptor: Int32 { get }

  func size() throws(DiskError) -> Int
  /// Writes both parts as one gathered write at `position`. After an error any part of them may have been written.
  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError)
  /// Writes all parts as one gathered write at `position`. After an error any part of them may have been written.
  ///
  /// - Parameter count: the bytes of all parts.
  func write(_ parts: UnsafeMutableBufferPointer<iovec>, count: Int, at position: Int) throws(DiskError)
  /// Fills `buffer` from `position`; fewer bytes only at the file's end.
  func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int
  func truncate(to size: Int) throws(DiskError)
  /// Allocates blocks up to `size`, to which the file is extended with zeros.
  func reserve(_ size: Int) throws(DiskError)
  /// Allocates blocks from `position` to `end`, beyond the file's end, without extending the file, for later appends. Returns
  /// false without support or space, which only makes appends slower.
  func reserveAhead(from position: Int, to end: Int) -> Bool
  /// Where the first bytes from `position` on begin that were never written; nil where the file system cannot tell. Costs time for each page
  /// that lies between.
  func firstHole(from position: Int) throws(DiskError) -> Int?
  /// Returns when the bytes written so far would survive a power failure.
  func sync() throws(DiskError)
  /// Sets the time of the last write, in milliseconds since 1970: a file that takes the place of another keeps the other's.
  func setModified(toMs ms: Int64) throws(DiskError)
}

package struct FileInfo: Hashable, Sendable {
  package var size: Int
  /// Milliseconds since 1970.
  package var modifiedMs: Int64
  package var isDirectory: Bool
  /// The file itself, whatever its path; nil where the file system does not say.
  package var identity: Identity?

  /// Device and inode.
  package struct Identity: Hashable, Sendable {
    package var device: UInt64
    package var inode: UInt64

    package init(device: UInt64, inode: UInt64) {
      self.device = device
      self.inode = inode
    }
  }

  package init(size: Int, modifiedMs: Int64, isDirectory: Bool, identity: Identity? = nil) {
    self.size = size
    self.modifiedMs = modifiedMs
    self.isDirectory = isDirectory
    self.identity = identity
  }
}

/// Reports a file operation that the system refused.
package struct DiskError: Error, Hashable, Sendable {
  package var operation: String
  package var path: String
  /// The system's errno.
  package var code: Int32

  package init(_ operation: String, _ path: String, code: Int32) {
    self.operation = operation
    self.path = path
    self.code = code
  }
}

extension DiskError: CustomStringConvertible {
  /// The call, the path and the system's message, as in `open /a/t-0/00000000000000000000.log: Permission denied`.
  package var description: String { "\(operation) \(path): \(String(cString: strerror(code)))" }
}

extension DiskError {
  /// Whether the process or the machine lacks a resource: the disk is sound, and the operation may succeed later.
  package var isOfProcess: Bool { [EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN].contains(code) }
}

extension DiskError {
  /// Whether the error means that the disk or directory is unusable. A full disk is usable: it can be read, and appends
  /// succeed when there is space again.
  package var isOfDirectory: Bool { !isOfProcess && code != ENOSPC && code != EDQUOT }
}

extension DiskError {
  /// Whether a log whose append ended so can go on: with more space or descriptors, or at another offset.
  package var mayPass: Bool { !isOfDirectory || code == Self.offsetsUsedUp }
}

extension DiskFile {
  package func firstHole(from position: Int) throws(DiskError) -> Int? { nil }
  package func setModified(toMs ms: Int64) throws(DiskError) {}

  /// Copies the parts together first: for files that are no files of the system.
  package func write(_ parts: UnsafeMutableBufferPointer<iovec>, count: Int, at position: Int) throws(DiskError) {
    let whole = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { whole.deallocate() }
    var copied = 0
    for part in parts {
      guard let start = part.iov_base else { continue }
      UnsafeMutableRawBufferPointer(rebasing: whole[copied..<copied + part.iov_len])
        .copyMemory(from: UnsafeRawBufferPointer(start: start, count: part.iov_len))
      copied += part.iov_len
    }
    try write(UnsafeRawBufferPointer(whole), UnsafeRawBufferPointer(start: nil, count: 0), at: position)
  }

  /// Writes `bytes` at `position`.
  package func write(_ bytes: [UInt8], at position: Int) throws(DiskError) {
    try bytes.span.withUnsafeBytes { bytes throws(DiskError) in
      try write(bytes, UnsafeRawBufferPointer(start: nil, count: 0), at: position)
    }
  }

  /// Reads up to `count` bytes at `position`; fewer only at the file's end.
  package func read(_ count: Int, at position: Int) throws(DiskError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var span = bytes.mutableSpan
    let filled = try span.withUnsafeMutableBytes { buffer throws(DiskError) in try read(into: buffer, at: position) }
    bytes.removeLast(count - filled)
    return bytes
  }
}

extension Disk {
  /// Returns a whole file; nil if it does not exist.
  package func contents(of path: String) throws(DiskError) -> [UInt8]? {
    guard let size = try info(path)?.size else { return nil }
    return try open(path, creating: false).read(size, at: 0)
  }
}
