internal import CMillrace
import Glibc

/// A file of incompressible bytes to read from, and what the page cache holds of it.
package struct DataFile: Sendable {
  package let path: String
  package let byteCount: Int

  /// Opens an existing file. Throws when there is none, or it is empty.
  package init(path: String) throws(MechanismError) {
    var status = stat()
    try check("stat \(path)") { stat(path, &status) }
    guard status.st_size > 0 else { throw .badPlan("\(path) is empty") }
    self.path = path
    byteCount = Int(status.st_size)
  }

  package static let usualWriteBytes = 1 << 20
  private static let writeBytesMax = 64 << 20

  /// Writes `byteCount` seeded bytes to `path`, `writeBytes` at a time, and syncs them, so that dropping the cache really drops.
  package static func make(
    path: String, byteCount: Int, seed: UInt64, writeBytes: Int = usualWriteBytes
  ) throws(MechanismError) -> DataFile {
    guard (1...writeBytesMax).contains(writeBytes) else {
      throw .badPlan("a file is written 1 to \(writeBytesMax) bytes at a time, not \(writeBytes)")
    }
    let file = try check("create \(path)") { open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o644) }
    defer { close(file) }
    let buffer = alignedBuffer(byteCount: writeBytes)
    defer { buffer.deallocate() }
    var written = 0
    while written < byteCount {
      fillIncompressible(buffer, seed: seed &+ UInt64(written))
      let count = min(buffer.count, byteCount - written)
      written += try check("write \(path)") { write(file, buffer.baseAddress, count) }
    }
    try check("fsync \(path)") { fsync(file) }
    return try DataFile(path: path)
  }

  /// The share of the file's pages in the page cache, 0...1, by mincore(2).
  package func residentShare() throws(MechanismError) -> Double {
    let pages = try residentPages()
    return Double(pages.count { $0 & 1 == 1 }) / Double(pages.count)
  }

  /// A byte for each page, of which the lowest bit says whether the page cache holds it.
  func residentPages() throws(MechanismError) -> [UInt8] {
    let file = try check("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
    defer { close(file) }
    guard let map = mmap(nil, byteCount, PROT_READ, MAP_SHARED, file, 0), map != MAP_FAILED else {
      throw .call("mmap \(path)", errno: errno)
    }
    defer { munmap(map, byteCount) }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    var pages = [UInt8](repeating: 0, count: (byteCount + page - 1) / page)
    let length = byteCount
    try check("mincore \(path)") { mincore(map, length, &pages) }
    return pages
  }

  /// Reads the whole file once.
  package func warm() throws(MechanismError) {
    _ = try checksum()
  }

  /// A page that sendfile sent stays as long as a processor holds its message (`millrace_free_received`), and one that another
  /// processor is just moving between the kernel's lists is passed over by one call and dropped by a later one: so many, with a
  /// pause between them, when the machine is busy.
  private static let evictAttempts = 300
  private static let evictPauseMs = 10

  /// Writes back and drops the file's pages, as far as the kernel does: `residentShare` tells.
  package func evict() throws(MechanismError) {
    let file = try check("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
    defer { close(file) }
    try check("fsync \(path)") { fsync(file) }
    for _ in 0..<Self.evictAttempts {
      let code = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
      if code != 0 { throw .call("posix_fadvise \(path)", errno: code) }
      if try residentShare() == 0 { return }
      millrace_free_received()
      var pause = timespec(tv_sec: 0, tv_nsec: Self.evictPauseMs * 1_000_000)
      nanosleep(&pause, nil)
    }
  }

  /// CRC-32C of the whole file.
  package func checksum() throws(MechanismError) -> UInt32 {
    let file = try check("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
    defer { close(file) }
    let buffer = alignedBuffer(byteCount: 1 << 20)
    defer { buffer.deallocate() }
    var crc: UInt32 = 0
    while true {
      let count = try check("read \(path)") { read(file, buffer.baseAddress, buffer.count) }
      if count == 0 { return crc }
      crc = millrace_crc32c(crc, buffer.baseAddress, count)
    }
  }
}
