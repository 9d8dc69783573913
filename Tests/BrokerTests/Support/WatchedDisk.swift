import DiskSupport
import Glibc
import NIOPosix
import Storage
import Synchronization

/// The real disk, which notes what event loops ask of it and can run out of descriptors.
final class WatchedDisk: ForwardingDisk {
  let real = RealDisk()
  private let state = Mutex(State())

  private struct State {
    var onLoops: [String] = []
    /// Files that can still be created; nil: as many as the system allows.
    var filesLeft: Int?
    var changes: [String] = []
    var after: (@Sendable (_ operation: String, _ path: String) -> Void)?
  }

  /// Operations that an event loop waited for.
  var onLoops: [String] { state.withLock { $0.onLoops } }

  func forget() { state.withLock { $0.onLoops = [] } }

  /// From now on so many files can be created, then descriptors have run out; nil: they have not.
  func allow(files: Int?) { state.withLock { $0.filesLeft = files } }

  /// Directories that were made and names that were changed, `mkdir` or `rename` before the path, in their order.
  var changes: [String] { state.withLock { $0.changes } }

  /// Calls `body` after each of these, on the thread that did it.
  func after(_ body: @escaping @Sendable (_ operation: String, _ path: String) -> Void) {
    state.withLock { $0.after = body }
  }

  private func changed(_ operation: String, _ path: String) {
    let after = state.withLock { state in
      state.changes.append("\(operation) \(path)")
      return state.after
    }
    after?(operation, path)
  }

  fileprivate func note(_ operation: String, _ path: String) {
    guard MultiThreadedEventLoopGroup.currentEventLoop != nil else { return }
    state.withLock { $0.onLoops.append("\(operation) \(path)") }
  }

  func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    note("open", path)
    let isAllowed =
      !creating
      || state.withLock { state in
        guard let left = state.filesLeft else { return true }
        state.filesLeft = max(0, left - 1)
        return left > 0
      }
    // The journal is open for good; a broker without any descriptor left can still write to it.
    guard isAllowed || path.hasSuffix(".journal") else { throw DiskError("open", path, code: EMFILE) }
    let file = try real.open(path, creating: creating)
    return path.hasSuffix(".journal") ? WatchedFile(file, self) : file
  }

  func names(in directory: String) throws(DiskError) -> [String] {
    note("names", directory)
    return try real.names(in: directory)
  }
  func info(_ path: String) throws(DiskError) -> FileInfo? {
    note("info", path)
    return try real.info(path)
  }
  func makeDirectory(_ path: String) throws(DiskError) {
    note("makeDirectory", path)
    try real.makeDirectory(path)
    changed("mkdir", path)
  }
  func rename(_ from: String, to: String) throws(DiskError) {
    note("rename", from)
    try real.rename(from, to: to)
    changed("rename", from)
  }
  func remove(_ path: String) throws(DiskError) {
    note("remove", path)
    try real.remove(path)
  }
  func removeDirectory(_ path: String) throws(DiskError) {
    note("removeDirectory", path)
    try real.removeDirectory(path)
  }
  func syncDirectory(_ path: String) throws(DiskError) {
    note("syncDirectory", path)
    try real.syncDirectory(path)
  }
}

/// The z-node journal, whose every write and flush is noted.
private final class WatchedFile: ForwardingFile {
  let real: any DiskFile
  private let disk: WatchedDisk

  init(_ real: any DiskFile, _ disk: WatchedDisk) {
    self.real = real
    self.disk = disk
  }

  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
    disk.note("write", "journal")
    try real.write(first, second, at: position)
  }
  func sync() throws(DiskError) {
    disk.note("sync", "journal")
    try real.sync()
  }
}
