import Model

/// Reads and writes the small text files beside the logs. Each is replaced atomically: written under another name, synced,
/// renamed over the old one, the directory synced; a crash leaves the old file or the new one.
///
/// ```
/// 0                            version
/// 2                            number of lines that follow
/// <topic> <partition> <offset> …            (offset checkpoints)
/// <epoch> <start offset> …                  (leader-epoch-checkpoint)
/// ```
enum CheckpointFile {
  static func replace(_ path: String, with text: String, on disk: any Disk) throws(DiskError) {
    let temporary = path + LogFileSuffix.temporary
    let file = try disk.open(temporary, creating: true)
    try file.truncate(to: 0)
    try file.write(Array(text.utf8), at: 0)
    try file.sync()
    try disk.rename(temporary, to: path)
    try disk.syncDirectory(path.directoryPart)
  }

  /// Reads the entries, one for each line after the count; none when the file is missing or empty, as Apache Kafka makes it.
  ///
  /// - Parameters:
  ///   - columns: of each line.
  ///   - entry: reads a line's columns; nil when they are invalid.
  static func entries<Entry>(
    of path: String, columns: Int, on disk: any Disk, _ entry: ([Substring]) -> Entry?
  ) throws(DiskError) -> Result<[Entry], CheckpointDamage> {
    guard let bytes = try disk.contents(of: path), !bytes.isEmpty else { return .success([]) }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    func damage(_ line: Int, _ problem: String) -> Result<[Entry], CheckpointDamage> {
      let text = line <= lines.count ? PlainLine.shown(String(lines[line - 1])) : ""
      return .failure(CheckpointDamage(path: path, line: line, text: text, problem: problem))
    }
    guard lines[safe: 0] == "0" else { return damage(1, "the version is not 0") }
    guard let count = lines[safe: 1].flatMap({ Int($0) }), count >= 0 else { return damage(2, "no number of entries") }
    var entries: [Entry] = []
    for (index, line) in lines.dropFirst(2).enumerated() {
      let parts = line.split(separator: " ")
      guard parts.count == columns, let read = entry(parts) else { return damage(index + 3, "no valid entry") }
      entries.append(read)
    }
    guard entries.count == count else { return damage(2, "\(entries.count) entries follow") }
    return .success(entries)
  }

  static func write(_ rows: [String], to path: String, on disk: any Disk) throws(DiskError) {
    try replace(path, with: (["0", String(rows.count)] + rows).joined(separator: "\n") + "\n", on: disk)
  }
}

/// Where a checkpoint is damaged, though each is replaced as a whole: by a disk, or by hand.
package struct CheckpointDamage: Error, Hashable, Sendable, CustomStringConvertible {
  package var path: String
  /// From 1.
  package var line: Int
  /// The line, as it may stand in a log.
  package var text: String
  package var problem: String

  package var description: String { "\(path), line \(line) ('\(text)'): \(problem)" }
}

/// A line of a file, which may hold anything, as it may stand in a log.
enum PlainLine {
  /// Returns the line's first 80 characters, with `?` for control characters.
  static func shown(_ line: String) -> String {
    String(line.prefix(80).map { $0.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 } ? $0 : "?" })
  }
}

extension Array {
  fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}

/// Names the offset checkpoints of a log directory.
package enum OffsetCheckpoint: String, Sendable, CaseIterable {
  /// The recovery point: all records below are on the disk, and recovery begins there.
  case recoveryPoint = "recovery-point-offset-checkpoint"
  /// The log start, as DeleteRecords and retention moved it.
  case logStart = "log-start-offset-checkpoint"
  /// The high watermark: all records below are on all in-sync replicas.
  case highWatermark = "replication-offset-checkpoint"
  /// Where the part of a compacted log begins that no cleaning has read.
  case cleaner = "cleaner-offset-checkpoint"

  func read(
    in directory: String, on disk: any Disk
  ) throws(DiskError) -> Result<[TopicPartition: Offset], CheckpointDamage> {
    try CheckpointFile.entries(of: "\(directory)/\(rawValue)", columns: 3, on: disk) {
      row -> (TopicPartition, Offset)? in
      guard let partition = Int32(row[1]), let offset = Int64(row[2]).flatMap({ Offset(stored: $0) }) else {
        return nil
      }
      return (TopicPartition(String(row[0]), partition), offset)
    }.map { Dictionary($0) { $1 } }
  }

  /// What follows for the start when the file is damaged and read as empty; nil where that is not safe.
  package var consequence: String? {
    switch self {
    case .recoveryPoint:
      "after a crash all segments are read again, and flushed records that are missing are not noticed"
    case .highWatermark:
      "high watermarks begin at the log starts, and acknowledged records that are missing are not noticed"
    case .cleaner: "compacted logs are cleaned from their starts"
    // Deleted records would come back.
    case .logStart: nil
    }
  }

  func write(_ offsets: [TopicPartition: Offset], in directory: String, on disk: any Disk) throws(DiskError) {
    let rows = offsets.sorted { $0.key < $1.key }.map { "\($0.key.topic) \($0.key.partition) \($0.value)" }
    try CheckpointFile.write(rows, to: "\(directory)/\(rawValue)", on: disk)
  }
}

extension LeaderEpochs {
  static let fileName = "leader-epoch-checkpoint"

  static func read(
    from directory: String, on disk: any Disk
  ) throws(DiskError) -> Result<LeaderEpochs, CheckpointDamage> {
    try CheckpointFile.entries(of: "\(directory)/\(Self.fileName)", columns: 2, on: disk) { row -> (Int32, Int64)? in
      guard let epoch = Int32(row[0]), let offset = Int64(row[1]) else { return nil }
      return (epoch, offset)
    }.map { LeaderEpochs(stored: $0) }
  }

  func write(to directory: String, on disk: any Disk) throws(DiskError) {
    let rows = entries.map { "\($0.epoch) \($0.startOffset)" }
    try CheckpointFile.write(rows, to: "\(directory)/\(Self.fileName)", on: disk)
  }
}

/// Reads and writes `partition.metadata`: the id of the directory's topic, which differs when a topic is deleted and created again.
enum PartitionMetadata {
  static let fileName = "partition.metadata"

  static func read(from directory: String, on disk: any Disk) throws(DiskError) -> TopicID? {
    guard let bytes = try disk.contents(of: "\(directory)/\(fileName)") else { return nil }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("topic_id: ") {
      return TopicID(line.dropFirst("topic_id: ".count))
    }
    return nil
  }

  static func write(_ id: TopicID, to directory: String, on disk: any Disk) throws(DiskError) {
    try CheckpointFile.replace("\(directory)/\(fileName)", with: text(id), on: disk)
  }

  /// Makes the file in a new directory. The log's first flush makes it durable, with its first records: a crash before leaves
  /// an empty log, whose file may be missing or empty, and both say nothing.
  static func create(_ id: TopicID, in directory: String, on disk: any Disk) throws(DiskError) {
    try disk.open("\(directory)/\(fileName)", creating: true).write(Array(text(id).utf8), at: 0)
  }

  private static func text(_ id: TopicID) -> String { "version: 0\ntopic_id: \(id)" }
}

extension String {
  /// The path up to its last slash.
  package var directoryPart: String {
    guard let slash = lastIndex(of: "/") else { return "." }
    return String(self[..<slash])
  }

  /// What is behind its last slash.
  package var lastPart: String { String(self[(lastIndex(of: "/").map { index(after: $0) } ?? startIndex)...]) }
}
