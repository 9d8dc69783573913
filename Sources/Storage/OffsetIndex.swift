import Model

/// Maps offsets to positions in a segment's `.log` (the `.index` file), with about one entry per `indexIntervalBytes`.
///
/// ```
/// offset less the segment's base 4 │ position 4
/// ```
///
/// An entry names the *last* offset of the batch that begins at its position. Both columns rise.
struct OffsetIndex {
  static let entryBytes = 8
  static let suffix = ".index"

  private let base: Offset
  private(set) var entries: EntryFile

  struct Entry: Hashable {
    var offset: Offset
    /// Bytes from the start of the `.log`.
    var position: Int
  }

  /// - Parameter ending: what follows the file's usual name.
  init(segmentPath: String, base: Offset, ending: String = "") {
    self.base = base
    entries = EntryFile(path: segmentPath + Self.suffix + ending, entryBytes: Self.entryBytes)
  }

  var count: Int { entries.count }

  mutating func load(from disk: any Disk) throws(DiskError) { try entries.load(from: disk) }
  mutating func reset(on disk: any Disk) throws(DiskError) { try entries.reset(on: disk) }
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

  /// An entry whose numbers do not fit, as a file made elsewhere may want, is left out: lookups then read further.
  mutating func append(_ entry: Entry) {
    guard let relative = Int32(exactly: entry.offset - base), let position = Int32(exactly: entry.position) else {
      return
    }
    entries.append {
      $0.appendBigEndian(relative)
      $0.appendBigEndian(position)
    }
  }

  mutating func entry(_ index: Int, on disk: any Disk) throws(DiskError) -> Entry {
    let base = base
    return try entries.withEntry(index, on: disk) { Self.decode($0, base) }
  }

  mutating func last(on disk: any Disk) throws(DiskError) -> Entry? {
    try load(from: disk)
    return count == 0 ? nil : try entry(count - 1, on: disk)
  }

  /// The last entry not after `offset`: nothing before its position holds `offset`, except its own batch.
  mutating func floor(_ offset: Offset, on disk: any Disk) throws(DiskError) -> Entry? {
    try load(from: disk)
    let relative = offset - base
    let after = try entries.partitionPoint(on: disk) { Int($0.bigEndian(at: 0, as: Int32.self)) > relative }
    return after == 0 ? nil : try entry(after - 1, on: disk)
  }

  /// The last entry whose batch begins at or before `position`.
  mutating func floor(position: Int, on disk: any Disk) throws(DiskError) -> Entry? {
    try load(from: disk)
    let after = try entries.partitionPoint(on: disk) { Int($0.bigEndian(at: 4, as: Int32.self)) > position }
    return after == 0 ? nil : try entry(after - 1, on: disk)
  }

  /// Forgets the batches from `position` on.
  mutating func truncate(toPosition position: Int, on disk: any Disk) throws(DiskError) {
    try load(from: disk)
    let kept = try entries.partitionPoint(on: disk) { Int($0.bigEndian(at: 4, as: Int32.self)) >= position }
    try entries.truncate(to: kept, on: disk)
  }

  private static func decode(_ bytes: UnsafeRawBufferPointer, _ base: Offset) -> Entry {
    // No position is negative; one that a damaged file makes so leads to the segment's start, where any lookup may begin.
    Entry(
      offset: base + Int(bytes.bigEndian(at: 0, as: Int32.self)),
      position: max(0, Int(bytes.bigEndian(at: 4, as: Int32.self))))
  }
}
