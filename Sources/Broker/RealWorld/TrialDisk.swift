import Glibc
package import Storage
import Synchronization

/// The machine's file system to a start that is only tried: files are read as they are, and what is written is kept in memory and
/// forgotten. A write that the system would refuse for want of permission is refused here too.
///
/// Worked case: of `/data` only `/data/meta.properties` exists, and the user may not write to `/data`. The file is read; making
/// `/data/.lock` fails with EACCES, as in a real start; and afterwards `/data` is as it was.
package final class TrialDisk: Disk {
  private let under: any Disk
  private let state = Mutex(State())
  /// Whether the system would let this process write to a path.
  private let mayWrite: @Sendable (_ path: String) -> Bool

  private struct State {
    /// What was written or opened, by path.
    var files: [String: TrialFile] = [:]
    var directories: Set<String> = []
    /// Paths below which nothing of the disk counts any more.
    var removed: Set<String> = []
  }

  /// - Parameter under: is only read.
  package init(
    over under: any Disk = RealDisk(), mayWrite: @escaping @Sendable (String) -> Bool = { access($0, W_OK) == 0 }
  ) {
    self.under = under
    self.mayWrite = mayWrite
  }

  package func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    if let file = state.withLock({ $0.files[path] }) { return file }
    if let contents = try contentsBelow(path) {
      return keep(TrialFile(contents, path, mayWrite: mayWrite(path)), at: path)
    }
    guard creating else { throw DiskError("open", path, code: ENOENT) }
    try checkParent(of: path)
    return keep(TrialFile([], path, mayWrite: true), at: path)
  }

  package func names(in directory: String) throws(DiskError) -> [String] {
    let isNew = state.withLock { $0.directories.contains(directory) }
    var names = Set(isNew ? [] : try under.names(in: directory))
    state.withLock { state in
      names = names.filter { !state.removed.contains("\(directory)/\($0)") }
      for path in Array(state.files.keys) + state.directories where Self.parent(of: path) == directory {
        names.insert(String(path.dropFirst(directory.utf8.count + 1)))
      }
    }
    return names.sorted()
  }

  package func info(_ path: String) throws(DiskError) -> FileInfo? {
    let own = state.withLock { state -> FileInfo? in
      if state.directories.contains(path) { return FileInfo(size: 0, modifiedMs: 0, isDirectory: true) }
      return state.files[path].map { FileInfo(size: $0.count, modifiedMs: 0, isDirectory: false) }
    }
    if let own { return own }
    return isRemoved(path) ? nil : try under.info(path)
  }

  package func makeDirectory(_ path: String) throws(DiskError) {
    if try info(path) != nil { return }
    try checkParent(of: path)
    state.withLock { _ = $0.directories.insert(path) }
  }

  package func rename(_ from: String, to: String) throws(DiskError) {
    guard try info(from)?.isDirectory == false else {
      // Of directories only the old name is asked for again.
      try checkParent(of: from)
      return state.withLock { _ = $0.removed.insert(from) }
    }
    _ = try open(from, creating: false)
    try checkParent(of: to)
    state.withLock { state in
      state.files[to] = state.files.removeValue(forKey: from)
      state.removed.insert(from)
    }
  }

  package func remove(_ path: String) throws(DiskError) {
    guard try info(path) != nil else { return }
    try checkParent(of: path)
    state.withLock { state in
      state.files[path] = nil
      state.removed.insert(path)
    }
  }

  package func removeDirectory(_ path: String) throws(DiskError) {
    state.withLock { state in
      state.directories.remove(path)
      state.removed.insert(path)
    }
  }

  package func syncDirectory(_ path: String) throws(DiskError) {}

  /// Locks nothing: a broker that runs has its files locked, and its configuration may be checked all the same.
  package func lock(_ path: String) throws(DiskError) -> (any DiskFile)? { try open(path, creating: true) }

  // MARK: What is below

  private func contentsBelow(_ path: String) throws(DiskError) -> [UInt8]? {
    isRemoved(path) ? nil : try under.contents(of: path)
  }

  private func isRemoved(_ path: String) -> Bool {
    state.withLock { state in
      var path = path
      while !path.isEmpty {
        if state.removed.contains(path) { return true }
        path = Self.parent(of: path)
      }
      return false
    }
  }

  /// Throws what the system would, if a name could not be made or removed beside `path`.
  private func checkParent(of path: String) throws(DiskError) {
    let parent = Self.parent(of: path)
    let directory = parent.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : parent
    if state.withLock({ $0.directories.contains(directory) }) { return }
    guard let info = try under.info(directory) else { throw DiskError("open", path, code: ENOENT) }
    guard info.isDirectory else { throw DiskError("open", path, code: ENOTDIR) }
    guard mayWrite(directory) else { throw DiskError("open", path, code: EACCES) }
  }

  private func keep(_ file: TrialFile, at path: String) -> TrialFile {
    state.withLock { state in
      state.files[path] = file
      return file
    }
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return String(path[..<slash])
  }
}

/// A file's contents in memory. Never reaches a disk.
private final class TrialFile: DiskFile {
  let descriptor: Int32 = -1
  private let path: String
  private let mayWrite: Bool
  private let bytes: Mutex<[UInt8]>

  init(_ contents: [UInt8], _ path: String, mayWrite: Bool) {
    self.path = path
    self.mayWrite = mayWrite
    bytes = Mutex(contents)
  }

  var count: Int { bytes.withLock { $0.count } }

  func size() throws(DiskError) -> Int { count }

  func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int {
    bytes.withLock { bytes in
      let count = max(0, min(buffer.count, bytes.count - position))
      guard count > 0 else { return 0 }
      buffer.copyBytes(from: bytes[position..<position + count])
      return count
    }
  }

  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
    try checkWrite()
    let whole = Array(first) + Array(second)
    bytes.withLock { bytes in
      let end = position + whole.count
      if bytes.count < end { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
      bytes.replaceSubrange(position..<end, with: whole)
    }
  }

  func truncate(to size: Int) throws(DiskError) {
    try checkWrite()
    bytes.withLock { bytes in
      if size < bytes.count {
        bytes.removeLast(bytes.count - size)
      } else {
        bytes += [UInt8](repeating: 0, count: size - bytes.count)
      }
    }
  }

  func reserve(_ size: Int) throws(DiskError) { if size > count { try truncate(to: size) } }
  func reserveAhead(from position: Int, to end: Int) -> Bool { false }
  func sync() throws(DiskError) {}

  private func checkWrite() throws(DiskError) {
    guard mayWrite else { throw DiskError("open", path, code: EACCES) }
  }
}
