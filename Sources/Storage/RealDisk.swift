import CMillrace
package import Glibc
import Model

/// The machine's file system, by system calls.
package struct RealDisk: Disk {
  package let segmentDescriptors: SegmentDescriptors?

  package init(segmentDescriptors: SegmentDescriptors? = nil) { self.segmentDescriptors = segmentDescriptors }

  package func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    RealFile(try descriptor(of: path, creating: creating), path)
  }

  private func descriptor(of path: String, creating: Bool) throws(DiskError) -> Int32 {
    let flags = O_RDWR | O_CLOEXEC | (creating ? O_CREAT : 0)
    var descriptor = Glibc.open(path, flags, 0o644)
    if descriptor < 0, !creating, errno == EACCES || errno == EROFS {
      // Enough for tools that only look.
      descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    }
    guard descriptor >= 0 else { throw DiskError("open", path, code: errno) }
    return descriptor
  }

  package func names(in directory: String) throws(DiskError) -> [String] {
    guard let stream = opendir(directory) else { throw DiskError("opendir", directory, code: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  package func info(_ path: String) throws(DiskError) -> FileInfo? {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw DiskError("stat", path, code: errno)
    }
    let modified = Int64(status.st_mtim.tv_sec).multipliedClamped(by: 1000)
      .addingClamped(Int64(status.st_mtim.tv_nsec) / 1_000_000)
    return FileInfo(
      size: Int(status.st_size), modifiedMs: modified, isDirectory: status.st_mode & S_IFMT == S_IFDIR,
      identity: FileInfo.Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)))
  }

  package func makeDirectory(_ path: String) throws(DiskError) {
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw DiskError("mkdir", path, code: errno) }
  }

  package func rename(_ from: String, to: String) throws(DiskError) {
    guard Glibc.rename(from, to) == 0 else { throw DiskError("rename", from, code: errno) }
  }

  package func remove(_ path: String) throws(DiskError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw DiskError("unlink", path, code: errno) }
  }

  package func removeDirectory(_ path: String) throws(DiskError) {
    guard rmdir(path) == 0 || errno == ENOENT else { throw DiskError("rmdir", path, code: errno) }
  }

  package func syncDirectory(_ path: String) throws(DiskError) {
    let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw DiskError("open", path, code: errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw DiskError("fsync", path, code: errno) }
  }

  package func lock(_ path: String) throws(DiskError) -> (any DiskFile)? {
    let descriptor = try descriptor(of: path, creating: true)
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let number = errno
      close(descriptor)
      if number == EWOULDBLOCK { return nil }
      throw DiskError("flock", path, code: number)
    }
    return RealFile(descriptor, path, isLocked: true)
  }
}

/// A file descriptor and its life.
package final class RealFile: DiskFile {
  /// The most parts of one system call (Linux: UIO_MAXIOV).
  private static let partsMax = 1024

  package let descriptor: Int32
  /// The path with which the file was opened; a later rename does not show here.
  private let path: String
  private let isLocked: Bool

  package init(_ descriptor: Int32, _ path: String, isLocked: Bool = false) {
    self.descriptor = descriptor
    self.path = path
    self.isLocked = isLocked
  }

  deinit {
    // The lock ends here even where a child process that is just being started still has the descriptor.
    if isLocked { flock(descriptor, LOCK_UN) }
    close(descriptor)
  }

  package func size() throws(DiskError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw DiskError("fstat", path, code: errno) }
    return Int(status.st_size)
  }

  package func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int)
    throws(DiskError)
  {
    let total = first.count + second.count
    var written = 0
    // Once round in nearly every case: a regular file takes a short write only when it is full or interrupted.
    while written < total {
      let count = withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { parts in
        let head = min(written, first.count)
        parts.initializeElement(
          at: 0,
          to: iovec(
            iov_base: first.baseAddress.map { UnsafeMutableRawPointer(mutating: $0 + head) },
            iov_len: first.count - head))
        let tail = written - head
        parts.initializeElement(
          at: 1,
          to: iovec(
            iov_base: second.baseAddress.map { UnsafeMutableRawPointer(mutating: $0 + tail) },
            iov_len: second.count - tail))
        return pwritev(descriptor, parts.baseAddress, 2, position + written)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw DiskError("pwritev", path, code: errno)
      }
      guard count > 0 else { throw DiskError("pwritev", path, code: ENOSPC) }
      written += count
    }
  }

  package func write(
    _ parts: UnsafeMutableBufferPointer<iovec>, count total: Int, at position: Int
  ) throws(DiskError) {
    var written = 0
    var first = 0
    while written < total {
      let wanted = min(parts.count - first, Self.partsMax)
      let count = pwritev(descriptor, parts.baseAddress! + first, Int32(wanted), position + written)
      if count < 0 {
        if errno == EINTR { continue }
        throw DiskError("pwritev", path, code: errno)
      }
      guard count > 0 else { throw DiskError("pwritev", path, code: ENOSPC) }
      written += count
      var left = count
      while first < parts.count, left >= parts[first].iov_len {
        left -= parts[first].iov_len
        first += 1
      }
      guard first < parts.count, left > 0 else { continue }
      parts[first].iov_base += left
      parts[first].iov_len -= left
    }
  }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int {
    var filled = 0
    while filled < buffer.count {
      let count = pread(descriptor, buffer.baseAddress! + filled, buffer.count - filled, position + filled)
      if count < 0 {
        if errno == EINTR { continue }
        throw DiskError("pread", path, code: errno)
      }
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  package func truncate(to size: Int) throws(DiskError) {
    guard ftruncate(descriptor, size) == 0 else { throw DiskError("ftruncate", path, code: errno) }
  }

  package func reserve(_ size: Int) throws(DiskError) {
    let code = posix_fallocate(descriptor, 0, size)
    guard code == 0 else { throw DiskError("posix_fallocate", path, code: code) }
  }

  package func reserveAhead(from position: Int, to end: Int) -> Bool {
    millrace_reserve_ahead(descriptor, position, end - position) == 0
  }

  package func firstHole(from position: Int) throws(DiskError) -> Int? {
    // SEEK_HOLE, which Glibc shows to GNU sources alone. There is no byte to look from at a file's end.
    let found = lseek(descriptor, position, 4)
    guard found < 0 else { return found }
    if [ENXIO, EINVAL, EOPNOTSUPP].contains(errno) { return nil }
    throw DiskError("lseek", path, code: errno)
  }

  package func setModified(toMs ms: Int64) throws(DiskError) {
    let ms = max(0, ms)
    // The last access is left as it is (UTIME_OMIT).
    let times = [
      timespec(tv_sec: 0, tv_nsec: 0x3FFF_FFFE),
      timespec(tv_sec: Int(ms / 1000), tv_nsec: Int(ms % 1000) * 1_000_000),
    ]
    guard futimens(descriptor, times) == 0 else { throw DiskError("futimens", path, code: errno) }
  }

  package func sync() throws(DiskError) {
    guard fdatasync(descriptor) == 0 else { throw DiskError("fdatasync", path, code: errno) }
  }
}
