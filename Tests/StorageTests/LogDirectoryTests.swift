import Model
import NIOCore
import Synchronization
import Testing

@testable import Storage

private let now: Int64 = 1_700_000_000_000

@Suite("A log directory")
struct LogDirectoryTests {
  let disk = FakeDisk()

  private func open() throws -> LogDirectory { try LogDirectory("/data/kafka", disk: disk) }

  private final class Opened: Sendable {
    private let ends = Mutex<[TopicPartition: (end: Offset, mark: Offset)]>([:])
    private let failures = Mutex<[TopicPartition]>([])

    var all: [TopicPartition: (end: Offset, mark: Offset)] { ends.withLock { $0 } }
    var failed: [TopicPartition] { failures.withLock { $0 } }

    func open(_ directory: LogDirectory, threads: Int = 3) throws {
      try directory.openAll(
        threads: threads, nowMs: now, config: { _ in LogConfig() },
        opened: { log, mark in
          let (partition, end) = (log.partition, log.logEndOffset)
          self.ends.withLock { $0[partition] = (end, mark) }
        },
        failed: { partition, _ in self.failures.withLock { $0.append(partition) } })
    }
  }

  @Test(
    "whose meta.properties is damaged is refused with what is wrong and what to do",
    arguments: [
      ("", "its version is missing, not 0"), ("version=1\n", "its version is 1, not 0"), ("clu", "clu"),
      ("a\u{1}b\u{7}", "a?b?"), ("version=0\nbroker.id=x\n", "broker.id and cluster.id are needed"),
    ])
  func damagedMeta(text: String, wrong: String) throws {
    try open().unlock()
    try disk.open("/data/kafka/meta.properties", creating: true).write(Array(text.utf8), at: 0)
    let error = #expect(throws: LogDirectoryError.self) { _ = try self.open() }
    #expect(
      error?.description
        == "/data/kafka/meta.properties cannot be read (\(wrong)): put back a copy, or give another log.dirs")
  }

  @Test(
    "whose checkpoint is damaged says where, and does not start where deleted records would come back",
    arguments: [
      ("0\n2\nx 0 5\nx 1 zz\n", 4, "x 1 zz"), ("0\n1\nx 0 -3\n", 3, "x 0 -3"), ("0\n1\nx 0\n", 3, "x 0"),
      ("0\n3\nx 0 5\n", 2, "3"), ("7\n0\n", 1, "7"), ("0\nmany\n", 2, "many"), ("0", 2, ""), ("\u{1}\u{7}", 1, "??"),
    ])
  func damagedCheckpoint(text: String, line: Int, shown: String) throws {
    for checkpoint in OffsetCheckpoint.allCases {
      try open().unlock()
      let path = "/data/kafka/\(checkpoint.rawValue)"
      let file = try disk.open(path, creating: true)
      try file.truncate(to: 0)
      try file.write(Array(text.utf8), at: 0)
      if checkpoint == .logStart {
        let error = #expect(throws: LogDirectoryError.self) { _ = try self.open() }
        #expect(error?.description.hasPrefix("\(path), line \(line) ('\(shown)'): ") == true, "\(error!)")
      } else {
        let directory = try open()
        #expect(directory.damaged.map(\.checkpoint) == [checkpoint])
        let damage = try #require(directory.damaged.first?.damage)
        #expect(damage.path == path && damage.line == line && damage.text == shown, "\(damage)")
        directory.unlock()
      }
      try disk.remove(path)
    }
    let file = try disk.open("/data/kafka/\(OffsetCheckpoint.logStart.rawValue)", creating: true)
    try file.truncate(to: 0)
    #expect(try open().damaged.isEmpty, "Apache Kafka makes empty files")
  }

  @Test("is locked against a second broker, and free again when let go")
  func lock() throws {
    let first = try open()
    #expect(throws: LogDirectoryError.locked(path: "/data/kafka")) { _ = try self.open() }
    first.unlock()
    _ = try open()
  }

  @Test("belongs to one broker of one cluster")
  func identity() throws {
    let mine = LogDirectory.Identity(brokerID: 1, clusterID: "MkU3OEVBNTcwNTJENDM2Qk")
    do {
      let directory = try open()
      #expect(directory.identity == nil)
      try directory.confirm(mine)
      directory.unlock()
    }
    let text = String(decoding: try #require(disk.fileBytes("/data/kafka/meta.properties")), as: UTF8.self)
    #expect(text == "#\nversion=0\nbroker.id=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\n")
    let directory = try open()
    #expect(directory.identity == mine)
    try directory.confirm(mine)
    #expect(throws: LogDirectoryError.self) {
      try directory.confirm(LogDirectory.Identity(brokerID: 2, clusterID: "MkU3OEVBNTcwNTJENDM2Qk"))
    }
  }

  @Test("keeps its id and its neighbours, whatever their paths are")
  func roster() throws {
    let (id, other) = (UUID128(high: 1, low: 2), UUID128(high: 3, low: 4))
    let roster = DirectoryRoster(id: id, paths: [id: "/data/kafka", other: "/mnt/with blanks"])
    do {
      let directory = try open()
      #expect(directory.roster == nil)
      try directory.write(roster)
      directory.unlock()
    }
    #expect(try open().roster == roster)
    for damaged in ["", "0\n", "1\n\(id) /a\n", "0\n\(id)\n", "0\nnonsense /a\n"] {
      disk.overwrite("/data/kafka/log-directories") { $0 = Array(damaged.utf8) }
      #expect(throws: LogDirectoryError.self, "\(damaged)") { _ = try self.open() }
    }
  }

  @Test("has its name, and those of the directories above that it made, on the disk before anything is in it")
  func namesAreDurable() throws {
    _ = try open()
    #expect(disk.syncedDirectories.isSuperset(of: ["/", "/data"]))
  }

  @Test("opens all its logs on several threads, after an orderly stop and after none", arguments: [true, false])
  func openAll(clean: Bool) throws {
    var expected: [TopicPartition: Offset] = [:]
    do {
      let directory = try open()
      #expect(!directory.wasClean)
      for number in 0..<20 {
        let partition = TopicPartition("with-dashes", Int32(number))
        let log = try directory.create(partition, topicID: TopicID(high: 7, low: 9), config: LogConfig(), nowMs: now)
        for index in 0..<number {
          _ = try log.append(
            Batches.make(records: 2, bodyBytes: 50, fill: UInt64(index)), leaderEpoch: 0, nowMs: now)
        }
        expected[partition] = log.logEndOffset
        if clean { try log.close(nowMs: now) }
      }
      try directory.write(.recoveryPoint, clean ? expected : [:])
      try directory.write(.highWatermark, [TopicPartition("with-dashes", 3): 100, TopicPartition("with-dashes", 4): 5])
      if clean { try directory.closeCleanly() } else { directory.unlock() }
    }
    #expect((disk.fileBytes("/data/kafka/.kafka_cleanshutdown") != nil) == clean)
    let directory = try open()
    #expect(directory.wasClean == clean)
    #expect((disk.fileBytes("/data/kafka/.kafka_cleanshutdown") != nil) == clean, "a start may still be refused")
    #expect(try directory.list() == expected.keys.sorted())
    let opened = Opened()
    try opened.open(directory)
    #expect(disk.fileBytes("/data/kafka/.kafka_cleanshutdown") == nil)
    #expect(opened.all.mapValues(\.end) == expected)
    #expect(opened.failed == [])
    // The high watermark is never past the log's end.
    #expect(opened.all[TopicPartition("with-dashes", 3)]?.mark == 6)
    #expect(opened.all[TopicPartition("with-dashes", 4)]?.mark == 5)
  }

  @Test("forgets a deleted partition at once and removes its files after the delay")
  func deletion() throws {
    let directory = try open()
    let partition = TopicPartition("gone", 0)
    let log = try directory.create(partition, topicID: nil, config: LogConfig(), nowMs: now)
    _ = try log.append(Batches.make(records: 1, bodyBytes: 30), leaderEpoch: 0, nowMs: now)
    let slice = try log.read(from: 0, upTo: 1, maxBytes: 1000, atLeastOneBatch: true)
    try directory.delete(partition, delayMs: 60_000, nowMs: now)
    #expect(try directory.list() == [])
    #expect(try directory.purgeDeleted(nowMs: now + 59_999) == 0)
    #expect(try slice.bytes().batches().count == 1)
    _ = try directory.create(partition, topicID: nil, config: LogConfig(), nowMs: now)
    #expect(try directory.purgeDeleted(nowMs: now + 60_000) == 1)
    #expect(try slice.bytes().batches().count == 1, "a reader that began before reads on")
    #expect(try directory.list() == [partition])
    #expect(try disk.names(in: "/data/kafka").filter { $0.hasSuffix("-delete") } == [])
  }

  @Test("what an earlier run left half deleted goes with the first purge")
  func leftovers() throws {
    let directory = try open()
    _ = try directory.create(TopicPartition("t", 0), topicID: nil, config: LogConfig(), nowMs: now)
    try directory.delete(TopicPartition("t", 0), delayMs: 60_000, nowMs: now)
    directory.unlock()
    #expect(try open().purgeDeleted(nowMs: 0) == 1)
  }

  @Test("a partition made again does not inherit what was noted of the deleted one")
  func madeAgain() throws {
    let partition = TopicPartition("t", 0)
    do {
      let directory = try open()
      let log = try directory.create(partition, topicID: nil, config: LogConfig(), nowMs: now)
      for _ in 0..<10 { _ = try log.append(Batches.make(records: 5, bodyBytes: 30), leaderEpoch: 0, nowMs: now) }
      for checkpoint in OffsetCheckpoint.allCases {
        try directory.write(checkpoint, [partition: 40, TopicPartition("u", 1): 3])
      }
      try directory.delete(partition, delayMs: 0, nowMs: now)
      let second = try directory.create(partition, topicID: nil, config: LogConfig(), nowMs: now)
      _ = try second.append(Batches.make(records: 5, bodyBytes: 30), leaderEpoch: 0, nowMs: now)
      directory.unlock()
    }
    let directory = try open()
    #expect(directory.read(.logStart) == [TopicPartition("u", 1): 3])
    let log = try directory.open(partition, config: LogConfig(), nowMs: now)
    #expect(log.logStartOffset == 0)
    #expect(log.logEndOffset == 5)
  }

  @Test("names of directories are read as Kafka writes them")
  func names() {
    #expect(LogDirectory.partition(inName: "a-b-12") == TopicPartition("a-b", 12))
    #expect(LogDirectory.partition(inName: "__consumer_offsets-49") == TopicPartition("__consumer_offsets", 49))
    for name in ["a", "a-", "-3", "a-1.0af3-delete", "a-1x", "meta.properties", "a-99999999999"] {
      #expect(LogDirectory.partition(inName: name) == nil, "\(name)")
    }
  }
}
