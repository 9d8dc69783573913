import Logging
import Model
package import Storage

/// Manages the broker's log.dirs. A new partition is placed in the directory with the fewest partitions.
///
/// An unusable directory, at the start or later, is offline until the next start: its partitions return storage errors, no new
/// partition is placed there, and the other directories work.
package struct LogDirectories: Sendable {
  /// The directories usable at the start.
  package let all: [LogDirectory]
  /// What each of log.dirs said of itself before the start changed anything.
  let reports: [DirectoryReport]
  /// What `millrace.cache` asks for beside the page cache.
  package let cache: (any SegmentCache)?

  /// Opens and locks every directory, to be used as the configuration's switches say.
  ///
  /// - Parameters:
  ///   - world: the file system, for all but the switches that need the machine's own.
  ///   - arms: what there is for the switches.
  package init(_ config: Config, disk world: any Disk, arms: Arms) throws(LogDirectoryError) {
    let files = try Self.files(config, world, arms)
    cache = files.cache
    var opened: [Result<LogDirectory, LogDirectoryError>] = []
    for path in config.logDirs {
      do throws(LogDirectoryError) {
        let all = opened.compactMap { try? $0.get() }
        if let other = Self.same(as: path, among: all) { throw .sameDirectory(path: path, as: other.path) }
        let directory = try LogDirectory(path, disk: files.disk, engine: config.logEngine, arms: arms)
        try directory.checkDisk()
        try directory.checkEngine()
        opened.append(.success(directory))
      } catch { opened.append(.failure(error)) }
    }
    let usable = opened.compactMap { try? $0.get() }
    // With a directory missing, a log may be there whose copy is complete in another.
    if usable.count == opened.count { try LogDirectory.finishMoves(among: usable) }
    var all: [LogDirectory] = []
    var reports: [DirectoryReport] = []
    for (path, outcome) in zip(config.logDirs, opened) {
      do throws(LogDirectoryError) {
        let directory = try outcome.get()
        reports.append(try DirectoryReport(directory))
        all.append(directory)
      } catch {
        guard case .disk(let cause) = error, !cause.isOfProcess else { throw error }
        reports.append(DirectoryReport(path: path, failure: cause, on: files.disk))
      }
    }
    self.all = all
    self.reports = reports
  }

  /// The directory to which `path` leads too, by a link or a way round.
  private static func same(as path: String, among all: [LogDirectory]) -> LogDirectory? {
    guard let last = all.last, let identity = (try? last.disk.info(path))?.identity else { return nil }
    return all.first { (try? $0.disk.info($0.path))?.identity == identity }
  }

  private static func files(
    _ config: Config, _ world: any Disk, _ arms: Arms
  ) throws(LogDirectoryError) -> Arms.SwitchedFiles {
    if config.cache == .page, config.writePath == .buffered { return Arms.SwitchedFiles(disk: world, cache: nil) }
    guard let make = arms.files else {
      throw .noArm(
        setting: config.cache == .page
          ? "millrace.write.path=\(config.writePath.rawValue)" : "millrace.cache=\(config.cache.rawValue)")
    }
    do { return try make(config.cache, config.cacheSettings, config.writePath) } catch { throw .disk(error) }
  }

  package init(_ all: [LogDirectory]) {
    self.all = all
    reports = []
    cache = nil
  }

  /// The directories usable now.
  var online: [LogDirectory] { all.filter { $0.failure == nil } }

  /// Whether any log was appended to since the last call.
  func haveGrown() -> Bool { all.reduce(false) { $1.takeGrowth() || $0 } }

  /// Whether all log.dirs are usable.
  var areAllUsable: Bool { reports.allSatisfy { $0.failure == nil } && online.count == all.count }

  /// Whether the last stop of every directory was orderly.
  package var wereClean: Bool { all.allSatisfy(\.wasClean) }

  /// Takes the directories as this broker's, together: from here on logs are opened and made in them.
  ///
  /// - Parameters:
  ///   - absent: directories of this broker that cannot be used now.
  ///   - random: makes the ids of new directories.
  func accept(
    _ identity: LogDirectory.Identity, absent: [UUID128: String], random: inout some RandomNumberGenerator
  ) throws(LogDirectoryError) {
    let ids = all.map { $0.roster?.id ?? UUID128.random(using: &random) }
    let paths = Dictionary(uniqueKeysWithValues: zip(ids, all.map(\.path))).merging(absent) { usable, _ in usable }
    for (directory, id) in zip(all, ids) {
      try directory.confirm(identity)
      try directory.write(DirectoryRoster(id: id, paths: paths))
      try directory.begin()
    }
  }

  /// Where the partitions of one change go: each to the directory with the fewest, the first of them when several have
  /// as few.
  struct Placement {
    private let directories: [LogDirectory]
    private var counts: [Int]

    /// - Parameter failed: called with each directory that turns out to be unusable; nothing is placed there.
    init(
      _ directories: LogDirectories, failed: (LogDirectory, DiskError) -> Void
    ) throws(LogDirectoryError) {
      let online = directories.online
      var counted: [(directory: LogDirectory, count: Int)] = []
      for directory in online {
        do throws(LogDirectoryError) {
          // With one directory there is nothing to choose, so nothing to count.
          counted.append((directory, online.count == 1 ? 0 : try directory.roughCount()))
        } catch {
          guard case .disk(let cause) = error, cause.isOfDirectory else { throw error }
          failed(directory, cause)
        }
      }
      self.directories = counted.map(\.directory)
      counts = counted.map(\.count)
    }

    /// Nil when no directory can be used any more.
    mutating func next() -> LogDirectory? {
      let online = counts.indices.filter { directories[$0].failure == nil }
      guard let least = online.min(by: { counts[$0] < counts[$1] }) else { return nil }
      counts[least] += 1
      return directories[least]
    }
  }

  /// Makes a partition's log in a directory that can take it: where one fails, in the next.
  ///
  /// - Parameter failed: called with each directory that turns out to be unusable.
  func create(
    _ partition: TopicPartition, topicID: TopicID, config: LogConfig, nowMs: Int64, _ placement: inout Placement?,
    failed: (LogDirectory, DiskError) -> Void
  ) throws(LogDirectoryError) -> (log: Log, directory: LogDirectory) {
    if placement == nil { placement = try Placement(self, failed: failed) }
    while let directory = placement?.next() {
      do throws(LogDirectoryError) {
        let log = try directory.create(partition, topicID: topicID, config: config, nowMs: nowMs)
        return (log, directory)
      } catch {
        guard case .disk(let cause) = error, cause.isOfDirectory else { throw error }
        failed(directory, cause)
      }
    }
    throw .noneLeft
  }

  /// Returns the directory of a partition.
  func holding(_ partition: TopicPartition) -> LogDirectory? {
    online.first { directory in (try? directory.disk.info(directory.directory(of: partition))) != nil }
  }
}

extension LogConfig {
  /// What of a topic's configuration its logs obey.
  package init(_ topic: TopicConfig, flushBeforeAck: Bool) {
    self.init()
    segmentBytes = topic.segmentBytes
    segmentMs = topic.segmentMs
    indexIntervalBytes = topic.indexIntervalBytes
    segmentIndexBytes = topic.segmentIndexBytes
    retentionMs = topic.retentionMs
    retentionBytes = topic.retentionBytes
    maxMessageBytes = topic.maxMessageBytes
    flushMessages = topic.flushMessages
    flushMs = topic.flushMs
    flushBeforeAcknowledge = flushBeforeAck
    fileDeleteDelayMs = topic.fileDeleteDelayMs
    preallocate = topic.preallocate
    timestampType = topic.timestampIsLogAppendTime ? .logAppendTime : .createTime
    timestampBeforeMaxMs = topic.timestampBeforeMaxMs
    timestampAfterMaxMs = topic.timestampAfterMaxMs
    deletesOldSegments = topic.cleanupPolicy.contains(.delete)
    compacts = topic.cleanupPolicy.contains(.compact)
    minCleanableDirtyRatio = topic.minCleanableDirtyRatio
    deleteRetentionMs = topic.deleteRetentionMs
    minCompactionLagMs = topic.minCompactionLagMs
    maxCompactionLagMs = topic.maxCompactionLagMs
    // The active segment is not cleaned: no record may stay in it for longer than it may stay uncleaned.
    if compacts { segmentMs = min(segmentMs, maxCompactionLagMs) }
    minInSyncReplicas = topic.minInSyncReplicas
  }
}
