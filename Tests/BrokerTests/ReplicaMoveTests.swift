import Model
import Storage
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Broker

@Suite("A replica that moves to another log directory")
struct ReplicaMoveTests {
  /// A broker with two log directories, and a topic of one partition in one of them.
  private func withTwoDirectories(
    _ keys: [String: String] = [:],
    _ body: (_ directory: String, _ keys: [String: String], _ broker: TestBroker) throws -> Void
  ) throws {
    try withDirectory { directory in
      let keys = keys.merging(["log.dirs": "\(directory)/a,\(directory)/b", "log.segment.bytes": "400000"]) { $1 }
      let broker = try TestBroker.start(in: directory, keys)
      try broker.connect().createTopic("t")
      try body(directory, keys, broker)
    }
  }

  /// Slower than any test: a move does not end by itself.
  private static let crawling = ["replica.alter.log.dirs.io.max.bytes.per.second": "1"]

  /// The directory in which the partition is, and the other one.
  private func places(_ broker: TestBroker) throws -> (own: String, other: String) {
    let own = try #require(broker.broker.topics.named("t")?.partition(0)?.directory?.path)
    let other = broker.broker.directories.all.map(\.path).first { $0 != own }
    return (own, try #require(other))
  }

  private func move(_ broker: TestBroker, to path: String) throws -> ErrorCode? {
    var request = AlterReplicaLogDirsRequest()
    request.dirs = [
      .with {
        $0.path = path
        $0.topics = [
          .with {
            $0.name = "t"
            $0.partitions = [0]
          }
        ]
      }
    ]
    return try broker.connect().ask(request, version: 2).results.first?.partitions.first?.errorCode
  }

  /// Runs on the lane on which replicas are moved, so that what was asked for before is begun, and a turn of it is done.
  private func afterTurns(_ broker: TestBroker, _ count: Int = 1) {
    for _ in 0..<count { broker.blocking(.housekeeping) {} }
  }

  private func waitUntilMoved(_ broker: TestBroker, to path: String) throws {
    for _ in 0..<10_000 where try places(broker).own != path { afterTurns(broker) }
    #expect(try places(broker).own == path)
  }

  private func describe(_ broker: TestBroker, _ path: String) throws -> DescribeLogDirsResponse.Partition? {
    try broker.connect().ask(DescribeLogDirsRequest(), version: 4).results.first { $0.logDir == path }?.topics.first {
      $0.name == "t"
    }?.partitions.first
  }

  private func fill(_ broker: TestBroker, from first: Int, _ count: Int, bytes: Int = 20_000) throws {
    let client = try broker.connect()
    for index in first..<first + count {
      let value = "\(index) " + String(repeating: "x", count: bytes)
      #expect(try client.produce(Batches.of([value]), to: "t", 0).errorCode == .none)
    }
  }

  /// The numbers of all records, in the order in which a consumer gets them.
  private func numbers(_ broker: TestBroker) throws -> [Int] {
    let client = try broker.connect()
    let end = try client.offset(of: "t", 0, at: -1).offset
    var numbers: [Int] = []
    var next = try client.offset(of: "t", 0, at: -2).offset
    while next < end {
      let found = try Batches.values(in: try client.fetch("t", 0, from: next).records)
      numbers += found.compactMap { $0.1.split(separator: " ").first.flatMap { Int($0) } }
      next = (found.last?.0 ?? end - 1) + 1
    }
    return numbers
  }

  @Test("has its records there, is appended to, and is there after a restart; the old directory is emptied")
  func moved() throws {
    try withTwoDirectories(["log.segment.delete.delay.ms": "0"]) { directory, keys, broker in
      try fill(broker, from: 0, 60)
      let (own, other) = try places(broker)
      #expect(try move(broker, to: other) == ErrorCode.none)
      try fill(broker, from: 60, 20)
      try waitUntilMoved(broker, to: other)
      try fill(broker, from: 80, 5)
      #expect(try numbers(broker) == Array(0..<85))
      #expect(try describe(broker, own) == nil)
      let described = try #require(try describe(broker, other))
      #expect(!described.isFutureKey && described.offsetLag == 0 && described.partitionSize > 85 * 20_000)
      broker.running.stop()
      let again = try TestBroker.start(in: directory, keys)
      #expect(try places(again).own == other)
      #expect(try numbers(again) == Array(0..<85))
      again.broker.purgeDeleted()
      #expect(try directoryNames(own).filter { $0.hasPrefix("t-0") } == [])
      #expect(again.lines.all.allSatisfy { !$0.hasPrefix("error") && !$0.hasPrefix("warning") }, "\(again.lines.all)")
      again.running.stop()
    }
  }

  @Test("is shown on its way with what it lacks, and stays when it is moved back")
  func back() throws {
    try withTwoDirectories(Self.crawling) { _, _, broker in
      defer { broker.running.stop() }
      try fill(broker, from: 0, 60)
      let (own, other) = try places(broker)
      #expect(try move(broker, to: other) == ErrorCode.none)
      afterTurns(broker)
      let future = try #require(try describe(broker, other))
      #expect(future.isFutureKey && future.offsetLag > 0 && future.offsetLag < 60 && future.partitionSize > 0)
      #expect(try describe(broker, own)?.isFutureKey == false)
      // The same once more changes nothing.
      #expect(try move(broker, to: other) == ErrorCode.none)
      afterTurns(broker)
      #expect(try describe(broker, other)?.offsetLag == future.offsetLag)
      #expect(try move(broker, to: own) == ErrorCode.none)
      afterTurns(broker)
      #expect(try describe(broker, other) == nil && places(broker).own == own)
      #expect(try directoryNames(other).filter { $0.hasPrefix("t-0") } == [])
      #expect(try numbers(broker) == Array(0..<60))
    }
  }

  @Test("goes on after a stop and after a crash", arguments: [true, false])
  func continued(isCrash: Bool) throws {
    try withTwoDirectories(Self.crawling) { directory, keys, broker in
      try fill(broker, from: 0, 60)
      let (_, other) = try places(broker)
      #expect(try move(broker, to: other) == ErrorCode.none)
      afterTurns(broker)
      if isCrash { broker.running.abandon() } else { broker.running.stop() }
      #expect(try directoryNames(other).contains("t-0.0-future"))
      let again = try TestBroker.start(in: directory, keys.filter { $0.key != Self.crawling.first?.key })
      defer { again.running.stop() }
      try waitUntilMoved(again, to: other)
      #expect(try numbers(again) == Array(0..<60))
    }
  }

  @Test("is forgotten with its topic; one of the same name begins in one directory, empty")
  func deleted() throws {
    try withTwoDirectories(Self.crawling) { _, _, broker in
      defer { broker.running.stop() }
      try fill(broker, from: 0, 60)
      let (_, other) = try places(broker)
      #expect(try move(broker, to: other) == ErrorCode.none)
      afterTurns(broker)
      let client = try broker.connect()
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["t"]
      #expect(try client.ask(delete, version: 4).responses.first?.errorCode == ErrorCode.none)
      try client.createTopic("t")
      afterTurns(broker)
      for directory in broker.broker.directories.all { #expect(try directory.copies() == []) }
      #expect(try numbers(broker) == [])
      try fill(broker, from: 7, 1)
      let (own, next) = try places(broker)
      #expect(try move(broker, to: next) == ErrorCode.none)
      try waitUntilMoved(broker, to: next)
      #expect(try numbers(broker) == [7])
      #expect(try describe(broker, own) == nil)
    }
  }

  @Test("keeps what transactions and idempotent producers are known for")
  func producers() throws {
    try withTwoDirectories { _, _, broker in
      defer { broker.running.stop() }
      let client = try broker.connect()
      let batch = try Batches.of(["once"], producerID: 5, epoch: 0, sequence: 0)
      #expect(try client.produce(batch, to: "t", 0).baseOffset == 0)
      let (_, other) = try places(broker)
      #expect(try move(broker, to: other) == ErrorCode.none)
      try waitUntilMoved(broker, to: other)
      let repeated = try client.produce(batch, to: "t", 0)
      #expect(repeated.errorCode == .none && repeated.baseOffset == 0)
      #expect(try client.offset(of: "t", 0, at: -1).offset == 1)
    }
  }
}
