import Base
import Glibc
import Model
package import Storage

/// Simulates a file system in memory, which loses unsynced data at a power failure, tears writes at sectors, fails, and runs
/// full.
///
/// The disk promises what POSIX promises and no more: bytes survive a power failure once their file was synced, a name once its
/// directory was. Of unsynced changes the seed decides: either none survives, or a prefix in their order, as with a
/// journalling file system, with the last write torn at a sector.
///
/// Used by one thread, that of the simulation.
package final class SimulatedDisk: @unchecked Sendable {
  static let sectorBytes = 512

  /// Holds a file's bytes, and those that a power failure would leave.
  final class Inode {
    var bytes: [UInt8] = []
    fileprivate var durable: [UInt8] = []
    fileprivate var pending: [(number: UInt64, change: Change)] = []
    /// The generation of the mount that holds the lock.
    fileprivate var lockedBy: Int?

    fileprivate enum Change {
      case write(position: Int, bytes: [UInt8])
      case truncate(Int)

      func apply(to contents: inout [UInt8]) {
        switch self {
        case .write(let position, let bytes):
          let end = position + bytes.count
          if contents.count < end { contents += [UInt8](repeating: 0, count: end - contents.count) }
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

    fileprivate func sync() {
      durable = bytes
      pending.removeAll()
    }
  }

  /// Holds a directory's names, and those that a power failure would leave.
  fileprivate final class Directory {
    var names: [String: Node] = [:]
    var durable: [String: Node] = [:]
    var pending: [(number: UInt64, change: NameChange)] = []

    func sync() {
      for (_, change) in pending { change.apply(to: &durable) }
      pending.removeAll()
    }
  }

  fileprivate enum Node {
    case file(Inode)
    case directory(Directory)
  }

  fileprivate enum NameChange {
    case put(String, Node)
    case rename(String, String)
    case remove(String)

    func apply(to names: inout [String: Node]) {
      switch self {
      case .put(let name, let node): names[name] = node
      case .rename(let from, let to): if let node = names.removeValue(forKey: from) { names[to] = node }
      case .remove(let name): names[name] = nil
      }
    }
  }

  private let root = Directory()
  private var changes: UInt64 = 0
  /// Raised by each crash; files opened in an earlier generation fail.
  fileprivate private(set) var generation = 0
  private var descriptors: [Int32: Inode] = [:]
  private var nextDescriptor: Int32 = 1 << 20
  /// The most bytes of all files together.
  package var capacity = Int.max
  /// Number of next writes that fail, after writing a part.
  package var writesToFail = 0
  /// Number of next file syncs that fail.
  package var syncsToFail = 0
  private var random: SplitMix
  /// The number of open files.
  package private(set) var openFiles = 0

  package init(seed: UInt64) { random = SplitMix(seed: seed) }

  /// Returns the disk for one node, valid until the next crash.
  package func mount() -> any Disk { Mounted(disk: self, generation: generation) }

  /// Kills the process; the kernel keeps all writes.
  package func kill() { generation += 1 }

  /// Loses power: unsynced changes may be lost.
  package func losePower() {
    generation += 1
    let keepsPrefix = random.below(2) == 0
    let last = keepsPrefix ? changes - UInt64(random.below(Int(min(changes, 200)) + 1)) : 0
    crash(root, keepingUpTo: keepsPrefix ? last : nil)
  }

  private func crash(_ directory: Directory, keepingUpTo last: UInt64?) {
    for (number, change) in directory.pending {
      guard let last, number <= last else { break }
      change.apply(to: &directory.durable)
    }
    directory.pending.removeAll()
    directory.names = directory.durable
    for name in directory.names.keys.sorted() {
      switch directory.names[name] {
      case .directory(let inner): crash(inner, keepingUpTo: last)
      case .file(let inode): crash(inode, keepingUpTo: last)
      case nil: break
      }
    }
  }

  private func crash(_ inode: Inode, keepingUpTo last: UInt64?) {
    for (number, change) in inode.pending {
      if let last, number <= last {
        change.apply(to: &inode.durable)
        continue
      }
      if last != nil, case .write(let position, let bytes) = change {
        let sectors = (position + bytes.count) / Self.sectorBytes - position / Self.sectorBytes
        let end = (position / Self.sectorBytes + random.below(sectors + 1)) * Self.sectorBytes
        let torn = Array(bytes.prefix(max(0, end - position)))
        if !torn.isEmpty { Inode.Change.write(position: position, bytes: torn).apply(to: &inode.durable) }
      }
      break
    }
    inode.pending.removeAll()
    inode.bytes = inode.durable
  }

  // MARK: For the simulation

  /// Reads from an open file as sendfile would: fewer bytes at the end of the file.
  package func read(descriptor: Int32, at position: Int, count: Int) -> ArraySlice<UInt8>? {
    guard let inode = descriptors[descriptor] else { return nil }
    guard position <= inode.bytes.count else { return [] }
    return inode.bytes[position..<min(inode.bytes.count, position + count)]
  }

  /// Returns a file's contents; nil if it does not exist.
  package func contents(_ path: String) -> [UInt8]? {
    if case .file(let inode)? = node(path) { return inode.bytes }
    return nil
  }

  /// Returns the names in a directory, sorted.
  package func list(_ path: String) -> [String] {
    if case .directory(let directory)? = node(path) { return directory.names.keys.sorted() }
    return []
  }

  // MARK: Names

  private static func split(_ path: String) -> [Substring] { path.split(separator: "/") }

  private func node(_ path: String) -> Node? {
    var node = Node.directory(root)
    for name in Self.split(path) {
      guard case .directory(let directory) = node, let next = directory.names[String(name)] else { return nil }
      node = next
    }
    return node
  }

  private func parent(_ operation: String, _ path: String) throws(DiskError) -> (Directory, String) {
    let parts = Self.split(path)
    guard let name = parts.last else { throw DiskError(operation, path, code: EINVAL) }
    guard case .directory(let directory)? = node(parts.dropLast().joined(separator: "/")) else {
      throw DiskError(operation, path, code: ENOENT)
    }
    return (directory, String(name))
  }

  private func change(_ directory: Directory, _ change: NameChange) {
    changes += 1
    change.apply(to: &directory.names)
    directory.pending.append((changes, change))
  }

  fileprivate func change(_ inode: Inode, _ change: Inode.Change) {
    changes += 1
    change.apply(to: &inode.bytes)
    inode.pending.append((changes, change))
  }

  private var usedBytes: Int { Self.usedBytes(root) }

  private static func usedBytes(_ directory: Directory) -> Int {
    directory.names.values.reduce(0) { sum, node in
      switch node {
      case .file(let inode): sum + inode.bytes.count
      case .directory(let inner): sum + usedBytes(inner)
      }
    }
  }

  fileprivate func checkMounted(_ generation: Int, _ operation: String, _ path: String) throws(DiskError) {
    guard generation == self.generation else { throw DiskError(operation, path, code: EIO) }
  }

  // MARK: Files

  fileprivate func opened(_ inode: Inode) -> Int32 {
    openFiles += 1
    nextDescriptor += 1
    descriptors[nextDescriptor] = inode
    return nextDescriptor
  }

  fileprivate func closed(_ descriptor: Int32, _ generation: Int, isLock: Bool) {
    openFiles -= 1
    guard let inode = descriptors.removeValue(forKey: descriptor) else { return }
    if isLock, inode.lockedBy == generation { inode.lockedBy = nil }
  }

  fileprivate func write(_ bytes: [UInt8], to inode: Inode, at position: Int, _ path: String) throws(DiskError) {
    if writesToFail > 0 {
      writesToFail -= 1
      let part = random.below(bytes.count + 1)
      if part > 0 { change(inode, .write(position: position, bytes: Array(bytes.prefix(part)))) }
      throw DiskError("pwritev", path, code: EIO)
    }
    if capacity < .max {
      let growth = max(0, position + bytes.count - inode.bytes.count)
      let over = usedBytes + growth - capacity
      if growth > 0, over > 0 {
        let room = max(0, bytes.count - over)
        if room > 0 { change(inode, .write(position: position, bytes: Array(bytes.prefix(room)))) }
        throw DiskError("pwritev", path, code: ENOSPC)
      }
    }
    change(inode, .write(position: position, bytes: bytes))
  }

  fileprivate func sync(_ inode: Inode, _ path: String) throws(DiskError) {
    if syncsToFail > 0 {
      syncsToFail -= 1
      throw DiskError("fdatasync", path, code: EIO)
    }
    inode.sync()
  }

  // MARK: As a Disk

  fileprivate struct Mounted: Disk {
    let disk: SimulatedDisk
    let generation: Int

    func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
      SimulatedFile(disk, try inode("open", path, creating: creating), path, generation)
    }

    private func inode(_ operation: String, _ path: String, creating: Bool) throws(DiskError) -> Inode {
      try disk.checkMounted(generation, operation, path)
      switch disk.node(path) {
      case .file(let inode)?: return inode
      case .directory?: throw DiskError(operation, path, code: EISDIR)
      case nil: break
      }
      guard creating else { throw DiskError(operation, path, code: ENOENT) }
      let (directory, name) = try disk.parent(operation, path)
      let inode = Inode()
      disk.change(directory, .put(name, .file(inode)))
      return inode
    }

    func names(in directory: String) throws(DiskError) -> [String] {
      try disk.checkMounted(generation, "opendir", directory)
      switch disk.node(directory) {
      case .directory(let found)?: return found.names.keys.sorted()
      case .file?: throw DiskError("opendir", directory, code: ENOTDIR)
      case nil: throw DiskError("opendir", directory, code: ENOENT)
      }
    }

    func info(_ path: String) throws(DiskError) -> FileInfo? {
      try disk.checkMounted(generation, "stat", path)
      switch disk.node(path) {
      case .directory?: return FileInfo(size: 0, modifiedMs: 0, isDirectory: true)
      case .file(let inode)?: return FileInfo(size: inode.bytes.count, modifiedMs: 0, isDirectory: false)
      case nil: return nil
      }
    }

    func makeDirectory(_ path: String) throws(DiskError) {
      try disk.checkMounted(generation, "mkdir", path)
      if disk.node(path) != nil { return }
      let (directory, name) = try disk.parent("mkdir", path)
      disk.change(directory, .put(name, .directory(Directory())))
    }

    func rename(_ from: String, to: String) throws(DiskError) {
      try disk.checkMounted(generation, "rename", from)
      let (directory, name) = try disk.parent("rename", from)
      let (other, newName) = try disk.parent("rename", to)
      guard directory === other else { throw DiskError("rename", from, code: EXDEV) }
      guard directory.names[name] != nil else { throw DiskError("rename", from, code: ENOENT) }
      disk.change(directory, .rename(name, newName))
    }

    func remove(_ path: String) throws(DiskError) {
      try disk.checkMounted(generation, "unlink", path)
      guard disk.node(path) != nil else { return }
      let (directory, name) = try disk.parent("unlink", path)
      disk.change(directory, .remove(name))
    }

    func removeDirectory(_ path: String) throws(DiskError) {
      try disk.checkMounted(generation, "rmdir", path)
      guard case .directory(let inner)? = disk.node(path) else { return }
      guard inner.names.isEmpty else { throw DiskError("rmdir", path, code: ENOTEMPTY) }
      let (directory, name) = try disk.parent("rmdir", path)
      disk.change(directory, .remove(name))
    }

    func syncDirectory(_ path: String) throws(DiskError) {
      try disk.checkMounted(generation, "fsync", path)
      guard case .directory(let directory)? = disk.node(path) else { throw DiskError("open", path, code: ENOENT) }
      directory.sync()
    }

    func lock(_ path: String) throws(DiskError) -> (any DiskFile)? {
      let inode = try inode("flock", path, creating: true)
      guard inode.lockedBy != generation else { return nil }
      inode.lockedBy = generation
      return SimulatedFile(disk, inode, path, generation, isLock: true)
    }
  }
}

/// An open file of a `SimulatedDisk`, on the simulation's thread.
private final class SimulatedFile: DiskFile, @unchecked Sendable {
  let descriptor: Int32
  private let disk: SimulatedDisk
  private let inode: SimulatedDisk.Inode
  private let path: String
  private let generation: Int
  private let isLock: Bool

  init(_ disk: SimulatedDisk, _ inode: SimulatedDisk.Inode, _ path: String, _ generation: Int, isLock: Bool = false) {
    self.disk = disk
    self.inode = inode
    self.path = path
    self.generation = generation
    self.isLock = isLock
    descriptor = disk.opened(inode)
  }

  deinit { disk.closed(descriptor, generation, isLock: isLock) }

  func size() throws(DiskError) -> Int {
    try disk.checkMounted(generation, "fstat", path)
    return inode.bytes.count
  }

  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
    try disk.checkMounted(generation, "pwritev", path)
    try disk.write(Array(first) + Array(second), to: inode, at: position, path)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int {
    try disk.checkMounted(generation, "pread", path)
    let count = max(0, min(buffer.count, inode.bytes.count - position))
    guard count > 0 else { return 0 }
    inode.bytes.withUnsafeBytes {
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
    }
    return count
  }

  func truncate(to size: Int) throws(DiskError) {
    try disk.checkMounted(generation, "ftruncate", path)
    if inode.bytes.count != size { disk.change(inode, .truncate(size)) }
  }

  func reserve(_ size: Int) throws(DiskError) {
    try disk.checkMounted(generation, "posix_fallocate", path)
    if inode.bytes.count < size { disk.change(inode, .truncate(size)) }
  }

  func reserveAhead(from position: Int, to end: Int) -> Bool { true }

  func sync() throws(DiskError) {
    try disk.checkMounted(generation, "fdatasync", path)
    try disk.sync(inode, path)
  }
}
