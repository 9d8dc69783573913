package import Model
import Synchronization

/// One of the broker's log.dirs: partitions' directories, the checkpoints, and the marks by which a start knows how the last
/// run ended.
///
/// Any thread may call it. The logs it opens and makes are the caller's; it keeps only names.
package final class LogDirectory: Sendable {
  package let path: String
  package let disk: any Disk
  /// The run before ended in an orderly stop. The mark is removed before the first log is opened or made, so that a crash
  /// while opening counts as one, and a start that is refused before that leaves the mark.
  package let wasClean: Bool
  /// The damaged checkpoints, which were read as empty.
  package let damaged: [(checkpoint: OffsetCheckpoint, damage: CheckpointDamage)]
  /// What keeps the partitions' batches.
  package let engine: LogEngine
  /// Makes what keeps them, when segments do not.
  private let arms: (any StoreArmMaker)?
  let state: Mutex<State>
  let hasGrown = Atomic(false)

  struct State {
    /// Held as long as the directory is open.
    var lock: (any DiskFile)?
    var failure: DiskError?
    var identity: Identity?
    var roster: DirectoryRoster?
    /// The file that says the last stop was orderly is still there.
    var isMarkedClean: Bool
    /// The checkpoints as they stand on the disk.
    var checkpoints: [OffsetCheckpoint: [TopicPartition: Offset]]
    /// Partitions' directories that were renamed away, and when they may be removed.
    var deleted: [(path: String, removableAtMs: Int64)] = []
    var deletions = 0
  }

  static let lockName = ".lock", probeName = ".probe", cleanName = ".kafka_cleanshutdown"
  static let deleteSuffix = "-delete"
  static let straySuffix = "-stray"
  /// Made by file systems at the root of a disk.
  static let lostAndFound = "lost+found"

  /// Makes the directory if needed, locks it, and reads what the last run left.
  package init(
    _ path: String, disk: any Disk = RealDisk(), engine: LogEngine = .append, arms: Arms = Arms()
  ) throws(LogDirectoryError) {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    self.path = path
    self.disk = disk
    self.engine = engine
    self.arms = arms.stores[engine]
    if engine != .append, self.arms == nil { throw .noArm(setting: "millrace.log.engine=\(engine.rawValue)") }
    do {
      try Self.makeDirectories(path, on: disk)
      guard let lock = try disk.lock("\(path)/\(Self.lockName)") else { throw LogDirectoryError.locked(path: path) }
      wasClean = try disk.info("\(path)/\(Self.cleanName)") != nil
      var checkpoints: [OffsetCheckpoint: [TopicPartition: Offset]] = [:]
      var damaged: [(checkpoint: OffsetCheckpoint, damage: CheckpointDamage)] = []
      for checkpoint in OffsetCheckpoint.allCases {
        switch try checkpoint.read(in: path, on: disk) {
        case .success(let offsets): checkpoints[checkpoint] = offsets
        case .failure(let damage) where checkpoint.consequence == nil: throw LogDirectoryError.damaged(damage)
        case .failure(let damage): damaged.append((checkpoint, damage))
        }
      }
      self.damaged = damaged
      let identity = try MetaProperties.read(in: path, on: disk)
      let roster = try Self.readRoster(path, on: disk)
      state = Mutex(
        State(lock: lock, identity: identity, roster: roster, isMarkedClean: wasClean, checkpoints: checkpoints))
    } catch let error as DiskError {
      throw .disk(error)
    } catch let error as LogDirectoryError {
      throw error
    } catch {
      preconditionFailure("only the two kinds of error are thrown here, not \(error)")
    }
  }

  private static func makeDirectories(_ path: String, on disk: any Disk) throws(DiskError) {
    if try disk.info(path) != nil { return }
    let parent = path.directoryPart
    if !parent.isEmpty && parent != path { try makeDirectories(parent, on: disk) }
    try disk.makeDirectory(path)
    // Without its name, a power failure would take the directory with all that was synced in it.
    try disk.syncDirectory(parent.isEmpty ? "/" : parent)
  }

  /// Ends what the last orderly stop vouched for: from here on files may come and go.
  package func begin() throws(LogDirectoryError) {
    do { try removeMark() } catch { throw .disk(error) }
  }

  /// Removes `.kafka_cleanshutdown`, once.
  private func removeMark() throws(DiskError) {
    let outcome = state.withLock { state -> Result<Void, DiskError> in
      guard state.isMarkedClean else { return .success(()) }
      do throws(DiskError) {
        try disk.remove("\(path)/\(Self.cleanName)")
        try disk.syncDirectory(path)
        state.isMarkedClean = false
        return .success(())
      } catch { return .failure(error) }
    }
    try outcome.get()
  }

  // MARK: Partitions

  /// The partitions whose directories are here.
  package func list() throws(LogDirectoryError) -> [TopicPartition] {
    do throws(DiskError) {
      var found: [TopicPartition] = []
      for name in try disk.names(in: path) {
        guard let partition = Self.partition(inName: name), try isDirectory(name) else { continue }
        found.append(partition)
      }
      return found.sorted()
    } catch { throw .disk(error) }
  }

  /// The number of partitions here, by their names alone: quicker than `list`, and only nearly right.
  package func roughCount() throws(LogDirectoryError) -> Int {
    do { return try disk.names(in: path).count { Self.partition(inName: $0) != nil } } catch { throw .disk(error) }
  }

  /// The names of what may hold records and is no partition: directories of other names, such as those that were set aside
  /// (`…-stray`), and files that have the name of a partition. Sorted.
  package func strays() throws(LogDirectoryError) -> [String] {
    do throws(DiskError) {
      var found: [String] = []
      for name in try disk.names(in: path) where !name.hasPrefix(".") && name != Self.lostAndFound {
        let isNamedAsPartition = Self.partition(inName: name) != nil
        guard try isDirectory(name) != isNamedAsPartition, !name.hasSuffix(Self.deleteSuffix), !Self.isCopy(name) else {
          continue
        }
        found.append(name)
      }
      return found.sorted()
    } catch { throw .disk(error) }
  }

  private func isDirectory(_ name: String) throws(DiskError) -> Bool {
    try disk.info("\(path)/\(name)")?.isDirectory ?? false
  }

  /// `<topic>-<n>`; nil for every other name. Directories on their way out (`…-delete`) are none.
  static func partition(inName name: String) -> TopicPartition? {
    guard let dash = name.lastIndex(of: "-"), dash != name.startIndex else { return nil }
    let digits = name[name.index(after: dash)...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int32(digits) else {
      return nil
    }
    let partition = TopicPartition(String(name[..<dash]), number)
    // The directory of a partition is found by the one form of its name: `t-00` is not that of `t-0`.
    return partition.description == name ? partition : nil
  }

  package func directory(of partition: TopicPartition) -> String { "\(path)/\(partition)" }

  /// The id of the topic that the partition's files here are of; nil where they do not say.
  package func topicID(of partition: TopicPartition) throws(LogDirectoryError) -> TopicID? {
    do { return try PartitionMetadata.read(from: directory(of: partition), on: disk) } catch { throw .disk(error) }
  }

  /// The partitions that the checkpoints say were here.
  package var checkpointed: Set<TopicPartition> {
    state.withLock { state in state.checkpoints.values.reduce(into: []) { $0.formUnion($1.keys) } }
  }

  /// The partitions of which the checkpoints say that records were here.
  package var checkpointedWithRecords: Set<TopicPartition> {
    state.withLock { state in
      state.checkpoints.values.reduce(into: []) { found, offsets in
        for (partition, offset) in offsets where offset > 0 { found.insert(partition) }
      }
    }
  }

  /// Creates a new, empty log. A log that would take a descriptor beyond what logs may have is refused.
  package func create(
    _ partition: TopicPartition, topicID: TopicID?, config: LogConfig, nowMs: Int64
  ) throws(LogDirectoryError) -> sending Log {
    try create(partition, topicID: topicID, at: directory(of: partition), config: config, nowMs: nowMs)
  }

  func create(
    _ partition: TopicPartition, topicID: TopicID?, at directory: String, config: LogConfig, nowMs: Int64
  ) throws(LogDirectoryError) -> sending Log {
    do {
      guard try disk.info(directory) == nil else { throw LogDirectoryError.exists(partition) }
      if let descriptors = disk.segmentDescriptors, !descriptors.hasRoomForNewLog {
        throw LogDirectoryError.tooManyOpen(descriptors.open, limit: descriptors.maxForNewLog)
      }
      try removeMark()
      try forget([partition])
      return try Log.create(
        disk: disk, directory: directory, partition: partition, topicID: topicID, config: config, nowMs: nowMs,
        arms: arms)
    } catch let error as DiskError {
      throw .disk(error)
    } catch let error as LogDirectoryError {
      throw error
    } catch {
      preconditionFailure("only the two kinds of error are thrown here, not \(error)")
    }
  }

  /// Opens one log of this directory.
  package func open(
    _ partition: TopicPartition, config: LogConfig, nowMs: Int64
  ) throws(LogDirectoryError) -> sending Log {
    let directory = directory(of: partition)
    let memory = memory(of: partition)
    do {
      try removeMark()
      return try Log.open(
        disk: disk, directory: directory, partition: partition, config: config, memory: memory, nowMs: nowMs,
        arms: arms)
    } catch { throw .disk(error) }
  }

  private func memory(of partition: TopicPartition) -> LogMemory {
    LogMemory(
      logStartOffset: checkpointed(.logStart, partition), recoveryPoint: checkpointed(.recoveryPoint, partition),
      highWatermark: checkpointed(.highWatermark, partition), isClean: wasClean,
      hasLogStart: state.withLock { $0.checkpoints[.logStart]?[partition] != nil },
      cleanedOffset: state.withLock { $0.checkpoints[.cleaner]?[partition] },
      isRecoveryPointKnown: !damaged.contains { $0.checkpoint == .recoveryPoint })
  }

  /// Throws when the file system cannot do what the disk's switches want of it.
  package func checkDisk() throws(LogDirectoryError) {
    do { try disk.probe(path) } catch { throw .noDirectIO(path: path, error) }
  }

  /// Throws when a partition here was written by the other engine: it would look empty to this one.
  package func checkEngine() throws(LogDirectoryError) {
    for partition in try list() {
      let directory = directory(of: partition)
      let names: [String]
      do { names = try disk.names(in: directory) } catch { throw .disk(error) }
      // The append log's suffix is common; another engine's file name is not.
      let writer = LogEngine.allCases.last { engine in names.contains { $0.hasSuffix(engine.fileSuffix) } }
      if let writer, writer != engine { throw .otherEngine(partition, writtenBy: writer, path: directory) }
    }
  }

  /// Opens all logs that are here, `threads` at a time, and hands each to `opened` on the thread that opened it, with the
  /// high watermark of the last checkpoint (never past the log's end). Returns when all are done.
  ///
  /// - Parameters:
  ///   - parallel: calls its body with every number below the count, and returns when all calls have.
  ///   - lost: gets each log that ends before the checkpoints say, before it is handed to `opened`: the file in which it ends
  ///     now, and the offsets that are missing.
  ///   - damaged: gets each log's epoch checkpoint that was damaged, and made again.
  ///   - hole: gets the offsets missing within or before a log, likewise.
  package func openAll(
    threads: Int, nowMs: Int64,
    parallel: (_ count: Int, _ threads: Int, _ body: @escaping @Sendable (Int) -> Void) -> Void = {
      Threads.run(count: $0, threads: $1, $2)
    },
    config: @escaping @Sendable (TopicPartition) -> LogConfig,
    lost: @escaping @Sendable (TopicPartition, _ path: String, Range<Offset>) -> Void = { _, _, _ in },
    damaged: @escaping @Sendable (TopicPartition, CheckpointDamage) -> Void = { _, _ in },
    hole: @escaping @Sendable (TopicPartition, LogHole) -> Void = { _, _ in },
    opened: @escaping @Sendable (sending Log, _ highWatermark: Offset) -> Void,
    failed: @escaping @Sendable (TopicPartition, LogDirectoryError) -> Void
  ) throws(LogDirectoryError) {
    let partitions = try list()
    parallel(partitions.count, threads) { index in
      let partition = partitions[index]
      do throws(LogDirectoryError) {
        let log = try self.open(partition, config: config(partition), nowMs: nowMs)
        if let damage = log.epochDamage { damaged(partition, damage) }
        for found in log.holes { hole(partition, found) }
        let expected = self.memory(of: partition).endExpected
        if log.logEndOffset < expected { lost(partition, log.activePath, log.logEndOffset..<expected) }
        let mark = max(log.logStartOffset, min(self.checkpointed(.highWatermark, partition), log.logEndOffset))
        opened(log, mark)
      } catch { failed(partition, error) }
    }
  }

  // MARK: Stopping

  /// Ends an orderly stop: all logs are closed and the checkpoints written. Unlocks the directory.
  package func closeCleanly() throws(LogDirectoryError) {
    do {
      try CheckpointFile.replace("\(path)/\(Self.cleanName)", with: #"{"version":0,"brokerEpoch":-1}"#, on: disk)
    } catch { throw .disk(error) }
    unlock()
  }

  /// Unlocks the directory without the mark: the next start recovers.
  package func unlock() { state.withLock { $0.lock = nil } }
}
