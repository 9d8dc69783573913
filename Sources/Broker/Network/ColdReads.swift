import Storage

/// Reads file ranges into the page cache before they are sent, on threads that may wait for the disk: sendfile of uncached pages
/// blocks the event loop and all its connections.
package final class ColdReads: Sendable {
  private let cache: PageCache
  private let offload: any Offload

  package init(_ cache: PageCache, offload: any Offload) {
    self.cache = cache
    self.offload = offload
  }

  func isCold(_ range: FileRange) -> Bool { cache.isCold(range) }

  /// Reads `range` into the page cache, and calls `done` on a separate thread. The range stays cached unless memory is short.
  func warm(_ range: FileRange, done: @escaping @Sendable () -> Void) {
    offload.submit(.coldRead) {
      self.cache.warm(range)
      done()
    }
  }
}
