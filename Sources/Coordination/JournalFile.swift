internal import CMillrace
internal import Glibc

/// Where a journal's bytes are kept: one file that is appended to, cut, and replaced as a whole.
package protocol JournalStore: AnyObject {
  /// All bytes of the journal; empty when there is none yet.
  func load() throws(JournalStoreError) -> [UInt8]
  /// Writes `bytes` at `position`, the end, and flushes them: returned means on disk.
  func append(_ bytes: [UInt8], at position: Int) throws(JournalStoreError)
  func truncate(to length: Int) throws(JournalStoreError)
  /// Puts `bytes` in place of the whole journal: after a crash it is either the old one or this.
  func replace(with bytes: [UInt8]) throws(JournalStoreError)
  func close()
}

package struct JournalStoreError: Error, Sendable, CustomStringConvertible {
  /// The system call.
  package var call: String
  package var path: String
  package var errno: Int32
  /// A failed flush: what is on disk is unknown from now on.
  package var isFlush: Bool { call == "fdatasync" || call == "fsync" }

  package init(call: String, path: String, errno: Int32) {
    self.call = call
    self.path = path
    self.errno = errno
  }

  package var description: String { "\(call) \(path): \(String(cString: strerror(errno)))" }
}

/// `znodes.journal` in a directory, locked against other processes while open.
package final class JournalFile: JournalStore {
  package static let name = "znodes.journal"

  private let directory: String
  private let path: String
  private var descriptor: Int32

  /// Opens the journal in `directory`, which must exist; makes it when it is not there.
  ///
  /// - Throws: `flock` with EWOULDBLOCK when another process has it open for writing.
  package init(directory: String) throws(JournalStoreError) {
    self.directory = directory
    path = "\(directory)/\(Self.name)"
    unlink("\(path).tmp")
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw JournalStoreError(call: "open", path: path, errno: errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let reason = errno
      Glibc.close(descriptor)
      throw JournalStoreError(call: "flock", path: path, errno: reason)
    }
    try syncDirectory()
  }

  deinit { close() }

  package func close() {
    guard descriptor >= 0 else { return }
    // A child process that is just being started has our descriptors until it runs its program, and the lock with them.
    flock(descriptor, LOCK_UN)
    Glibc.close(descriptor)
    descriptor = -1
  }

  package func load() throws(JournalStoreError) -> [UInt8] { try Self.read(descriptor, path) }

  /// The bytes of a directory's journal, for reading beside the process that writes it; nil when there is none.
  package static func read(directory: String) throws(JournalStoreError) -> [UInt8]? {
    let path = "\(directory)/\(name)"
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw JournalStoreError(call: "open", path: path, errno: errno)
    }
    defer { Glibc.close(descriptor) }
    return try read(descriptor, path)
  }

  package func append(_ bytes: [UInt8], at position: Int) throws(JournalStoreError) {
    try Self.write(bytes, at: position, to: descriptor, path)
    guard fdatasync(descriptor) == 0 else { throw JournalStoreError(call: "fdatasync", path: path, errno: errno) }
  }

  package func truncate(to length: Int) throws(JournalStoreError) {
    guard ftruncate(descriptor, off_t(length)) == 0 else {
      throw JournalStoreError(call: "ftruncate", path: path, errno: errno)
    }
    guard fdatasync(descriptor) == 0 else { throw JournalStoreError(call: "fdatasync", path: path, errno: errno) }
  }

  package func replace(with bytes: [UInt8]) throws(JournalStoreError) {
    let temporary = "\(path).tmp"
    let new = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard new >= 0 else { throw JournalStoreError(call: "open", path: temporary, errno: errno) }
    do throws(JournalStoreError) {
      // Locked before it has the name, so that no moment is without a lock.
      guard flock(new, LOCK_EX | LOCK_NB) == 0 else {
        throw JournalStoreError(call: "flock", path: temporary, errno: errno)
      }
      try Self.write(bytes, at: 0, to: new, temporary)
      guard fdatasync(new) == 0 else { throw JournalStoreError(call: "fdatasync", path: temporary, errno: errno) }
      guard rename(temporary, path) == 0 else { throw JournalStoreError(call: "rename", path: temporary, errno: errno) }
    } catch {
      Glibc.close(new)
      throw error
    }
    Glibc.close(descriptor)
    descriptor = new
    try syncDirectory()
  }

  private func syncDirectory() throws(JournalStoreError) {
    let handle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard handle >= 0 else { throw JournalStoreError(call: "open", path: directory, errno: errno) }
    defer { Glibc.close(handle) }
    guard fsync(handle) == 0 else { throw JournalStoreError(call: "fsync", path: directory, errno: errno) }
  }

  private static func write(
    _ bytes: [UInt8], at position: Int, to descriptor: Int32, _ path: String
  ) throws(JournalStoreError) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        pwrite(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(position + done))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw JournalStoreError(call: "pwrite", path: path, errno: count < 0 ? errno : EIO) }
      done += count
    }
  }

  private static func read(_ descriptor: Int32, _ path: String) throws(JournalStoreError) -> [UInt8] {
    var info = Glibc.stat()
    guard fstat(descriptor, &info) == 0 else { throw JournalStoreError(call: "fstat", path: path, errno: errno) }
    var bytes = [UInt8](repeating: 0, count: Int(info.st_size))
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(done))
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw JournalStoreError(call: "pread", path: path, errno: errno) }
      if count == 0 { break }
      done += count
    }
    bytes.removeLast(bytes.count - done)
    return bytes
  }
}
