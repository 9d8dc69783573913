import Storage

/// Reads what is to be sent and is not in the page cache, on threads that may wait for the disk. sendfile waits too, on a socket
/// that never blocks, and on an event loop it is all of that loop's connections that wait.
package final class ColdReads: Sendable {
  private let cache: PageCache
  private let offload: any Offload

  package init(_ cache: PageCache, offload: any Offload) {
    self.cache = cache
    self.offload = offload
  }

  func isCold(_ range: FileRange) -> Bool { cache.isCold(range) }

  /// Reads `range` into the page cache; then calls `done`, on a thread of its own. It stays there unless memory is short.
  func warm(_ range: FileRange, done: @escaping @Sendable () -> Void) {
    offload.submit(.coldRead) {
      self.cache.warm(range)
      done()
    }
  }
}
