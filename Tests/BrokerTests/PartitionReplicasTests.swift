import Cluster
import Compression
import Model
import NIOCore
import Storage
import Synchronization
import Testing
import Wire

@testable import Broker

extension Partition {
  /// Makes the only replica the leader of three, as the controller would, and says who is in sync.
  fileprivate func lead(inSync: [BrokerID] = [1, 2, 3], partitionEpoch: Int32 = 1) {
    let leadership = Replication.Leadership(
      leaderEpoch: leaderEpoch, partitionEpoch: partitionEpoch, replicas: [1, 2, 3], inSync: inSync)
    wake(advance { $0.lead(leadership, nowMs: 0) })
  }

  /// A follower fetches from `offset`.
  fileprivate func fetched(by replica: BrokerID, from offset: Offset, logStart: Offset = 0) {
    wake(advance { $0.fetched(by: replica, from: offset, logStart: logStart, nowMs: 1) })
  }

  fileprivate func wake(_ advanced: Advanced) {
    for waiter in advanced.woken { waiter.wake(.satisfied) }
  }

  fileprivate func place(_ bytes: ByteBuffer, transactional: Bool = false) throws {
    var batch = try RecordBatch(viewing: bytes)
    batch.header.attributes.isTransactional = transactional
    batch.header.crc = batch.header.checksum(of: batch.body)
    for waiter in try append(batch, forAllInSync: false, nowMs: 0).woken { waiter.wake(.satisfied) }
  }
}

@Suite("A partition with replicas")
struct PartitionReplicasTests {
  private func withPartition(
    _ overrides: [String: String] = [:], _ body: (TestBroker, TestClient, Partition) throws -> Void
  ) throws {
    try withBroker(overrides) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      try body(broker, client, try #require(broker.broker.topics.named("t")?.partition(0)))
    }
  }

  private func waitForParked(_ count: Int, _ partition: Partition, _ broker: TestBroker) throws {
    let other = try broker.connect()
    while partition.parkedCount != count { _ = try other.ask(MetadataRequest(), version: 5) }
  }

  private func answer(_ client: TestClient, to id: Int32) throws -> ProduceResponse.Partition {
    try client.receive(ProduceRequest.self, version: 9, correlationID: id).responses[0].partitionResponses[0]
  }

  private func send(
    _ values: [String], _ client: TestClient, acks: Int16 = -1, timeoutMs: Int32 = 60_000
  ) throws -> Int32 {
    var request = try ProduceRequest.producing(Batches.of(values), to: "t", 0, acks: acks)
    request.timeoutMs = timeoutMs
    return try client.send(request, version: 9)
  }

  @Test("acks=all is answered when every replica in sync has fetched the records, and only then can they be read")
  func acksAll() throws {
    try withPartition { broker, producer, partition in
      partition.lead()
      let reader = try broker.connect()
      let id = try send(["a", "b"], producer)
      try waitForParked(1, partition, broker)
      let early = try reader.fetch("t", from: 0)
      #expect(early.records.byteCount == 0 && early.highWatermark == 0 && early.errorCode == .none)
      #expect(try reader.offset(of: "t", at: -1).offset == 0)
      let fetch = try reader.send(FetchRequest.from("t", 0, 0, maxWaitMs: 60_000), version: 11)
      try waitForParked(2, partition, broker)
      partition.fetched(by: 2, from: 2)
      #expect(partition.parkedCount == 2, "replica 3 has nothing yet")
      partition.fetched(by: 3, from: 2)
      let placed = try answer(producer, to: id)
      #expect(placed.errorCode == .none && placed.baseOffset == 0)
      let found = try reader.receive(FetchRequest.self, version: 11, correlationID: fetch).responses[0].partitions[0]
      #expect(try Batches.values(in: found.records).map(\.1) == ["a", "b"])
      #expect(found.highWatermark == 2 && partition.parkedCount == 0)
    }
  }

  @Test("acks=1 waits for nobody")
  func acksOne() throws {
    try withPartition { _, client, partition in
      partition.lead()
      let placed = try client.produce(Batches.of(["a"]), to: "t", acks: 1)
      #expect(placed.errorCode == .none && partition.parkedCount == 0 && partition.highWatermark == 0)
    }
  }

  @Test("a duplicate waits for the replicas as the first did")
  func duplicate() throws {
    try withPartition { broker, client, partition in
      partition.lead()
      let batch = try Batches.of(["a"], producerID: 7, epoch: 0, sequence: 0)
      #expect(try client.produce(batch, to: "t", acks: 1).errorCode == .none)
      let id = try client.send(ProduceRequest.producing(batch, to: "t", 0, acks: -1), version: 9)
      try waitForParked(1, partition, broker)
      partition.fetched(by: 2, from: 1)
      partition.fetched(by: 3, from: 1)
      #expect(try answer(client, to: id).errorCode == .none)
    }
  }

  @Test("acks=all whose time is up is told so, and the records stay", arguments: [0, 50, -1, Int32.min])
  func timeout(timeoutMs: Int32) throws {
    try withPartition { broker, client, partition in
      partition.lead()
      let id = try send(["a"], client, timeoutMs: timeoutMs)
      let placed = try answer(client, to: id)
      #expect(placed.errorCode == .requestTimedOut && placed.baseOffset == .unknown)
      #expect(partition.parkedCount == 0)
      partition.fetched(by: 2, from: 1)
      partition.fetched(by: 3, from: 1)
      #expect(try Batches.values(in: client.fetch("t", from: 0).records).map(\.1) == ["a"])
    }
  }

  @Test("the request waits for each of its partitions, and each has its own answer")
  func severalPartitions() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 3)
      let partitions = try #require(broker.broker.topics.named("t")).partitions
      for partition in partitions[..<2] { partition.lead() }
      var request = try ProduceRequest.producing(Batches.of(["a"]), to: "t", 0, acks: -1)
      for index: Int32 in 1...2 {
        var data = request.topicData[0].partitionData[0]
        data.index = index
        request.topicData[0].partitionData.append(data)
      }
      request.timeoutMs = 60_000
      let id = try client.send(request, version: 9)
      try waitForParked(1, partitions[0], broker)
      try waitForParked(1, partitions[1], broker)
      #expect(partitions[2].parkedCount == 0, "its only replica has the record")
      for replica: BrokerID in [2, 3] { partitions[1].fetched(by: replica, from: 1) }
      #expect(partitions[1].parkedCount == 0 && partitions[0].parkedCount == 1)
      for waiter in partitions[0].follow(leaderEpoch: partitions[0].leaderEpoch + 1) { waiter.wake(.released) }
      let placed = try client.receive(ProduceRequest.self, version: 9, correlationID: id).responses[0]
      #expect(placed.partitionResponses.map(\.errorCode) == [.notLeaderOrFollower, .none, .none])
    }
  }

  @Test("too few replicas in sync refuse acks=all, before the append or after it")
  func tooFew() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["min.insync.replicas": "2"])
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      partition.lead(inSync: [1])
      #expect(try client.produce(Batches.of(["a"]), to: "t").errorCode == .notEnoughReplicas)
      #expect(try client.produce(Batches.of(["a"]), to: "t", acks: 1).baseOffset == 0)
      #expect(partition.highWatermark == 0, "below min.insync.replicas the mark stands still")
      partition.lead(inSync: [1, 2], partitionEpoch: 2)
      let id = try send(["b"], client)
      try waitForParked(1, partition, broker)
      partition.lead(inSync: [1], partitionEpoch: 3)
      #expect(partition.parkedCount == 1)
      partition.lead(inSync: [1, 2], partitionEpoch: 4)
      partition.fetched(by: 2, from: 2)
      #expect(try answer(client, to: id).errorCode == .none)
    }
  }

  @Test("a leader that is deposed answers everybody who waits, and takes no more")
  func deposed() throws {
    try withPartition { broker, client, partition in
      partition.lead()
      let reader = try broker.connect()
      let id = try send(["a"], client)
      let fetch = try reader.send(FetchRequest.from("t", 0, 0, maxWaitMs: 60_000), version: 10)
      try waitForParked(2, partition, broker)
      for waiter in partition.follow(leaderEpoch: partition.leaderEpoch + 1) { waiter.wake(.released) }
      #expect(try answer(client, to: id).errorCode == .notLeaderOrFollower)
      let found = try reader.receive(FetchRequest.self, version: 10, correlationID: fetch).responses[0].partitions[0]
      #expect(found.errorCode == .notLeaderOrFollower)
      #expect(try client.produce(Batches.of(["b"]), to: "t", acks: 1).errorCode == .notLeaderOrFollower)
      #expect(try client.fetch("t", from: 0, version: 10).errorCode == .notLeaderOrFollower)
      // A consumer from Kafka 2.3 on may read from a follower (KIP-392).
      #expect(try client.fetch("t", from: 0, version: 11).errorCode == .none)
      #expect(try client.offset(of: "t", at: -1).errorCode == .notLeaderOrFollower)
    }
  }

  @Test("a produce that waits is answered when its topic is deleted, and leaves nothing behind when its client goes")
  func goneMeanwhile() throws {
    try withPartition { broker, admin, partition in
      partition.lead()
      do {
        let leaving = try broker.connect()
        _ = try send(["a"], leaving)
        try waitForParked(1, partition, broker)
      }
      try waitForParked(0, partition, broker)
      let client = try broker.connect()
      let id = try send(["b"], client)
      try waitForParked(1, partition, broker)
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["t"]
      #expect(try admin.ask(delete, version: 4).responses[0].errorCode == .none)
      #expect(try answer(client, to: id).errorCode == .unknownTopicOrPartition)
    }
  }

  @Test("a flush and the replicas are both waited for", arguments: [true, false])
  func flushed(followersFirst: Bool) throws {
    try withPartition(["millrace.flush.before.ack": "true"]) { broker, client, partition in
      partition.lead()
      let id = try send(["a"], client)
      if followersFirst {
        let other = try broker.connect()
        while try partition.withLog({ log, _ in log.logEndOffset }) == 0 {
          _ = try other.ask(MetadataRequest(), version: 5)
        }
      } else {
        try waitForParked(1, partition, broker)
      }
      for replica: BrokerID in [2, 3] { partition.fetched(by: replica, from: 1) }
      #expect(try answer(client, to: id).errorCode == .none)
      #expect(try partition.withLog { log, _ in log.flushedOffset } == 1)
    }
  }

  @Test("a fetch of committed records is woken by the end of the transaction, once it is replicated, and not before")
  func committed() throws {
    try withPartition { broker, client, partition in
      partition.lead()
      func replicate() throws {
        let end = try partition.withLog { log, _ in log.logEndOffset }
        for replica: BrokerID in [2, 3] { partition.fetched(by: replica, from: end) }
      }
      let value = String(repeating: "x", count: 100)
      try partition.place(Batches.of([value], producerID: 7, epoch: 0, sequence: 0), transactional: true)
      try replicate()
      var request = FetchRequest.from("t", 0, 0, maxWaitMs: 60_000)
      request.isolationLevel = 1
      let id = try client.send(request, version: 11)
      try waitForParked(1, partition, broker)
      try partition.place(Batches.of([value], producerID: 7, epoch: 0, sequence: 1), transactional: true)
      try replicate()
      #expect(partition.parkedCount == 1, "an open transaction's records are nobody's yet")
      var marker = RecordBatchBuilder(capacity: 100)
      let key = ByteBuffer(bytes: [0, 0, 0, 1]), end = ByteBuffer(bytes: [0, 0, 0, 0, 0, 0])
      marker.append(Record(offset: 0, timestamp: Batches.timestamp, key: key, value: end, headers: []))
      try partition.place(
        marker.finish(codec: .none, producerID: 7, producerEpoch: 0, baseSequence: -1, isControl: true),
        transactional: true)
      #expect(partition.parkedCount == 1, "the marker is not replicated")
      try replicate()
      let found = try client.receive(FetchRequest.self, version: 11, correlationID: id).responses[0].partitions[0]
      #expect(found.lastStableOffset == 3 && found.records.byteCount > 200)
      #expect(partition.parkedCount == 0)
    }
  }

  @Test("min.bytes is counted by what the high watermark makes readable, over segments too")
  func minBytes() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", ["segment.bytes": "1000"])
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      partition.lead()
      let batch = try Batches.of([String(repeating: "x", count: 700)])
      let id = try client.send(
        FetchRequest.from("t", 0, 0, maxWaitMs: 60_000, minBytes: Int32(batch.readableBytes)), version: 11)
      try waitForParked(1, partition, broker)
      for _ in 0..<3 { try partition.place(batch) }
      #expect(partition.parkedCount == 1)
      for replica: BrokerID in [2, 3] { partition.fetched(by: replica, from: 3) }
      let found = try client.receive(FetchRequest.self, version: 11, correlationID: id).responses[0].partitions[0]
      #expect(found.highWatermark == 3 && found.records.byteCount >= batch.readableBytes)
    }
  }

  @Test(
    "the high watermark of a partition is written down, and counts when it is opened again", arguments: [true, false])
  func checkpoint(isOrderly: Bool) throws {
    try withDirectory { path in
      let broker = try TestBroker.start(in: path)
      let client = try broker.connect()
      try client.createTopic("t")
      let name = TopicPartition("t", 0)
      let partition = try #require(broker.broker.topics.named("t")?.partition(0))
      for _ in 0..<3 { _ = try client.produce(Batches.of(["a"]), to: "t", acks: 1) }
      partition.lead()
      for _ in 0..<5 { _ = try client.produce(Batches.of(["a"]), to: "t", acks: 1) }
      for replica: BrokerID in [2, 3] { partition.fetched(by: replica, from: 6) }
      broker.broker.checkpoint([.highWatermark])
      if isOrderly { broker.running.stop() } else { broker.running.abandon() }

      let directory = try LogDirectory("\(path)/data")
      #expect(directory.read(.highWatermark) == [name: 6])
      let opened = Mutex<[Partition]>([])
      try directory.openAll(threads: 1, nowMs: 0, config: { _ in LogConfig() }) { log, mark in
        let partition = Partition(
          name, topicID: TopicID(high: 0, low: 1), log: log, directory: directory, brokerID: 1, replicas: [1, 2],
          leaderEpoch: 3, highWatermark: mark)
        opened.withLock { $0.append(partition) }
      } failed: { name, error in
        Issue.record("\(name): \(error)")
      }
      let again = try #require(opened.withLock { $0.first })
      #expect(try again.highWatermark == 6 && again.withLog { log, _ in log.logEndOffset } == 8)
      // Its log may lack what consumers have read here before, and epoch 3 may be over: nobody is told that an offset is out of range.
      let read = Partition.Wanted(
        offset: 100, maxBytes: 1, atLeastOneBatch: true, isReadCommitted: false, currentLeaderEpoch: 3,
        lastFetchedEpoch: -1, mayBeFollower: true)
      #expect(throws: PartitionError.notLeader, "who leads is not known yet") { try again.read(read) }
      for waiter in again.follow(leaderEpoch: 3) { waiter.wake(.released) }
      #expect(throws: PartitionError.read(.outOfRange(logStart: 0, logEnd: 8))) { try again.read(read) }
      again.lead()
      #expect(again.highWatermark == 6, "a new leader does not know what the others have")
    }
  }

  @Test("a record that cannot be read yet is not found by its time either", arguments: [true, false])
  func times(isTransaction: Bool) throws {
    try withPartition { broker, client, partition in
      partition.lead()
      func ask(_ timestamp: Int64, version: Int16) throws -> ListOffsetsResponse.Partition {
        var wanted = ListOffsetsRequest.Partition()
        wanted.timestamp = timestamp
        wanted.maxNumOffsets = 9
        var asked = ListOffsetsRequest.Topic()
        asked.name = "t"
        asked.partitions = [wanted]
        var request = ListOffsetsRequest()
        request.replicaID = -1
        request.isolationLevel = isTransaction ? 1 : 0
        request.topics = [asked]
        return try client.ask(request, version: version).topics[0].partitions[0]
      }
      let time = Batches.timestamp
      try partition.place(Batches.of(["a", "b"], from: time))
      let late = try Batches.of(["c"], from: time + 1000, producerID: 7, epoch: 0, sequence: 0)
      try partition.place(late, transactional: isTransaction)
      for replica: BrokerID in [2, 3] { partition.fetched(by: replica, from: isTransaction ? 3 : 2) }
      #expect(try ask(time + 10, version: 7).offset == 1)
      #expect(try ask(time + 11, version: 7).offset == .unknown)
      #expect(try ask(-3, version: 7).offset == .unknown, "the latest record is none of the client's yet")
      #expect(try ask(-1, version: 7).offset == 2)
      // Version 0 knows no transactions.
      #expect(try ask(-1, version: 0).oldStyleOffsets == [isTransaction ? 3 : 2, 0])
    }
  }

  @Test("DeleteRecords and retention stop at the high watermark, and ListOffsets answers with it")
  func bounded() throws {
    try withPartition(["log.segment.bytes": "1000", "log.retention.ms": "1"]) { broker, client, partition in
      partition.lead()
      let batch = try Batches.of([String(repeating: "x", count: 700)])
      for _ in 0..<6 { _ = try client.produce(batch, to: "t", acks: 1) }
      for replica: BrokerID in [2, 3] { partition.fetched(by: replica, from: 4, logStart: 4) }
      #expect(try client.offset(of: "t", at: -1).offset == 4)
      var wanted = DeleteRecordsRequest.Partition()
      var topic = DeleteRecordsRequest.Topic()
      topic.name = "t"
      for (offset, code, low) in [(5, ErrorCode.offsetOutOfRange, -1), (-1, .none, 4)] as [(Offset, ErrorCode, Offset)]
      {
        wanted.offset = offset
        topic.partitions = [wanted]
        var request = DeleteRecordsRequest()
        request.topics = [topic]
        let answer = try client.ask(request, version: 2).topics[0].partitions[0]
        #expect(answer.errorCode == code && answer.lowWatermark == low, "before \(offset)")
      }
      broker.broker.applyRetention()
      #expect(try partition.withLog { log, _ in log.logStartOffset } == 4)
    }
  }
}
