internal import Glibc
package import Storage

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

  package var description: String {
    if call == "flock", errno == EWOULDBLOCK { return "\(path) is in use by another broker" }
    return "\(call) \(path): \(String(cString: strerror(errno)))"
  }
}

/// `znodes.journal` in a directory, locked against other processes while open.
package final class JournalFile: JournalStore {
  package static let name = "znodes.journal"

  private let disk: any Disk
  private let directory: String
  private let path: String
  /// The journal, which is also its own lock. Nil once it is closed.
  private var file: (any DiskFile)?

  /// Opens the journal in `directory`, which must exist; makes it when it is not there.
  ///
  /// - Throws: `flock` with EWOULDBLOCK when another process has it open for writing.
  package init(disk: any Disk, directory: String) throws(JournalStoreError) {
    self.disk = disk
    self.directory = directory
    path = "\(directory)/\(Self.name)"
    do throws(DiskError) {
      try disk.remove("\(path).tmp")
      file = try disk.lock(path)
      guard file != nil else { throw DiskError("flock", path, code: EWOULDBLOCK) }
      try disk.syncDirectory(directory)
    } catch { throw JournalStoreError(error) }
  }

  package func close() { file = nil }

  package func load() throws(JournalStoreError) -> [UInt8] {
    let path = path
    return try on { file throws(DiskError) in
      let size = try file.size()
      let bytes = try file.read(size, at: 0)
      guard bytes.count == size else { throw DiskError("pread", path, code: EIO) }
      return bytes
    }
  }

  /// The bytes of a directory's journal, for reading beside the process that writes it; nil when there is none.
  package static func read(disk: any Disk, directory: String) throws(JournalStoreError) -> [UInt8]? {
    do { return try disk.contents(of: "\(directory)/\(name)") } catch { throw JournalStoreError(error) }
  }

  package func append(_ bytes: [UInt8], at position: Int) throws(JournalStoreError) {
    try on { file throws(DiskError) in
      try file.write(bytes, at: position)
      try file.sync()
    }
  }

  package func truncate(to length: Int) throws(JournalStoreError) {
    try on { file throws(DiskError) in
      try file.truncate(to: length)
      try file.sync()
    }
  }

  package func replace(with bytes: [UInt8]) throws(JournalStoreError) {
    let temporary = "\(path).tmp"
    do throws(DiskError) {
      // Locked before it has the name, so that no moment is without a lock.
      guard let new = try disk.lock(temporary) else { throw DiskError("flock", temporary, code: EWOULDBLOCK) }
      try new.truncate(to: 0)
      try new.write(bytes, at: 0)
      try new.sync()
      try disk.rename(temporary, to: path)
      file = new
    } catch { throw JournalStoreError(error) }
    // The new journal has the name. Whatever keeps the name from the disk, a crash may bring the old journal back.
    do { try disk.syncDirectory(directory) } catch {
      throw JournalStoreError(call: "fsync", path: error.path, errno: error.code)
    }
  }

  private func on<Result>(
    _ body: (any DiskFile) throws(DiskError) -> Result
  ) throws(JournalStoreError) -> Result {
    do throws(DiskError) {
      guard let file else { throw DiskError("pwrite", path, code: EBADF) }
      return try body(file)
    } catch { throw JournalStoreError(error) }
  }
}

extension JournalStoreError {
  init(_ error: DiskError) { self.init(call: error.operation, path: error.path, errno: error.code) }
}
