/// What an acknowledged byte survives. Figures of different durability measure different promises, and are compared only
/// where a rule says that it means to.
package enum Durability: String, Sendable, CaseIterable, CustomStringConvertible {
  /// Nothing is stored.
  case nothing = "none"
  /// A killed process.
  case pageCache = "page cache"
  /// The end of two of three machines.
  case pageCacheOfThree = "page cache of three"
  /// A loss of power, once the batch is acknowledged.
  case syncedBatch = "fsync each batch"
  case syncedMebibyte = "fsync each MiB"
  case syncedBlock = "fsync each block"
  /// A loss of power, once the run has ended.
  case syncedAtEnd = "fsync at the end"

  /// Whether an acknowledged byte is on the device.
  package var isSynced: Bool {
    switch self {
    case .nothing, .pageCache, .pageCacheOfThree: false
    case .syncedBatch, .syncedMebibyte, .syncedBlock, .syncedAtEnd: true
    }
  }

  package var description: String { rawValue }
}
