/// `millrace.log.engine`: what keeps a partition's batches.
package enum LogEngine: String, Sendable, CaseIterable {
  /// Segments, as Kafka has them.
  case append
  /// A B-tree.
  case btree

  /// The end of the name of a file by which a partition's directory is known to be the engine's.
  package var fileSuffix: String {
    switch self {
    case .append: LogFileSuffix.log
    case .btree: "log.mdb"
    }
  }
}

/// `millrace.cache`: what holds the bytes of segments between the disk and a fetch.
package enum CacheKind: String, Sendable, CaseIterable {
  /// The kernel's page cache, as in Kafka.
  case page
  /// A cache of this process alone: files are read past the page cache.
  case process
  /// A cache of this process in front of the page cache: everything may be in memory twice.
  case both
}

/// `millrace.cache.layout`: how the process cache lies in memory.
package enum CacheLayout: String, Sendable, CaseIterable {
  case compact, boxed
}

/// The size and form of a cache of the process.
package struct CacheSettings: Hashable, Sendable {
  /// The bytes of the blocks' contents; the tables that find and order them come on top.
  package var bytes: Int
  package var layout: CacheLayout
  /// A power of two, and at least 4096.
  package var blockBytes: Int

  package init(bytes: Int, layout: CacheLayout, blockBytes: Int) {
    self.bytes = bytes
    self.layout = layout
    self.blockBytes = blockBytes
  }
}

/// `millrace.write.path`: how appends reach the disk.
package enum WritePath: String, Sendable, CaseIterable {
  /// Appends are written into the page cache, which the kernel writes back when it likes or a flush asks for it.
  case buffered
  /// Each append is written to the device before it returns.
  case direct
}

/// The other arms of the switches that a program offers: Storage itself has none, and a broker that measures nothing need not carry
/// them.
package struct Arms: Sendable {
  /// A disk whose segments are reached as the switches say, and its cache.
  package struct SwitchedFiles: Sendable {
    package var disk: any Disk
    /// Nil where the page cache is all.
    package var cache: (any SegmentCache)?

    package init(disk: any Disk, cache: (any SegmentCache)?) {
      self.disk = disk
      self.cache = cache
    }
  }

  /// The makers of the engines' arms; `append` needs none.
  package var stores: [LogEngine: any StoreArmMaker] = [:]
  /// Makes the machine's disk with the given cache and write path.
  package var files: (@Sendable (CacheKind, CacheSettings, WritePath) throws(DiskError) -> SwitchedFiles)?

  package init() {}
}

/// A cache of segments that the process keeps itself.
package protocol SegmentCache: Sendable {
  /// Writes down what the cache has done so far.
  func report(in directory: String, on disk: any Disk, nowMs: Int64) throws(DiskError)
}
