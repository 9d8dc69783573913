import Base
package import Model

/// A transaction that was aborted: consumers that read committed records skip its producer's between the two offsets.
package struct AbortedTransaction: Hashable, Sendable {
  package var producerID: Int64
  package var firstOffset: Offset
  /// The marker's.
  package var lastOffset: Offset
  /// Where the last stable offset stood when the marker was written.
  package var lastStableOffset: Offset
}

/// Lists the transactions that a marker in a segment aborted (its `.txnindex`). Created with the first of them.
///
/// ```
/// version 2 (= 0) │ producer id 8 │ first offset 8 │ last offset 8 │ last stable offset 8
/// ```
package struct TransactionIndex {
  static let entryBytes = 34
  static let suffix = ".txnindex"
  private static let version: Int16 = 0

  private let path: String
  /// Nil until the file was looked at: most segments have none, and no read asks.
  private var entries: [AbortedTransaction]?

  /// - Parameter ending: what follows the file's usual name.
  init(segmentPath: String, ending: String = "") { path = segmentPath + Self.suffix + ending }

  mutating func reset(on disk: any Disk) throws(DiskError) {
    if try disk.info(path) != nil { try disk.remove(path) }
    entries = []
  }

  mutating func all(on disk: any Disk) throws(DiskError) -> [AbortedTransaction] {
    if let entries { return entries }
    #if DEBUG
    if PlantedFault.forgetsAbortedTransactions.isPlanted {
      entries = []
      return []
    }
    #endif
    let read = try Self.decode(disk.contents(of: path) ?? [])
    entries = read
    return read
  }

  mutating func append(_ entry: AbortedTransaction, on disk: any Disk) throws(DiskError) {
    let count = try all(on: disk).count
    try disk.open(path, creating: true).write(Self.encode(entry), at: count * Self.entryBytes)
    entries?.append(entry)
  }

  /// Adds the transactions that have records between two offsets to `found`.
  ///
  /// Entries are in the order of their markers, so those that end before `from` are skipped without a look at each.
  ///
  /// - Returns: false when no later entry, in this segment or the next, can have records below `upTo`.
  mutating func find(
    from: Offset, upTo: Offset, adding found: inout [AbortedTransaction], on disk: any Disk
  ) throws(DiskError) -> Bool {
    let entries = try all(on: disk)
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].lastOffset < from { low = middle + 1 } else { high = middle }
    }
    for entry in entries[low...] {
      if entry.firstOffset < upTo { found.append(entry) }
      // Whatever was open then had begun at or after `upTo`.
      if entry.lastStableOffset >= upTo { return false }
    }
    return true
  }

  /// Forgets transactions whose marker is at or after `offset`.
  mutating func truncate(to offset: Offset, on disk: any Disk) throws(DiskError) {
    let before = try all(on: disk)
    let kept = before.prefix { $0.lastOffset < offset }
    guard kept.count < before.count else { return }
    try disk.open(path, creating: true).truncate(to: kept.count * Self.entryBytes)
    entries = Array(kept)
  }

  func sync(on disk: any Disk) throws(DiskError) {
    if try disk.info(path) != nil { try disk.open(path, creating: false).sync() }
  }

  package static func encode(_ entry: AbortedTransaction) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(entryBytes)
    bytes.appendBigEndian(version)
    bytes.appendBigEndian(entry.producerID)
    bytes.appendBigEndian(entry.firstOffset.rawValue)
    bytes.appendBigEndian(entry.lastOffset.rawValue)
    bytes.appendBigEndian(entry.lastStableOffset.rawValue)
    return bytes
  }

  package static func decode(_ bytes: [UInt8]) -> [AbortedTransaction] {
    bytes.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count - bytes.count % entryBytes, by: entryBytes).map { at in
        AbortedTransaction(
          producerID: bytes.bigEndian(at: at + 2, as: Int64.self),
          firstOffset: Offset(bytes.bigEndian(at: at + 10, as: Int64.self)),
          lastOffset: Offset(bytes.bigEndian(at: at + 18, as: Int64.self)),
          lastStableOffset: Offset(bytes.bigEndian(at: at + 26, as: Int64.self)))
      }
    }
  }
}
