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

  /// Reads the lines after the count, split at blanks; nil if the file is missing or invalid.
  static func lines(of path: String, columns: Int, on disk: any Disk) throws(DiskError) -> [[Substring]]? {
    guard let bytes = try disk.contents(of: path) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard lines.count >= 2, lines[0] == "0", let count = Int(lines[1]), lines.count - 2 == count else { return nil }
    let rows = lines[2...].map { $0.split(separator: " ") }
    return rows.allSatisfy { $0.count == columns } ? rows : nil
  }

  static func write(_ rows: [String], to path: String, on disk: any Disk) throws(DiskError) {
    try replace(path, with: (["0", String(rows.count)] + rows).joined(separator: "\n") + "\n", on: disk)
  }
}

/// Names the offset checkpoints of a log directory.
package enum OffsetCheckpoint: String, Sendable, CaseIterable {
  /// The recovery point: all records below are on the disk, and recovery begins there.
  case recoveryPoint = "recovery-point-offset-checkpoint"
  /// The log start, as DeleteRecords and retention moved it.
  case logStart = "log-start-offset-checkpoint"
  /// The high watermark: all records below are on all in-sync replicas.
  case highWatermark = "replication-offset-checkpoint"

  func read(in directory: String, on disk: any Disk) throws(DiskError) -> [TopicPartition: Offset] {
    var offsets: [TopicPartition: Offset] = [:]
    for row in try CheckpointFile.lines(of: "\(directory)/\(rawValue)", columns: 3, on: disk) ?? [] {
      guard let partition = Int32(row[1]), let offset = Int64(row[2]).flatMap({ Offset(stored: $0) }) else { continue }
      offsets[TopicPartition(String(row[0]), partition)] = offset
    }
    return offsets
  }

  func write(_ offsets: [TopicPartition: Offset], in directory: String, on disk: any Disk) throws(DiskError) {
    let rows = offsets.sorted { $0.key < $1.key }.map { "\($0.key.topic) \($0.key.partition) \($0.value)" }
    try CheckpointFile.write(rows, to: "\(directory)/\(rawValue)", on: disk)
  }
}

extension LeaderEpochs {
  static let fileName = "leader-epoch-checkpoint"

  init(readingFrom directory: String, on disk: any Disk) throws(DiskError) {
    let rows = try CheckpointFile.lines(of: "\(directory)/\(Self.fileName)", columns: 2, on: disk) ?? []
    self.init(
      stored: rows.compactMap { row in
        guard let epoch = Int32(row[0]), let offset = Int64(row[1]) else { return nil }
        return (epoch, offset)
      })
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
  var directoryPart: String {
    guard let slash = lastIndex(of: "/") else { return "." }
    return String(self[..<slash])
  }
}
