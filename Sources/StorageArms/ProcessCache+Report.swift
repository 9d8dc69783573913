package import Storage

extension ProcessCache: SegmentCache {
  /// In the first of log.dirs, while the broker has a cache of its own.
  package static let reportName = "process-cache.json"

  /// Writes the counts down as one line of JSON, in place of the last ones: a reader finds one or the other, whole.
  package func report(in directory: String, on disk: any Disk, nowMs: Int64) throws(DiskError) {
    let path = "\(directory)/\(Self.reportName)"
    let file = try disk.open(path + LogFileSuffix.temporary, creating: true)
    try file.truncate(to: 0)
    try file.write(Array(line(nowMs: nowMs).utf8), at: 0)
    try disk.rename(path + LogFileSuffix.temporary, to: path)
  }

  func line(nowMs: Int64) -> String {
    let counts = counts
    let blockBytes = settings.blockBytes
    let fields: [(String, String)] = [
      ("time_ms", "\(nowMs)"), ("layout", "\"\(settings.layout.rawValue)\""), ("block_bytes", "\(blockBytes)"),
      ("capacity_bytes", "\(counts.capacityBlocks * blockBytes)"), ("held_bytes", "\(counts.heldBlocks * blockBytes)"),
      ("hits", "\(counts.hits)"), ("hit_bytes", "\(counts.hitBytes)"), ("misses", "\(counts.misses)"),
      ("filled_bytes", "\(counts.filledBytes)"), ("appended_bytes", "\(counts.appendedBytes)"),
      ("evicted_blocks", "\(counts.evictedBlocks)"),
    ]
    return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}\n"
  }
}
