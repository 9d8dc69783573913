import Coordination
import Model
import Storage

/// What one log directory says of itself, read before a start changes anything.
struct DirectoryReport: Sendable, Equatable {
  /// The path as configured.
  var path: String
  /// Why the directory cannot be used; its other fields are then empty.
  var failure: DiskError?
  var journal: JournalPresence = .absent
  var identity: LogDirectory.Identity?
  /// Nil for a directory that no start has accepted yet.
  var roster: DirectoryRoster?
  /// The partitions whose files are here, each with the id of its topic where the files say it.
  var partitions: [TopicPartition: TopicID?] = [:]
  /// The names of what may hold records and is no partition's directory.
  var strays: [String] = []
  /// The partitions that the checkpoints say were here.
  var checkpointed: Set<TopicPartition> = []
  /// Those of which the checkpoints say that records were here.
  var checkpointedWithRecords: Set<TopicPartition> = []
  var wasClean = false

  /// Whether the z-node journal is in the directory.
  enum JournalPresence: Sendable, Equatable {
    case present, absent
    /// The directory cannot be looked into.
    case unknown
  }

  /// Something of a broker is or was here.
  var isUsed: Bool { identity != nil || roster != nil || !partitions.isEmpty }
}

extension DirectoryReport {
  /// Reads a directory that can be used.
  init(_ directory: LogDirectory) throws(LogDirectoryError) {
    path = directory.path
    do { journal = try Self.journal(in: directory.path, on: directory.disk) } catch { throw .disk(error) }
    identity = directory.identity
    roster = directory.roster
    for partition in try directory.list() {
      partitions.updateValue(try directory.topicID(of: partition), forKey: partition)
    }
    strays = try directory.strays()
    checkpointed = directory.checkpointed
    checkpointedWithRecords = directory.checkpointedWithRecords
    wasClean = directory.wasClean
  }

  /// Reports a directory that cannot be used.
  init(path: String, failure: DiskError, on disk: any Disk) {
    self.path = path
    self.failure = failure
    journal = (try? Self.journal(in: path, on: disk)) ?? .unknown
  }

  private static func journal(in path: String, on disk: any Disk) throws(DiskError) -> JournalPresence {
    try disk.info("\(path)/\(JournalFile.name)") == nil ? .absent : .present
  }
}
