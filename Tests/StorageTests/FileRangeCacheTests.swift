import Glibc
import Testing

@testable import Storage

@Suite("Whether the page cache has a range")
struct FileRangeCacheTests {
  @Test("a range is cold when any page of it is not there, and warm once it was read")
  func cold() throws {
    let temporary = try TemporaryDirectory()
    let path = "\(temporary.path)/segment"
    let pages = 64
    let pageBytes = 4096
    let file = try RealDisk().open(path, creating: true)
    let bytes = [UInt8](repeating: 7, count: pages * pageBytes - 100)
    try file.write(bytes, at: 0)
    let segment = SegmentFile(file, path: path)
    func range(_ from: Int, _ count: Int) -> FileRange { FileRange(file: segment, position: from, length: count) }
    let all = range(0, bytes.count)
    #expect(!all.isCold, "just written")

    fdatasync(segment.descriptor)
    posix_fadvise(segment.descriptor, 0, 0, POSIX_FADV_DONTNEED)
    try #require(
      all.isCold, "the file system keeps no page cache that can be dropped, or the kernel tells nothing of it")
    // Reads of one page are to bring no others.
    posix_fadvise(segment.descriptor, 0, 0, POSIX_FADV_RANDOM)
    range(3 * pageBytes + 50, 10).warm()
    #expect(!range(3 * pageBytes, pageBytes).isCold)
    #expect(range(3 * pageBytes + 4095, 2).isCold, "its second byte is on the next page")
    #expect(range(2 * pageBytes, 2 * pageBytes).isCold)

    all.warm()
    #expect(!all.isCold)
    #expect(!range(bytes.count, 0).isCold)
  }
}
