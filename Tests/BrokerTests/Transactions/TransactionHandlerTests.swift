import Cluster
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

@Suite("A transaction, over a connection")
struct TransactionHandlerTests {
  @Test("is read when it is committed, and never when it is aborted")
  func commitAndAbort() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var producer = try TransactionClient(client, "a")
      #expect(producer.epoch == 0)
      #expect(try producer.add("t") == [.none])
      #expect(try producer.produce(["a", "b"], to: "t").baseOffset == 0)
      _ = try client.produce(Batches.of(["outside"]), to: "t")
      let open = try client.fetchCommitted("t", from: 0)
      #expect(open.lastStableOffset == 0)
      #expect(open.highWatermark == 3)
      #expect(try open.committedValues() == [])
      #expect(try producer.end(.commit).errorCode == .none)
      #expect(try client.committedValues("t") == ["a", "b", "outside"])
      // The same epoch, the next sequence.
      #expect(try producer.add("t") == [.none])
      #expect(try producer.produce(["c"], to: "t").errorCode == .none)
      #expect(try producer.end(.abort).errorCode == .none)
      let ended = try client.fetchCommitted("t", from: 4)
      #expect(ended.lastStableOffset == 6)
      #expect(ended.abortedTransactions?.map(\.firstOffset) == [4])
      #expect(try ended.committedValues() == [])
      #expect(try client.committedValues("t") == ["a", "b", "outside"])
      #expect(try client.offset(of: "t", at: -1).offset == 6, "a marker takes an offset")
    }
  }

  @Test("ends with a marker that wakes whoever waits for committed records")
  func wakes() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var producer = try TransactionClient(client, "a")
      _ = try producer.add("t")
      _ = try producer.produce(["a"], to: "t")
      let reader = try broker.connect()
      let id = try reader.send(FetchRequest.committed("t", 0, 0, maxWaitMs: 60_000), version: 11)
      while broker.broker.delayedFetches.fetches == 0 {}
      #expect(try producer.end(.commit).errorCode == .none)
      let found = try reader.receive(FetchRequest.self, version: 11, correlationID: id).responses[0].partitions[0]
      #expect(try found.committedValues() == ["a"])
      #expect(found.lastStableOffset == 2)
      // The tail is a marker alone: it is returned, so that the reader reaches the end.
      let tail = try client.fetchCommitted("t", from: 1)
      #expect(try #require(tail.records.bytes).readableBytes > 0)
      #expect(try tail.committedValues() == [])
      #expect(try client.fetchCommitted("t", from: 2).records.bytes?.readableBytes ?? 0 == 0)
    }
  }

  @Test("has its latest offset, for readers of committed records, before its first record")
  func latest() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["outside"]), to: "t")
      var producer = try TransactionClient(client, "a")
      _ = try producer.add("t")
      _ = try producer.produce(["a"], to: "t")
      func latest(_ isolation: Int8) throws -> Offset {
        let request = ListOffsetsRequest.with {
          ($0.replicaID, $0.isolationLevel) = (-1, isolation)
          $0.topics = [.with { ($0.name, $0.partitions) = ("t", [.with { $0.timestamp = -1 }]) }]
        }
        return try #require(try client.ask(request, version: 7).topics.first?.partitions.first).offset
      }
      #expect(try latest(1) == 1)
      #expect(try latest(0) == 2)
      _ = try producer.end(.abort)
      #expect(try latest(1) == 3)
    }
  }

  @Test("of another instance is fenced: by the code that each version knows")
  func fenced() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var first = try TransactionClient(client, "a")
      _ = try first.add("t")
      _ = try first.produce(["first"], to: "t")
      let second = try TransactionClient(client, "a")
      #expect(second.producerID == first.producerID)
      #expect(second.epoch == 2, "one epoch has aborted the open transaction")
      for version: Int16 in 0...3 {
        let known: ErrorCode = version < 2 ? .invalidProducerEpoch : .producerFenced
        #expect(try first.add("t", version: version) == [known])
        #expect(try first.end(.commit, version: version).errorCode == known)
      }
      #expect(try first.produce(["late"], to: "t").errorCode == .invalidProducerEpoch)
      for version: Int16 in 3...4 {
        let refused = try first.initialize(expecting: (first.producerID, first.epoch), version: version)
        #expect(refused.errorCode == (version < 4 ? .invalidProducerEpoch : .producerFenced))
      }
      #expect(try client.committedValues("t") == [])
      #expect(try client.fetchCommitted("t", from: 0).lastStableOffset == 2)
    }
  }

  @Test("whose partition nobody has added is refused, by the code that each version knows")
  func unverified() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      var producer = try TransactionClient(client, "a")
      for version: Int16 in [3, 10] {
        #expect(try producer.produce(["a"], to: "t", version: version).errorCode == .invalidTxnState)
      }
      #expect(try producer.produce(["a"], to: "t", version: 11).errorCode == .transactionAbortable)
      _ = try producer.add("t", [1])
      #expect(try producer.produce(["a"], to: "t").errorCode == .invalidTxnState)
      #expect(try producer.produce(["a"], to: "t", 1).errorCode == .none)
      // A producer that the coordinator does not know, one without transactional id, and one that does not wait for replicas.
      var stranger = producer
      stranger.use(producer.producerID + 1, 0)
      #expect(try stranger.produce(["a"], to: "t").errorCode == .invalidProducerIdMapping)
      let outside = try client.produce(producer.batch(["a"]), to: "t")
      #expect(outside.errorCode == .transactionalIdAuthorizationFailed)
      let hasty = try client.ask(producer.request(["a"], to: "t", acks: 1), version: 9)
      #expect(hasty.responses[0].partitionResponses[0].errorCode == .invalidRequiredAcks)
      #expect(try client.offset(of: "t", at: -1).offset == 0)
      // After the end the partition has to be added again.
      _ = try producer.end(.commit)
      #expect(try producer.produce(["b"], to: "t", 1).errorCode == .invalidTxnState)
    }
  }

  @Test("whose partitions nobody checks hangs, until an administrator aborts it")
  func hanging() throws {
    try withBroker(["transaction.partition.verification.enable": "false"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var producer = try TransactionClient(client, "a")
      #expect(try producer.produce(["a"], to: "t").errorCode == .none)
      let described = try client.ask(
        DescribeProducersRequest.with { $0.topics = [.with { ($0.name, $0.partitionIndexes) = ("t", [0, 7]) }] },
        version: 0
      ).topics[0].partitions
      #expect(described[1].errorCode == .unknownTopicOrPartition)
      let hanging = try #require(described[0].activeProducers.first)
      #expect(hanging.producerID == producer.producerID)
      #expect(hanging.currentTxnStartOffset == 0)
      #expect(hanging.lastSequence == 0)
      #expect(hanging.coordinatorEpoch == -1)
      for version: Int16 in 0...1 {
        let answer = try client.ask(
          WriteTxnMarkersRequest.with {
            $0.markers = [
              .with {
                ($0.producerID, $0.producerEpoch) = (hanging.producerID, Int16(hanging.producerEpoch))
                $0.topics = [.with { ($0.name, $0.partitionIndexes) = ("t", [0, 9]) }]
              }
            ]
          }, version: version)
        #expect(answer.markers[0].producerID == producer.producerID)
        #expect(answer.markers[0].topics[0].partitions.map(\.errorCode) == [.none, .unknownTopicOrPartition])
      }
      #expect(try client.fetchCommitted("t", from: 0).lastStableOffset == 3)
      #expect(try client.committedValues("t") == [])
    }
  }

  @Test("adds its partitions by itself from Produce 12 on, and has an epoch of its own from EndTxn 5 on")
  func versionTwo() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      var producer = try TransactionClient(client, "a")
      for round in Int16(0)..<3 {
        #expect(producer.epoch == round)
        for partition: Int32 in 0...1 {
          producer.use(producer.producerID, producer.epoch)
          #expect(try producer.produce(["\(round)"], to: "t", partition, version: 12).errorCode == .none)
        }
        #expect(try producer.describe().topics.map(\.partitions) == [[0, 1]])
        let ended = try producer.end(round == 1 ? .abort : .commit, version: 5)
        #expect(ended.errorCode == .none)
        #expect(ended.producerID == producer.producerID)
        let before = producer
        producer.use(ended.producerID, ended.producerEpoch)
        #expect(try before.end(round == 1 ? .abort : .commit, version: 5).producerEpoch == producer.epoch)
        var late = before
        #expect(try late.produce(["late"], to: "t", 0, version: 12).errorCode == .invalidProducerEpoch)
      }
      for partition: Int32 in 0...1 { #expect(try client.committedValues("t", partition) == ["0", "2"]) }
      #expect(try producer.end(.commit, version: 5).errorCode == .invalidTxnState)
      #expect(try producer.end(.abort, version: 5).producerEpoch == 4, "nothing was added, which a client may not know")
    }
  }

  @Test("that takes too long is aborted, and its producer fenced")
  func timeout() throws {
    // The timer does not fire here: the test does what it does.
    try withBroker(["transaction.abort.timed.out.transaction.cleanup.interval.ms": "3600000"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      var producer = try TransactionClient(client, "a", timeoutMs: 1)
      _ = try producer.add("t")
      _ = try producer.produce(["slow"], to: "t")
      _ = try client.produce(Batches.of(["outside"]), to: "t")
      #expect(try client.committedValues("t") == [])
      while try producer.describe().transactionState == "Ongoing" { broker.broker.transactions.abortTimedOut() }
      #expect(try client.committedValues("t") == ["outside"])
      #expect(try producer.end(.commit).errorCode == .producerFenced)
      #expect(try producer.describe().producerEpoch == 1)
    }
  }

  @Test("cannot have a timeout that is larger than the broker's, or none, or half a producer")
  func refusedInit() throws {
    try withBroker(["transaction.max.timeout.ms": "1000"]) { broker in
      let producer = try TransactionClient(broker.connect(), "a", timeoutMs: 1000)
      for timeout: Int32 in [1001, 0, -1] {
        #expect(try producer.initialize(timeoutMs: timeout).errorCode == .invalidTransactionTimeout)
      }
      #expect(try producer.initialize(timeoutMs: 1000, expecting: (5, -1)).errorCode == .invalidRequest)
      #expect(try producer.initialize(timeoutMs: 1000, expecting: (-1, 5)).errorCode == .invalidRequest)
      let empty = try producer.client.ask(InitProducerIdRequest.with { $0.transactionalID = "" }, version: 4)
      #expect(empty.errorCode == .invalidRequest)
    }
  }

  @Test("takes all of its partitions or none")
  func unknownPartition() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      let producer = try TransactionClient(client, "a")
      #expect(try producer.add("t", [0, 9]) == [.operationNotAttempted, .unknownTopicOrPartition])
      #expect(try producer.describe().transactionState == "Empty")
      let batched = try client.ask(
        AddPartitionsToTxnRequest.with {
          $0.transactions = [
            .with {
              ($0.transactionalID, $0.producerID, $0.producerEpoch) = ("a", producer.producerID, producer.epoch)
              $0.topics = [.with { ($0.name, $0.partitions) = ("t", [0]) }]
            },
            .with {
              ($0.transactionalID, $0.producerID, $0.producerEpoch) = ("a", producer.producerID, producer.epoch)
              $0.verifyOnly = true
              $0.topics = [.with { ($0.name, $0.partitions) = ("t", [0, 1]) }]
            },
            .with { $0.topics = [.with { ($0.name, $0.partitions) = ("t", [0]) }] },
          ]
        }, version: 5)
      #expect(batched.errorCode == .none)
      #expect(batched.resultsByTransaction.map(\.transactionalID) == ["a", "a", ""])
      let codes = batched.resultsByTransaction.map { $0.topicResults[0].resultsByPartition.map(\.partitionErrorCode) }
      #expect(codes == [[.none], [.none, .transactionAbortable], [.invalidRequest]])
    }
  }

  @Test("goes on without a partition that was deleted meanwhile")
  func deletedTopic() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      try client.createTopic("gone")
      var producer = try TransactionClient(client, "a")
      _ = try producer.add("t")
      _ = try producer.add("gone")
      _ = try producer.produce(["a"], to: "t")
      _ = try client.ask(DeleteTopicsRequest.with { $0.topicNames = ["gone"] }, version: 4)
      #expect(try producer.end(.commit).errorCode == .none)
      #expect(try producer.describe().transactionState == "CompleteCommit")
      #expect(try client.committedValues("t") == ["a"])
    }
  }

  @Test("is described, and listed by state, producer and duration")
  func described() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      let first = try TransactionClient(client, "a", timeoutMs: 5000)
      let second = try TransactionClient(client, "b")
      _ = try first.add("t", [1, 0])
      let described = try first.describe()
      #expect(described.errorCode == .none)
      #expect(described.transactionState == "Ongoing")
      #expect(described.transactionTimeoutMs == 5000)
      #expect(described.transactionStartTimeMs > 0)
      #expect(described.producerID == first.producerID)
      #expect(described.producerEpoch == 0)
      #expect(described.topics.map(\.topic) == ["t"])
      #expect(described.topics.map(\.partitions) == [[0, 1]])
      let others = try client.ask(DescribeTransactionsRequest.with { $0.transactionalIDs = ["z", ""] }, version: 0)
      #expect(others.transactionStates.map(\.errorCode) == [.transactionalIdNotFound, .invalidRequest])
      func list(_ states: [String] = [], _ ids: [Int64] = [], _ durationMs: Int64 = -1) throws -> [String] {
        let answer = try TransactionClient.patiently {
          try client.ask(
            ListTransactionsRequest.with {
              ($0.stateFilters, $0.producerIDFilters, $0.durationFilter) = (states, ids, durationMs)
            }, version: 1)
        } code: {
          $0.errorCode
        }
        #expect(answer.errorCode == .none)
        return answer.transactionStates.map { "\($0.transactionalID) \($0.transactionState)" }
          + answer.unknownStateFilters
      }
      #expect(try list() == ["a Ongoing", "b Empty"])
      #expect(try list(["Ongoing"]) == ["a Ongoing"])
      #expect(try list(["Unheard"]) == ["Unheard"])
      #expect(try list([], [second.producerID]) == ["b Empty"])
      #expect(try list(["Ongoing"], [], 3_600_000) == [])
    }
  }

  @Test(
    "has to know of the offsets that are committed in it; from version 5 on the commit adds them",
    arguments: Int16(0)...5)
  func verifiedOffsets(version: Int16) throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.findCoordinator("group")
      let producer = try TransactionClient(client, "a")
      let expected: ErrorCode = version < 5 ? .invalidTxnState : .none
      #expect(try producer.commitOffset(7, of: "t", version: version) == expected)
      #expect(try producer.describe().topics.map(\.topic) == (version < 5 ? [] : ["__consumer_offsets"]))
      var late = producer
      late.use(producer.producerID, producer.epoch - 1)
      #expect(try late.commitOffset(7, of: "t", version: version) == .invalidProducerEpoch)
      guard version == 5 else { return }
      #expect(try producer.end(.commit).errorCode == .none)
      let after = try client.retrying {
        try client.committed("group", stable: true).topics[0].partitions[0]
      } until: {
        $0.errorCode == .none
      }
      #expect(after.committedOffset == 7)
    }
  }

  @Test("offsets that it committed count when it commits, and never when it aborts")
  func offsets() throws {
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.findCoordinator("group")
      #expect(try client.commit("group", "t", 0, 5) == .none)
      for (outcome, offset) in [(EndTransactionMarker.Outcome.commit, Int64(7)), (.abort, 9)] {
        let producer = try TransactionClient(client, "a")
        let added = try client.ask(
          AddOffsetsToTxnRequest.with {
            ($0.transactionalID, $0.groupID) = ("a", "group")
            ($0.producerID, $0.producerEpoch) = (producer.producerID, producer.epoch)
          }, version: 3)
        #expect(added.errorCode == .none)
        #expect(try producer.describe().topics.map(\.topic) == ["__consumer_offsets"])
        let committed = try client.ask(
          TxnOffsetCommitRequest.with {
            ($0.transactionalID, $0.groupID) = ("a", "group")
            ($0.producerID, $0.producerEpoch) = (producer.producerID, producer.epoch)
            $0.topics = [
              .with {
                $0.name = "t"
                $0.partitions = [.with { $0.committedOffset = Offset(offset) }]
              }
            ]
          }, version: 4)
        #expect(committed.topics[0].partitions[0].errorCode == .none)
        #expect(try client.committed("group", stable: true).topics[0].partitions[0].errorCode == .unstableOffsetCommit)
        #expect(try producer.end(outcome).errorCode == .none)
        let after = try client.retrying {
          try client.committed("group", stable: true).topics[0].partitions[0]
        } until: {
          $0.errorCode == .none
        }
        #expect(after.committedOffset == 7)
      }
    }
  }
}

extension TransactionClient {
  fileprivate func commitOffset(_ offset: Offset, of topic: String, version: Int16) throws -> ErrorCode {
    let answer = try client.ask(
      TxnOffsetCommitRequest.with {
        ($0.transactionalID, $0.groupID) = (transactionalID, "group")
        ($0.producerID, $0.producerEpoch) = (producerID, epoch)
        $0.topics = [.with { ($0.name, $0.partitions) = (topic, [.with { $0.committedOffset = offset }]) }]
      }, version: version)
    return try #require(answer.topics.first?.partitions.first).errorCode
  }
}

@Suite("Version 2 of transactions")
struct TransactionFeatureTests {
  private static func features(_ offered: [(Int16, Int16)], version: Int16) -> ApiVersionsResponse {
    var response = ApiVersionsResponse()
    response.apiKeys = offered.map { key, last in .with { ($0.apiKey, $0.maxVersion) = (key, last) } }
    response.listFeatures(version: version)
    return response
  }

  @Test("is a feature of a broker that serves all of it, and is not listed by another")
  func listed() {
    let all: [(Int16, Int16)] = [(0, 12), (26, 5), (28, 5)]
    let response = Self.features(all, version: 4)
    #expect(response.finalizedFeatures.map(\.name) == ["transaction.version"])
    #expect(response.finalizedFeatures.map(\.maxVersionLevel) == [2])
    #expect(response.supportedFeatures.map(\.minVersion) == [0])
    #expect(response.finalizedFeaturesEpoch == 0)
    #expect(Self.features(all, version: 3).supportedFeatures.isEmpty, "clients of that age refuse 0")
    for missing in all.indices {
      var some = all
      some[missing].1 -= 1
      #expect(Self.features(some, version: 4).finalizedFeatures.isEmpty)
      some.remove(at: missing)
      #expect(Self.features(some, version: 4).finalizedFeatures.isEmpty)
    }
  }
}
