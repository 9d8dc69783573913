@testable import Storage
@testable import StorageArms

/// A fake disk with a cache of the process in front of its segments.
struct CachedFakeDisk: Disk {
  private let disk: FakeDisk
  private let cache: ProcessCache

  init(_ disk: FakeDisk, _ cache: ProcessCache) {
    self.disk = disk
    self.cache = cache
  }

  func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    let file = try disk.open(path, creating: creating)
    return path.hasSuffix(Segment.logSuffix) ? try CachedFile(file, cache) : file
  }

  func names(in directory: String) throws(DiskError) -> [String] { try disk.names(in: directory) }
  func info(_ path: String) throws(DiskError) -> FileInfo? { try disk.info(path) }
  func makeDirectory(_ path: String) throws(DiskError) { try disk.makeDirectory(path) }
  func rename(_ from: String, to: String) throws(DiskError) { try disk.rename(from, to: to) }
  func remove(_ path: String) throws(DiskError) { try disk.remove(path) }
  func removeDirectory(_ path: String) throws(DiskError) { try disk.removeDirectory(path) }
  func syncDirectory(_ path: String) throws(DiskError) { try disk.syncDirectory(path) }
  func lock(_ path: String) throws(DiskError) -> (any DiskFile)? { try disk.lock(path) }
}
