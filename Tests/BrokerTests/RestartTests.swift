import Cluster
import Coordination
import Glibc
import Model
import Storage
import Testing
import Wire

@testable import Broker

struct RestartTests {
  @Test("a restart keeps topics, ids, configuration, records, offsets and producers", arguments: [true, false])
  func keepsEverything(orderly: Bool) throws {
    try withDirectory { directory in
      var id: TopicID?
      var producer: Int64 = -1
      do {
        let broker = try TestBroker.start(in: directory)
        let client = try broker.connect()
        try client.createTopic("kept", partitions: 3, ["segment.bytes": "300"])
        try client.createTopic("deleted")
        id = broker.broker.topics.named("kept")?.id
        producer = try client.ask(InitProducerIdRequest(), version: 4).producerID
        for index in 0..<30 {
          _ = try client.produce(
            Batches.of(["value \(index)"], producerID: producer, epoch: 0, sequence: Int32(index)), to: "kept", 1)
        }
        var delete = DeleteTopicsRequest()
        delete.topicNames = ["deleted"]
        _ = try client.ask(delete, version: 4)
        if orderly { broker.running.stop() } else { broker.running.abandon() }
      }
      let broker = try TestBroker.start(in: directory)
      defer { broker.running.stop() }
      let client = try broker.connect()
      #expect(broker.broker.directories.wereClean == orderly)
      #expect(broker.broker.topics.all.map(\.name) == ["kept"])
      #expect(broker.broker.topics.named("kept")?.id == id)
      #expect(broker.broker.topics.named("kept")?.config.segmentBytes == 300)
      var values: [String] = []
      while values.count < 30 {
        let found = try client.fetch("kept", 1, from: Offset(Int64(values.count)))
        let more = try Batches.values(in: found.records).map(\.1)
        try #require(!more.isEmpty)
        values += more
      }
      #expect(values == (0..<30).map { "value \($0)" })
      let duplicate = try Batches.of(["value 29"], producerID: producer, epoch: 0, sequence: 29)
      #expect(try client.produce(duplicate, to: "kept", 1).baseOffset == 29, "the producer's last batch is remembered")
      #expect(try client.ask(InitProducerIdRequest(), version: 4).producerID > producer, "ids are never given twice")
      #expect(try client.produce(Batches.of(["next"]), to: "kept", 1).baseOffset == 30)
    }
  }

  @Test("a restart is a new leadership: the old epoch is fenced, and ended where the new one begins")
  func newEpoch() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      try first.connect().createTopic("t")
      _ = try first.connect().produce(Batches.of(["a"]), to: "t")
      let old = try #require(first.broker.topics.named("t")?.partition(0)).leaderEpoch
      first.running.stop()
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      let client = try second.connect()
      let new = try #require(second.broker.topics.named("t")?.partition(0)).leaderEpoch
      #expect(new > old)
      var request = FetchRequest.from("t", 0, 0)
      request.topics[0].partitions[0].currentLeaderEpoch = old
      #expect(try client.ask(request, version: 11).responses[0].partitions[0].errorCode == .fencedLeaderEpoch)
      _ = try client.produce(Batches.of(["b"]), to: "t")
      request.topics[0].partitions[0].currentLeaderEpoch = new
      request.topics[0].partitions[0].fetchOffset = 2
      request.topics[0].partitions[0].lastFetchedEpoch = old
      let diverging = try client.ask(request, version: 12).responses[0].partitions[0].divergingEpoch
      #expect(diverging.epoch == old)
      #expect(diverging.endOffset == 1)
    }
  }

  @Test(
    "a partition's directory that is removed before its first flush is missed at the next start, however the broker ends",
    arguments: [true, false])
  func removedDirectory(orderly: Bool) throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      let client = try first.connect()
      try client.createTopic("t")
      for value in ["a", "b"] { #expect(try client.produce(Batches.of([value]), to: "t").errorCode == .none) }
      try #require(rename("\(directory)/data/t-0", "\(directory)/t-0") == 0)
      #expect(try client.produce(Batches.of(["c"]), to: "t").errorCode == .none)
      if orderly {
        first.running.stop()
      } else {
        first.broker.checkpoint([.highWatermark])
        first.running.abandon()
      }
      for isBack in [false, true] {
        if isBack { try #require(rename("\(directory)/t-0", "\(directory)/data/t-0") == 0) }
        let again = try TestBroker.start(in: directory)
        let answer = try again.connect().produce(Batches.of(["d"]), to: "t")
        #expect(answer.errorCode == (isBack ? .none : .kafkaStorageError))
        let told = again.lines.all.filter { $0.contains("removed by hand") && $0.contains("t-0") }
        #expect(told.count == (isBack ? 0 : 1), "\(again.lines.all)")
        if isBack { #expect(answer.baseOffset == 3) }
        again.running.stop()
      }
    }
  }

  @Test("a deleted topic's checkpoints are gone with it, so that the next of its name is not missed")
  func forgotten() throws {
    try withBroker { broker in
      let client = try broker.connect()
      for name in ["t", "u"] {
        try client.createTopic(name)
        _ = try client.produce(Batches.of(["a"]), to: name)
      }
      broker.broker.checkpoint()
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["t"]
      _ = try client.ask(delete, version: 4)
      let known = try #require(broker.broker.directories.all.first).checkpointedWithRecords
      #expect(known == [TopicPartition("u", 0)])
    }
  }

  @Test("a directory in use is refused, and so is another broker's")
  func locked() throws {
    try withDirectory { directory in
      let broker = try TestBroker.start(in: directory)
      #expect(throws: (any Error).self) { try TestBroker.start(in: directory) }
      broker.running.stop()
      #expect(throws: (any Error).self) { try TestBroker.start(in: directory, ["broker.id": "2"]) }
      try TestBroker.start(in: directory).running.stop()
    }
  }

  @Test("log.dirs that name one directory twice are refused with both names", arguments: ["link", "other/../one"])
  func sameDirectory(second: String) throws {
    try withDirectory { directory in
      for name in ["one", "other"] { try #require(mkdir("\(directory)/\(name)", 0o755) == 0) }
      try #require(symlink("\(directory)/one", "\(directory)/link") == 0)
      let error = #expect(throws: (any Error).self) {
        try TestBroker.start(in: directory, ["log.dirs": "\(directory)/one,\(directory)/\(second)"])
      }
      let told = error.map { "\($0)" } ?? ""
      let expected = "\(directory)/one and \(directory)/\(second) are the same directory"
      #expect(told.contains(expected), "\(told)")
    }
  }

  @Test("with several log.dirs partitions spread over them, and all come back")
  func severalDirectories() throws {
    try withDirectory { directory in
      let keys = ["log.dirs": "\(directory)/one,\(directory)/two"]
      let first = try TestBroker.start(in: directory, keys)
      try first.connect().createTopic("t", partitions: 6)
      for partition: Int32 in 0..<6 {
        _ = try first.connect().produce(Batches.of(["p\(partition)"]), to: "t", partition)
      }
      first.running.stop()
      for name in ["one", "two"] {
        #expect(try directoryNames("\(directory)/\(name)").filter { $0.hasPrefix("t-") }.count == 3)
      }
      let second = try TestBroker.start(in: directory, keys)
      defer { second.running.stop() }
      for partition: Int32 in 0..<6 {
        #expect(
          try Batches.values(in: second.connect().fetch("t", partition, from: 0).records).map(\.1) == ["p\(partition)"])
      }
    }
  }

  @Test("a stop answers the requests in flight before it closes")
  func stopAnswers() throws {
    try withDirectory { directory in
      let broker = try TestBroker.start(in: directory)
      let client = try broker.connect()
      try client.createTopic("t")
      let id = try client.send(FetchRequest.from("t", 0, 0, maxWaitMs: 60_000), version: 11)
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      let other = try broker.connect()
      while partition.parkedCount == 0 { _ = try other.ask(MetadataRequest(), version: 5) }
      broker.running.stop()
      _ = try client.receive(FetchRequest.self, version: 11, correlationID: id)
      #expect(try client.isClosed())
      #expect(throws: (any Error).self) { try broker.connect() }
    }
  }

  @Test("without the journal there is no start, nothing is renamed, and with the journal everything is back")
  func withoutJournal() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      let client = try first.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["precious"]), to: "t")
      first.running.stop()
      let before = try RealDisk().names(in: "\(directory)/data").sorted()
      try RealDisk().rename("\(directory)/data/znodes.journal", to: "\(directory)/kept")
      let error = #expect(throws: StartRefusal.self) { try TestBroker.start(in: directory) }
      #expect(error?.description.contains("holds 1 partition, but no log directory has the z-node journal") == true)
      #expect(try RealDisk().names(in: "\(directory)/data").sorted() == before.filter { $0 != "znodes.journal" })
      try RealDisk().rename("\(directory)/kept", to: "\(directory)/data/znodes.journal")
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      #expect(second.broker.directories.wereClean, "a refused start leaves the clean mark")
      #expect(try Batches.values(in: second.connect().fetch("t", from: 0).records).map(\.1) == ["precious"])
    }
  }

  @Test("a deletion that a crash interrupted is finished at the start")
  func unfinishedDeletion() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      try first.connect().createTopic("t", partitions: 2)
      // As a crash leaves it between marking the topic and removing its logs.
      first.running.abandon()
      let tree = try EmbeddedTree(disk: RealDisk(), directory: "\(directory)/data") { 0 }
      try tree.create(DeleteTopicZNode.path("t"))
      tree.close()
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      #expect(second.broker.topics.all.isEmpty)
      #expect(second.broker.controller.cluster.topics.isEmpty)
      let names = try RealDisk().names(in: "\(directory)/data")
      #expect(names.count { $0.hasPrefix("t-") && $0.hasSuffix("-delete") } == 2, "\(names)")
      try second.connect().createTopic("t")
    }
  }
}
