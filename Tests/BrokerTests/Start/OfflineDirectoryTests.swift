import Glibc
import Model
import Storage
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Broker

@Suite("A log directory that cannot be used")
struct OfflineDirectoryTests {
  private static let dirs = ["a", "b", "c"]

  private func keys(_ directory: String) -> [String: String] {
    ["log.dirs": Self.dirs.map { "\(directory)/\($0)" }.joined(separator: ",")]
  }

  /// A broker with two partitions of `t` in each of three directories, a record in each.
  private func fill(_ directory: String) throws -> TestBroker {
    let broker = try TestBroker.start(in: directory, keys(directory))
    let client = try broker.connect()
    try client.createTopic("t", partitions: 6)
    for partition: Int32 in 0..<6 { _ = try client.produce(Batches.of(["p\(partition)"]), to: "t", partition) }
    return broker
  }

  private func partitions(in name: String, of directory: String) throws -> Set<Int32> {
    Set(try directoryNames("\(directory)/\(name)").compactMap { $0.hasPrefix("t-") ? Int32($0.dropFirst(2)) : nil })
  }

  private func removeTopic(_ name: String, _ client: TestClient) throws {
    var delete = DeleteTopicsRequest()
    delete.topicNames = [name]
    #expect(try client.ask(delete, version: 4).responses.first?.errorCode == ErrorCode.none)
  }

  /// The partitions of `lost` answer with a storage error, in every way Kafka has; the others work, and so do new topics.
  private func expectOffline(_ lost: Set<Int32>, _ name: String, _ broker: TestBroker, _ directory: String) throws {
    let client = try broker.connect()
    for partition: Int32 in 0..<6 {
      let isLost = lost.contains(partition)
      let expected: ErrorCode = isLost ? .kafkaStorageError : .none
      let found = try client.fetch("t", partition, from: 0)
      #expect(found.errorCode == expected)
      if !isLost { #expect(try Batches.values(in: found.records).map(\.1).first == "p\(partition)") }
      #expect(try client.produce(Batches.of(["more"]), to: "t", partition).errorCode == expected)
      #expect(try client.offset(of: "t", partition, at: -1).errorCode == expected)
    }
    var metadata = MetadataRequest()
    metadata.topics = nil
    for partition in try client.ask(metadata, version: 9).topics.first(where: { $0.name == "t" })?.partitions ?? [] {
      let isLost = lost.contains(partition.partitionIndex)
      #expect(partition.errorCode == (isLost ? .leaderNotAvailable : .none))
      #expect(partition.leaderID == (isLost ? -1 : 1))
      #expect(partition.offlineReplicas == (isLost ? [1] : []))
    }
    for described in try client.ask(DescribeLogDirsRequest(), version: 4).results {
      let isLost = described.logDir == "\(directory)/\(name)"
      #expect(described.errorCode == (isLost ? .kafkaStorageError : .none), "\(described.logDir)")
      #expect(described.topics.isEmpty == isLost)
    }
    try client.createTopic("new", partitions: 9)
    for partition: Int32 in 0..<9 {
      #expect(try client.produce(Batches.of(["n"]), to: "new", partition).errorCode == .none)
    }
    #expect(
      broker.lines.all.contains {
        $0.hasPrefix("error a log directory is offline") && $0.contains("\(directory)/\(name)")
      })
  }

  @Test("at the start: its partitions are offline, the rest works; usable again, everything is there")
  func atStart() throws {
    try withDirectory { directory in
      try fill(directory).running.stop()
      let lost = try partitions(in: "b", of: directory)
      #expect(lost.count == 2)
      try RealDisk().rename("\(directory)/b", to: "\(directory)/kept")
      try "no directory".write(toFile: "\(directory)/b")
      let second = try TestBroker.start(in: directory, keys(directory))
      try expectOffline(lost, "b", second, directory)
      #expect(second.lines.all.contains { $0.contains("\(directory)/b/.lock: Not a directory") }, "\(second.lines.all)")
      second.running.stop()
      try RealDisk().remove("\(directory)/b")
      try RealDisk().rename("\(directory)/kept", to: "\(directory)/b")
      let third = try TestBroker.start(in: directory, keys(directory))
      defer { third.running.stop() }
      let client = try third.connect()
      for partition: Int32 in 0..<6 {
        #expect(try Batches.values(in: client.fetch("t", partition, from: 0).records).first?.1 == "p\(partition)")
      }
    }
  }

  @Test("removed under a running broker: the same, and back at the next start")
  func whileRunning() throws {
    try withDirectory { directory in
      let first = try fill(directory)
      let lost = try partitions(in: "c", of: directory)
      let waiting = try first.connect()
      let asked = try waiting.send(FetchRequest.from("t", try #require(lost.min()), 1, maxWaitMs: 60_000), version: 11)
      let partition = try #require(first.broker.topics.named("t")?.partition(lost.min() ?? 0))
      let other = try first.connect()
      while partition.parkedCount == 0 { _ = try other.ask(MetadataRequest(), version: 5) }
      try RealDisk().rename("\(directory)/c", to: "\(directory)/kept")
      first.broker.lookAtDirectories()
      // A fetch that waited there is answered, not left to its deadline.
      let answer = try waiting.receive(FetchRequest.self, version: 11, correlationID: asked)
      #expect(answer.responses.first?.partitions.first?.errorCode == .kafkaStorageError)
      try expectOffline(lost, "c", first, directory)
      let errors = first.lines.all.filter { $0.hasPrefix("error") }
      first.broker.lookAtDirectories()
      first.broker.checkpoint()
      first.broker.purgeDeleted()
      #expect(first.lines.all.filter { $0.hasPrefix("error") } == errors, "it is told once")
      first.running.stop()
      #expect(try !directoryNames(directory).contains("c"), "nothing is made in its place")
      try RealDisk().rename("\(directory)/kept", to: "\(directory)/c")
      let second = try TestBroker.start(in: directory, keys(directory))
      defer { second.running.stop() }
      let client = try second.connect()
      for partition: Int32 in 0..<6 {
        #expect(try Batches.values(in: client.fetch("t", partition, from: 0).records).first?.1 == "p\(partition)")
      }
      #expect(try client.produce(Batches.of(["n"]), to: "new", 8).errorCode == .none)
    }
  }

  @Test("removed under a running broker: the first topic that is created then goes to another directory")
  func firstCreation() throws {
    try withDirectory { directory in
      let first = try fill(directory)
      defer { first.running.stop() }
      try RealDisk().rename("\(directory)/c", to: "\(directory)/kept")
      try first.connect().createTopic("made", partitions: 3)
      #expect(first.lines.all.filter { $0.hasPrefix("error") && $0.contains("\(directory)/c") }.count == 1)
      let names = try ["a", "b"].flatMap { try directoryNames("\(directory)/\($0)") }
      #expect(names.filter { $0.hasPrefix("made-") }.sorted() == ["made-0", "made-1", "made-2"])
    }
  }

  @Test("a topic deleted meanwhile does not come back with the directory, and its name is free then")
  func deletedMeanwhile() throws {
    try withDirectory { directory in
      try fill(directory).running.stop()
      try RealDisk().rename("\(directory)/b", to: "\(directory)/kept")
      try "no directory".write(toFile: "\(directory)/b")
      let second = try TestBroker.start(in: directory, keys(directory))
      try removeTopic("t", second.connect())
      var again = CreateTopicsRequest.Topic()
      again.name = "t"
      (again.numPartitions, again.replicationFactor) = (1, 1)
      var create = CreateTopicsRequest()
      create.topics = [again]
      let refused = try second.connect().ask(create, version: 7).topics.first?.errorCode
      #expect(refused == .topicAlreadyExists, "its files may turn up")
      second.running.stop()
      try RealDisk().remove("\(directory)/b")
      try RealDisk().rename("\(directory)/kept", to: "\(directory)/b")
      let third = try TestBroker.start(in: directory, keys(directory))
      defer { third.running.stop() }
      #expect(third.broker.topics.all.isEmpty)
      #expect(try partitions(in: "b", of: directory).isEmpty)
      try third.connect().createTopic("t", partitions: 3)
      #expect(try third.connect().produce(Batches.of(["a"]), to: "t", 2).baseOffset == 0)
    }
  }

  @Test("one log that failed alone leaves its directory as it is")
  func oneLog() throws {
    try withDirectory { directory in
      let broker = try fill(directory)
      defer { broker.running.stop() }
      for topic in broker.broker.topics.all { for fetch in topic.partitions[0].retire(deleted: false) { _ = fetch } }
      broker.broker.lookAtDirectories()
      #expect(broker.broker.directories.online.count == 3)
      #expect(try broker.connect().produce(Batches.of(["a"]), to: "t", 1).errorCode == .none)
    }
  }

  @Test(
    "when none is left that can be used, no start; when the last one goes, the broker ends with exit code 1 and a sentence"
  )
  func none() throws {
    try withDirectory { directory in
      try "no directory".write(toFile: "\(directory)/data")
      let error = #expect(throws: StartRefusal.self) { try TestBroker.start(in: directory) }
      #expect(
        error?.description
          == "no log directory can be used: open \(directory)/data/.lock: Not a directory")
      try RealDisk().remove("\(directory)/data")
      let broker = try BrokerProcess.start(in: directory)
      try TestClient(port: broker.port).createTopic("t")
      try RealDisk().rename("\(directory)/data", to: "\(directory)/kept")
      #expect(try broker.waitUntilEnded() == 1)
      let log = try broker.logText()
      #expect(log.contains("\(directory)/data/.lock: No such file or directory"), "\(log)")
      #expect(log.contains("no log directory is left that can be used"), "\(log)")
    }
  }
}
