import CMillrace
import Glibc
package import Storage

/// The machine's file system with other ways to and from segments' files than the page cache. All other files, the indexes too, are
/// read and written as ever.
package struct SwitchedDisk: Disk {
  private let real = RealDisk()
  private let kind: CacheKind
  private let cache: ProcessCache?
  private let writePath: WritePath

  /// - Parameter cache: needed by every kind but `page`.
  package init(_ kind: CacheKind, cache: ProcessCache?, writePath: WritePath) {
    precondition((kind == .page) == (cache == nil), "a cache of kind \(kind) \(cache == nil ? "without" : "with") one")
    self.kind = kind
    self.cache = cache
    self.writePath = writePath
  }

  private var use: DirectFile.Use {
    DirectFile.Use(readsDirectly: kind == .process, writesDirectly: writePath == .direct)
  }
  private var usesDirectFiles: Bool { use.readsDirectly || use.writesDirectly }
  /// An append leaves zeros behind its last byte: a segment that is closed must be cut to its length.
  package var padsFiles: Bool { use.writesDirectly }

  package func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    guard path.hasSuffix(LogFileSuffix.log) else { return try real.open(path, creating: creating) }
    let file: any DiskFile =
      usesDirectFiles
      ? try DirectFile(path, creating: creating, use: use) : try real.open(path, creating: creating)
    guard let cache else { return file }
    return try CachedFile(file, cache)
  }

  /// Tries whether the file system under a directory takes direct reads and writes, when they are wanted.
  package func probe(_ directory: String) throws(DiskError) {
    guard usesDirectFiles else { return }
    let path = "\(directory)/.direct-probe"
    defer { unlink(path) }
    let file = try DirectFile(path, creating: true, use: DirectFile.Use(readsDirectly: true, writesDirectly: true))
    try file.write([1, 2, 3], at: 0)
    _ = try file.read(3, at: 0)
  }

  package func names(in directory: String) throws(DiskError) -> [String] { try real.names(in: directory) }
  package func info(_ path: String) throws(DiskError) -> FileInfo? { try real.info(path) }
  package func makeDirectory(_ path: String) throws(DiskError) { try real.makeDirectory(path) }
  package func rename(_ from: String, to: String) throws(DiskError) { try real.rename(from, to: to) }
  package func remove(_ path: String) throws(DiskError) { try real.remove(path) }
  package func removeDirectory(_ path: String) throws(DiskError) { try real.removeDirectory(path) }
  package func syncDirectory(_ path: String) throws(DiskError) { try real.syncDirectory(path) }
  package func lock(_ path: String) throws(DiskError) -> (any DiskFile)? { try real.lock(path) }
}
