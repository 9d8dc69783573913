import NIOPosix
package import Storage

/// Reads what is to be sent and is not in the page cache, on threads that may wait for the disk. sendfile waits too, on a socket
/// that never blocks, and on an event loop it is all of that loop's connections that wait.
package final class ColdReads: Sendable {
  /// The page cache, asked and filled. Tests have another.
  package struct Cache: Sendable {
    package var isCold: @Sendable (FileRange) -> Bool
    package var warm: @Sendable (FileRange) -> Void

    package init(
      isCold: @escaping @Sendable (FileRange) -> Bool = { $0.isCold },
      warm: @escaping @Sendable (FileRange) -> Void = { $0.warm() }
    ) {
      self.isCold = isCold
      self.warm = warm
    }
  }

  private let pool = NIOThreadPool(numberOfThreads: Limits.coldReadThreads)
  private let cache: Cache

  package init(_ cache: Cache = Cache()) {
    self.cache = cache
    pool.start()
  }

  func isCold(_ range: FileRange) -> Bool { cache.isCold(range) }

  /// Reads `range` into the page cache; then calls `done`, on a thread of its own. It stays there unless memory is short.
  func warm(_ range: FileRange, done: @escaping @Sendable () -> Void) {
    pool.submit { state in
      if case .active = state { self.cache.warm(range) }
      done()
    }
  }

  /// Waits for what is being read.
  func stop() { try? pool.syncShutdownGracefully() }
}
