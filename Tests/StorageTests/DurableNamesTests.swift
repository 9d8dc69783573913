import DiskSupport
import Model
import Synchronization
import Testing

@testable import Storage
@testable import StorageArms

/// The real disk, and which directories were synced while which names were in them.
private final class RecordingDisk: ForwardingDisk {
  let real = RealDisk()
  private let synced = Mutex<[String: Set<String>]>([:])

  /// The names of `directory` that would survive a power failure.
  func durableNames(in directory: String) -> Set<String> { synced.withLock { $0[directory] ?? [] } }

  func syncDirectory(_ path: String) throws(DiskError) {
    try real.syncDirectory(path)
    let names = Set(try real.names(in: path))
    synced.withLock { $0[path] = names }
  }

}

@Suite("Names that a power failure must not take")
struct DurableNamesTests {
  @Test(
    "those of a log, of its directory and of the log directory are durable before the first append is acknowledged",
    arguments: LogEngine.allCases)
  func names(engine: LogEngine) throws {
    let temporary = try TemporaryDirectory()
    let disk = RecordingDisk()
    let directory = try LogDirectory("\(temporary.path)/new/data", disk: disk, engine: engine, arms: .all)
    #expect(disk.durableNames(in: temporary.path).contains("new"))
    #expect(disk.durableNames(in: "\(temporary.path)/new").contains("data"))
    var config = LogConfig()
    config.flushBeforeAcknowledge = true
    let log = try directory.create(
      TopicPartition("orders", 0), topicID: nil, config: config, nowMs: EngineBench.now)
    let appended = try log.append(Batches.make(records: 1, bodyBytes: 9), leaderEpoch: 0, nowMs: EngineBench.now)
    // What a partition does before it acknowledges.
    if appended.needsFlush { try log.flush(nowMs: EngineBench.now) }
    #expect(log.flushedOffset == 1)
    let file = engine == .btree ? BTree.fileName : "00000000000000000000.log"
    #expect(disk.durableNames(in: "\(directory.path)/orders-0").contains(file))
    #expect(disk.durableNames(in: directory.path).contains("orders-0"))
  }
}
