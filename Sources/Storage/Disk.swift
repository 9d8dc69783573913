import Glibc

/// What the log asks of a file system, so that a test can own one that crashes, tears writes and runs full.
///
/// Paths are absolute or relative to the process. Nothing is durable before a `sync`: neither bytes (`DiskFile.sync`)
/// nor names (`syncDirectory`).
package protocol Disk: Sendable {
  /// Opens a file for reading and writing; creates an empty one where the caller asks for that.
  func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile
  /// Names in a directory, in no order, without `.` and `..`.
  func names(in directory: String) throws(DiskError) -> [String]
  /// Nil where there is no such file.
  func info(_ path: String) throws(DiskError) -> FileInfo?
  /// Makes one directory; one that is already there is not an error.
  func makeDirectory(_ path: String) throws(DiskError)
  /// Replaces `to` when it exists.
  func rename(_ from: String, to: String) throws(DiskError)
  /// Removes a file; one that is already gone is not an error.
  func remove(_ path: String) throws(DiskError)
  /// Removes an empty directory; one that is already gone is not an error.
  func removeDirectory(_ path: String) throws(DiskError)
  /// Makes the names in a directory durable.
  func syncDirectory(_ path: String) throws(DiskError)
  /// Locks a file against other processes and other openers, creating it; nil when someone else holds it. The lock
  /// lasts as long as the returned file.
  func lock(_ path: String) throws(DiskError) -> (any DiskFile)?

  /// An append to a segment leaves zeros behind its last byte: a segment that is closed must be cut to its length.
  var padsFiles: Bool { get }
  /// The first descriptor that a segment may not keep open: those from here on are for what is opened for a moment.
  var segmentDescriptorsEnd: Int { get }
  /// Throws when the file system under a directory cannot do what this disk wants of it.
  func probe(_ directory: String) throws(DiskError)
}

extension Disk {
  package var padsFiles: Bool { false }
  package var segmentDescriptorsEnd: Int { .max }
  package func probe(_ directory: String) throws(DiskError) {}
}

/// An open file. It is closed with its last reference, so that a reader may outlive the file's deletion.
package protocol DiskFile: AnyObject, Sendable {
  /// The descriptor for sendfile; -1 when there is no real file behind.
  var descriptor: Int32 { get }

  func size() throws(DiskError) -> Int
  /// Writes both parts as one gathered write at `position`. After an error any part of them may have been written.
  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError)
  /// Fills `buffer` from `position`; fewer bytes only at the file's end.
  func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int
  func truncate(to size: Int) throws(DiskError)
  /// Allocates blocks up to `size`; the file ends there afterwards, in zeros.
  func reserve(_ size: Int) throws(DiskError)
  /// Allocates blocks from `position` to `end`, beyond the file's end, without moving it: appends then find them there.
  /// False where the file system cannot, or has no room; nothing is wrong then, appends are only dearer.
  func reserveAhead(from position: Int, to end: Int) -> Bool
  /// Where the first bytes begin that were never written; nil where the file system cannot tell.
  func firstHole() throws(DiskError) -> Int?
  /// Returns when the bytes written so far would survive a power failure.
  func sync() throws(DiskError)
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

/// A file operation the system refused.
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
  /// The process or the machine lacks a resource: nothing is wrong with the disk, and the same may succeed later.
  package var isOfProcess: Bool { [EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN].contains(code) }
}

extension DiskError {
  /// The disk or the directory cannot be used, as far as the error tells. A full disk can: what is on it is read, and an
  /// append succeeds when there is room again.
  package var isOfDirectory: Bool { !isOfProcess && code != ENOSPC && code != EDQUOT }
}

extension DiskFile {
  package func firstHole() throws(DiskError) -> Int? { nil }

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
  /// A whole file; nil where there is none.
  package func contents(of path: String) throws(DiskError) -> [UInt8]? {
    guard let size = try info(path)?.size else { return nil }
    return try open(path, creating: false).read(size, at: 0)
  }
}
