import Synchronization

/// Library contexts at rest. They cost more to make than a small batch costs to compress (zlib's is 260 KB, zstd's up to
/// megabytes), so one is taken for a call and given back after it: between the two, one caller owns it.
///
/// A stack, so that the context used last, whose memory is still in the processor's cache, is used next. Taking and
/// giving back cost two uncontended locks, about 40 ns, against microseconds for the smallest batch.
final class ContextPool<Context: Sendable>: Sendable {
  private let idle = Mutex<[Context]>([])

  func take() -> Context? {
    idle.withLock { $0.popLast() }
  }

  /// Keeps `context` for the next caller, or lets it go when enough are kept.
  func put(_ context: Context) {
    idle.withLock { if $0.count < CompressionLimits.idleContexts { $0.append(context) } }
  }
}
