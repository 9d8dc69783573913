import Model

/// Maps timestamps to offsets (a segment's `.timeindex`): each entry has the largest timestamp up to an offset.
///
/// ```
/// timestamp 8 │ offset less the segment's base 4
/// ```
///
/// An entry says: no record up to `offset` has a timestamp above `timestamp`, and the batch ending at `offset` has it.
/// Timestamps rise strictly, so a lookup may halve.
struct TimeIndex {
  static let entryBytes = 12
  static let suffix = ".timeindex"

  private let base: Offset
  private(set) var entries: EntryFile
  /// So that a timestamp that does not rise costs no lookup; `Int64.min` when there is no entry.
  private var lastTimestamp: Int64?

  struct Entry: Hashable {
    /// Milliseconds since 1970.
    var timestamp: Int64
    var offset: Offset
  }

  /// - Parameter ending: what follows the file's usual name.
  init(segmentPath: String, base: Offset, ending: String = "") {
    self.base = base
    entries = EntryFile(path: segmentPath + Self.suffix + ending, entryBytes: Self.entryBytes)
  }

  var count: Int { entries.count }

  mutating func load(from disk: any Disk) throws(DiskError) {
    try entries.load(from: disk)
    if lastTimestamp == nil { lastTimestamp = try last(on: disk)?.timestamp ?? .min }
  }

  mutating func reset(on disk: any Disk) throws(DiskError) {
    try entries.reset(on: disk)
    lastTimestamp = .min
  }

  mutating func makeRoom(on disk: any Disk) throws(DiskError) { try entries.makeRoom(on: disk) }
  /// Both of what an `append` needs.
  mutating func makeReady(on disk: any Disk) throws(DiskError) {
    try load(from: disk)
    try makeRoom(on: disk)
  }
  mutating func spill(to disk: any Disk, syncing: Bool) throws(DiskError) {
    try entries.spill(to: disk, syncing: syncing)
  }
  mutating func finish(on disk: any Disk) throws(DiskError) { try entries.finish(on: disk) }

  /// Only after `load` and `makeRoom`. An entry that would not rise, or whose offset does not fit, is left out.
  mutating func append(_ entry: Entry) {
    guard entry.timestamp > lastTimestamp ?? .min, entry.timestamp >= 0,
      let relative = Int32(exactly: entry.offset - base)
    else { return }
    entries.append {
      $0.appendBigEndian(entry.timestamp)
      $0.appendBigEndian(relative)
    }
    lastTimestamp = entry.timestamp
  }

  mutating func entry(_ index: Int, on disk: any Disk) throws(DiskError) -> Entry {
    let base = base
    return try entries.withEntry(index, on: disk) {
      Entry(timestamp: $0.bigEndian(at: 0, as: Int64.self), offset: base + Int($0.bigEndian(at: 8, as: Int32.self)))
    }
  }

  mutating func last(on disk: any Disk) throws(DiskError) -> Entry? {
    try entries.load(from: disk)
    return count == 0 ? nil : try entry(count - 1, on: disk)
  }

  /// The last entry below `timestamp`: the first record at or above it lies after that entry's offset.
  mutating func last(below timestamp: Int64, on disk: any Disk) throws(DiskError) -> Entry? {
    try load(from: disk)
    let after = try entries.partitionPoint(on: disk) { $0.bigEndian(at: 0, as: Int64.self) >= timestamp }
    return after == 0 ? nil : try entry(after - 1, on: disk)
  }

  /// Forgets entries at and after `offset`.
  mutating func truncate(to offset: Offset, on disk: any Disk) throws(DiskError) {
    try load(from: disk)
    let relative = offset - base
    let kept = try entries.partitionPoint(on: disk) { Int($0.bigEndian(at: 8, as: Int32.self)) >= relative }
    try entries.truncate(to: kept, on: disk)
    lastTimestamp = nil
    try load(from: disk)
  }
}
