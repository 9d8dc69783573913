import Glibc
import Synchronization

/// Whether the directory can be used, and whether something in it has grown.
extension LogDirectory {
  /// Why the directory is offline: nothing is read from it or written to it any more, until the next start. Nil while it can
  /// be used.
  package var failure: DiskError? { state.withLock { $0.failure } }

  /// Takes the directory offline; false when it was already.
  package func fail(_ cause: DiskError) -> Bool {
    state.withLock { state in
      if state.failure != nil { return false }
      state.failure = cause
      return true
    }
  }

  /// Notes that a log of the directory was appended to. Called on any thread.
  package func noteGrowth() {
    // Most find it noted: a read shares the cache line between threads, a write would not.
    if !hasGrown.load(ordering: .relaxed) { hasGrown.store(true, ordering: .relaxed) }
  }

  /// Returns whether growth was noted since the last call.
  package func takeGrowth() -> Bool { hasGrown.exchange(false, ordering: .relaxed) }

  /// Throws when the directory that was locked is not there any more.
  package func look() throws(DiskError) {
    let lock = "\(path)/\(Self.lockName)"
    guard try disk.info(lock) != nil else { throw DiskError("stat", lock, code: ENOENT) }
  }

  /// Throws when the directory does not take a small file: a log of it has failed, and the question is whether others will.
  package func probe() throws(DiskError) {
    try look()
    let path = "\(path)/\(Self.probeName)"
    let file = try disk.open(path, creating: true)
    try file.write([0], at: 0)
    try file.sync()
    try disk.remove(path)
  }
}
