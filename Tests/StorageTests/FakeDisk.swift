import Glibc
import Synchronization

@testable import Storage

/// A file system in memory that loses what was not synced, tears writes at sectors, fails and runs full: on demand, and the
/// same way for the same seed.
///
/// What it promises is what a journalling file system does: of one file's unsynced writes and truncations a prefix survives a
/// crash, the last of it torn at a sector; of unsynced names (makings, renamings, removals) a prefix, in their order.
final class FakeDisk: Disk {
  static let sectorBytes = 512

  enum Fault: Hashable {
    /// The write after so many more fails, having written so many of its bytes.
    case write(after: Int, bytesWritten: Int, code: Int32)
    case sync(after: Int)
    case truncate(after: Int)
  }

  final class Inode {
    var bytes: [UInt8] = []
    var durable: [UInt8] = []
    var pending: [Change] = []

    enum Change {
      case write(position: Int, bytes: [UInt8])
      case truncate(Int)

      func apply(to contents: inout [UInt8]) {
        switch self {
        case .write(let position, let bytes):
          let end = position + bytes.count
          if contents.count < end { contents += [UInt8](repeating: 0, count: end - contents.count) }
          // Not `replaceSubrange`, which goes byte by byte in a debug build.
          contents.withUnsafeMutableBytes { $0[position..<end].copyBytes(from: bytes) }
        case .truncate(let size):
          if contents.count > size {
            contents.removeLast(contents.count - size)
          } else {
            contents += [UInt8](repeating: 0, count: size - contents.count)
          }
        }
      }
    }

    func change(_ change: Change) {
      change.apply(to: &bytes)
      pending.append(change)
    }

    func sync() {
      durable = bytes
      pending.removeAll()
    }
  }

  private enum NameChange {
    case make(String, Inode)
    case rename(String, String)
    case remove(String)

    var directory: String {
      switch self {
      case .make(let path, _), .rename(let path, _), .remove(let path): path.directoryPart
      }
    }

    func apply(to names: inout [String: Inode]) {
      switch self {
      case .make(let path, let inode): names[path] = inode
      case .rename(let from, let to):
        if let inode = names.removeValue(forKey: from) { names[to] = inode }
      case .remove(let path): names[path] = nil
      }
    }
  }

  fileprivate struct State {
    var names: [String: Inode] = [:]
    var durableNames: [String: Inode] = [:]
    private var pendingNames: [NameChange] = []
    var directories: Set<String> = ["/"]
    var locked: Set<String> = []
    var faults: [Fault] = []
    /// Bytes all files may hold.
    var capacity = Int.max
    var writes = 0, syncs = 0, reads = 0
    var syncedDirectories: Set<String> = []

    private mutating func change(_ change: NameChange) {
      change.apply(to: &names)
      pendingNames.append(change)
    }

    mutating func make(_ path: String) -> Inode {
      let inode = Inode()
      change(.make(path, inode))
      return inode
    }

    mutating func rename(_ from: String, _ to: String) { change(.rename(from, to)) }
    mutating func remove(_ path: String) { change(.remove(path)) }

    mutating func sync(directory: String) {
      syncedDirectories.insert(directory)
      for change in pendingNames where change.directory == directory { change.apply(to: &durableNames) }
      pendingNames.removeAll { $0.directory == directory }
    }

    mutating func crash(_ random: inout some RandomNumberGenerator) {
      for _ in 0..<Int.random(in: 0...pendingNames.count, using: &random) {
        pendingNames.removeFirst().apply(to: &durableNames)
      }
      pendingNames.removeAll()
      names = durableNames
      for path in names.keys.sorted() {
        guard let inode = names[path] else { continue }
        let kept = Int.random(in: 0...inode.pending.count, using: &random)
        for change in inode.pending.prefix(kept) { change.apply(to: &inode.durable) }
        if kept < inode.pending.count, case .write(let position, let bytes) = inode.pending[kept] {
          let torn = Self.torn(position, bytes, &random)
          if !torn.isEmpty { Inode.Change.write(position: position, bytes: torn).apply(to: &inode.durable) }
        }
        inode.pending.removeAll()
        inode.bytes = inode.durable
      }
      locked.removeAll()
      faults.removeAll()
    }

    /// What of a write reached the disk: up to some sector's end.
    private static func torn(_ position: Int, _ bytes: [UInt8], _ random: inout some RandomNumberGenerator) -> [UInt8] {
      let sectors = (position + bytes.count) / sectorBytes - position / sectorBytes
      let end = (position / sectorBytes + Int.random(in: 0...sectors, using: &random)) * sectorBytes
      return Array(bytes.prefix(max(0, end - position)))
    }

    /// The fault whose time has come, counting the others down.
    mutating func due(_ matches: (Fault) -> Int?, _ lowered: (Fault) -> Fault) -> Fault? {
      for index in faults.indices {
        guard let after = matches(faults[index]) else { continue }
        if after == 0 { return faults.remove(at: index) }
        faults[index] = lowered(faults[index])
      }
      return nil
    }
  }

  // Inodes are only touched under the lock.
  private final class Box: @unchecked Sendable { var state = State() }
  private let box = Mutex(Box())

  fileprivate func with<T>(_ body: (inout State) throws(DiskError) -> T) throws(DiskError) -> T {
    let result = box.withLock { box -> Result<T, DiskError> in
      do throws(DiskError) { return .success(try body(&box.state)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  // MARK: What tests do to it

  /// The machine loses power: files opened before are of no use any more.
  func crash(_ random: inout some RandomNumberGenerator) {
    var generator = random
    box.withLock { $0.state.crash(&generator) }
    random = generator
  }

  /// The process dies: the kernel keeps what it was given.
  func kill() {
    box.withLock {
      $0.state.locked.removeAll()
      $0.state.faults.removeAll()
    }
  }

  func inject(_ fault: Fault) { box.withLock { $0.state.faults.append(fault) } }
  func removeFaults() { box.withLock { $0.state.faults.removeAll() } }
  func setCapacity(_ bytes: Int) { box.withLock { $0.state.capacity = bytes } }
  var usedBytes: Int { box.withLock { $0.state.names.values.reduce(0) { $0 + $1.bytes.count } } }
  var writes: Int { box.withLock { $0.state.writes } }
  var reads: Int { box.withLock { $0.state.reads } }
  var syncedDirectories: Set<String> { box.withLock { $0.state.syncedDirectories } }
  var syncs: Int { box.withLock { $0.state.syncs } }
  func fileBytes(_ path: String) -> [UInt8]? { box.withLock { $0.state.names[path]?.bytes } }

  /// Changes a file behind the log's back, durably.
  func overwrite(_ path: String, _ change: (inout [UInt8]) -> Void) {
    box.withLock { box in
      guard let inode = box.state.names[path] else { return }
      change(&inode.bytes)
      inode.sync()
    }
  }

  // MARK: Disk

  func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    try with { state throws(DiskError) in
      if let inode = state.names[path] { return FakeFile(self, inode, path) }
      guard creating else { throw DiskError("open", path, code: ENOENT) }
      return FakeFile(self, state.make(path), path)
    }
  }

  func names(in directory: String) throws(DiskError) -> [String] {
    try with { state throws(DiskError) in
      guard state.directories.contains(directory) else { throw DiskError("opendir", directory, code: ENOENT) }
      let paths = state.names.keys.filter { $0.directoryPart == directory }
      let inner = state.directories.filter { $0 != "/" && $0.directoryPart == directory }
      return (paths + inner).map { String($0.dropFirst(directory.count + 1)) }.sorted()
    }
  }

  func info(_ path: String) throws(DiskError) -> FileInfo? {
    try with { state throws(DiskError) in
      if let inode = state.names[path] { return FileInfo(size: inode.bytes.count, modifiedMs: 0, isDirectory: false) }
      return state.directories.contains(path) ? FileInfo(size: 0, modifiedMs: 0, isDirectory: true) : nil
    }
  }

  func makeDirectory(_ path: String) throws(DiskError) {
    try with { state throws(DiskError) in _ = state.directories.insert(path) }
  }

  func rename(_ from: String, to: String) throws(DiskError) {
    try with { state throws(DiskError) in
      if state.directories.contains(from) {
        state.directories.remove(from)
        state.directories.insert(to)
        for path in state.names.keys.sorted() where path.hasPrefix(from + "/") {
          state.rename(path, to + path.dropFirst(from.count))
        }
        return
      }
      guard state.names[from] != nil else { throw DiskError("rename", from, code: ENOENT) }
      state.rename(from, to)
    }
  }

  func remove(_ path: String) throws(DiskError) {
    try with { state throws(DiskError) in
      if state.names[path] != nil { state.remove(path) }
    }
  }

  func removeDirectory(_ path: String) throws(DiskError) {
    try with { state throws(DiskError) in _ = state.directories.remove(path) }
  }

  func syncDirectory(_ path: String) throws(DiskError) {
    try with { state throws(DiskError) in state.sync(directory: path) }
  }

  func lock(_ path: String) throws(DiskError) -> (any DiskFile)? {
    try with { state throws(DiskError) in
      guard state.locked.insert(path).inserted else { return nil }
      return FakeFile(self, state.names[path] ?? state.make(path), path, isLock: true)
    }
  }

  fileprivate func unlock(_ path: String) { box.withLock { _ = $0.state.locked.remove(path) } }
}

// The inode is only touched under its disk's lock.
final class FakeFile: DiskFile, @unchecked Sendable {
  let descriptor: Int32 = -1
  private let disk: FakeDisk
  private let inode: FakeDisk.Inode
  private let path: String
  private let isLock: Bool

  init(_ disk: FakeDisk, _ inode: FakeDisk.Inode, _ path: String, isLock: Bool = false) {
    self.disk = disk
    self.inode = inode
    self.path = path
    self.isLock = isLock
  }

  deinit { if isLock { disk.unlock(path) } }

  func size() throws(DiskError) -> Int { try disk.with { _ throws(DiskError) in inode.bytes.count } }

  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
    let bytes = Array(first) + Array(second)
    try disk.with { state throws(DiskError) in
      state.writes += 1
      let fault = state.due({ if case .write(let after, _, _) = $0 { after } else { nil } }) {
        guard case .write(let after, let bytesWritten, let code) = $0 else { return $0 }
        return .write(after: after - 1, bytesWritten: bytesWritten, code: code)
      }
      if case .write(_, let count, let code) = fault {
        if count > 0 { inode.change(.write(position: position, bytes: Array(bytes.prefix(count)))) }
        throw DiskError("write", path, code: code)
      }
      let used = state.names.values.reduce(0) { $0 + $1.bytes.count }
      let growth = max(0, position + bytes.count - inode.bytes.count)
      if used + growth > state.capacity {
        let room = max(0, bytes.count - (used + growth - state.capacity))
        if room > 0 { inode.change(.write(position: position, bytes: Array(bytes.prefix(room)))) }
        throw DiskError("write", path, code: ENOSPC)
      }
      inode.change(.write(position: position, bytes: bytes))
    }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int {
    try disk.with { state throws(DiskError) in
      state.reads += 1
      let count = max(0, min(buffer.count, inode.bytes.count - position))
      guard count > 0 else { return 0 }
      inode.bytes.withUnsafeBytes {
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
      }
      return count
    }
  }

  func truncate(to size: Int) throws(DiskError) {
    try disk.with { state throws(DiskError) in
      let fault = state.due({ if case .truncate(let after) = $0 { after } else { nil } }) {
        guard case .truncate(let after) = $0 else { return $0 }
        return .truncate(after: after - 1)
      }
      guard fault == nil else { throw DiskError("truncate", path, code: EIO) }
      inode.change(.truncate(size))
    }
  }

  func reserve(_ size: Int) throws(DiskError) {
    try disk.with { state throws(DiskError) in if inode.bytes.count < size { inode.change(.truncate(size)) } }
  }

  func reserveAhead(from position: Int, to end: Int) -> Bool { true }

  func sync() throws(DiskError) {
    try disk.with { state throws(DiskError) in
      state.syncs += 1
      let fault = state.due({ if case .sync(let after) = $0 { after } else { nil } }) {
        guard case .sync(let after) = $0 else { return $0 }
        return .sync(after: after - 1)
      }
      guard fault == nil else { throw DiskError("sync", path, code: EIO) }
      inode.sync()
    }
  }
}
