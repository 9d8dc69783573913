import DiskSupport
import Glibc
import NIOCore
import Storage
import Synchronization

/// The real disk, which can be full: then no write succeeds, and everything else does.
final class FullDisk: ForwardingDisk {
  let real = RealDisk()
  private let full = Atomic(false)

  var isFull: Bool {
    get { full.load(ordering: .relaxed) }
    set { full.store(newValue, ordering: .relaxed) }
  }

  /// Beneath which directory it is full; nil: everywhere.
  let place = Mutex<String?>(nil)

  func isFull(at path: String) -> Bool { isFull && place.withLock { $0 }.map { path.hasPrefix($0) } ?? true }

  func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    FullFile(try real.open(path, creating: creating), path, self)
  }
  func lock(_ path: String) throws(DiskError) -> (any DiskFile)? {
    try real.lock(path).map { FullFile($0, path, self) }
  }
}

private final class FullFile: ForwardingFile {
  let real: any DiskFile
  private let path: String
  private let disk: FullDisk

  init(_ real: any DiskFile, _ path: String, _ disk: FullDisk) {
    self.real = real
    self.path = path
    self.disk = disk
  }

  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
    guard !disk.isFull(at: path) else { throw DiskError("pwritev", path, code: ENOSPC) }
    try real.write(first, second, at: position)
  }
}
