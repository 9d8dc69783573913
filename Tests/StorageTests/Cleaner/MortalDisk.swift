import DiskSupport
import Glibc
import Storage
import Synchronization

/// A fake disk that takes so many changes and then none, as for a process that is killed there: every later change fails.
final class MortalDisk: ForwardingDisk {
  let real = FakeDisk()
  private let state = Mutex((left: Int.max, changes: 0))

  /// From now on so many changes are taken.
  func allow(_ count: Int) { state.withLock { $0.left = count } }
  /// Changes that were taken so far.
  var changes: Int { state.withLock { $0.changes } }
  var isDead: Bool { state.withLock { $0.left == 0 } }

  fileprivate func change(_ operation: String, _ path: String) throws(DiskError) {
    let isAlive = state.withLock { state in
      guard state.left > 0 else { return false }
      if state.left < .max { state.left -= 1 }
      state.changes += 1
      return true
    }
    guard isAlive else { throw DiskError(operation, path, code: EIO) }
  }

  func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    if creating, try real.info(path) == nil { try change("open", path) }
    return File(real: try real.open(path, creating: creating), disk: self, path: path)
  }
  func rename(_ from: String, to: String) throws(DiskError) {
    try change("rename", from)
    try real.rename(from, to: to)
  }
  func remove(_ path: String) throws(DiskError) {
    try change("remove", path)
    try real.remove(path)
  }
  func syncDirectory(_ path: String) throws(DiskError) {
    try change("sync", path)
    try real.syncDirectory(path)
  }

  private final class File: ForwardingFile {
    let real: any DiskFile
    private let disk: MortalDisk
    private let path: String

    init(real: any DiskFile, disk: MortalDisk, path: String) {
      self.real = real
      self.disk = disk
      self.path = path
    }

    func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
      try disk.change("write", path)
      try real.write(first, second, at: position)
    }
    func truncate(to size: Int) throws(DiskError) {
      try disk.change("truncate", path)
      try real.truncate(to: size)
    }
    func sync() throws(DiskError) {
      try disk.change("sync", path)
      try real.sync()
    }
  }
}
