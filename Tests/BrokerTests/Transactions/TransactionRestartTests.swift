import Cluster
import Model
import NIOCore
import Storage
import Testing
import Wire

@testable import Broker

@Suite("Transactions, over a restart")
struct TransactionRestartTests {
  @Test("go on where they were: open ones are still open, and fenced producers fenced", arguments: [true, false])
  func open(orderly: Bool) throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      var producer = try begun(first)
      if orderly { first.running.stop() } else { first.running.abandon() }
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      let client = try second.connect()
      var again = try producer.moved(to: client)
      #expect(try client.fetchCommitted("t", from: 0).lastStableOffset == 0)
      #expect(try again.produce(["b"], to: "t").errorCode == .none)
      #expect(try again.end(.commit).errorCode == .none)
      #expect(try client.committedValues("t") == ["a", "b"])
      let next = try TransactionClient(client, "a")
      #expect(next.epoch == 1)
      producer = try producer.moved(to: client)
      #expect(try producer.add("t") == [.producerFenced])
    }
  }

  @Test(
    "that were decided are carried out, in every partition, by the broker that comes after the crash",
    arguments: [EndTransactionMarker.Outcome.commit, .abort], [true, false])
  func decided(outcome: EndTransactionMarker.Outcome, orderly: Bool) throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      let producer = try begun(first)
      // The record of the decision is the last thing that the coordinator does.
      try first.decide(producer, outcome)
      if orderly { first.running.stop() } else { first.running.abandon() }
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      let client = try second.connect()
      for partition: Int32 in 0...1 {
        let found = try client.fetchCommitted("t", partition, from: 0, maxWaitMs: 60_000)
        #expect(try found.committedValues() == (outcome == .commit ? ["a"] : []))
        #expect(found.lastStableOffset == 2)
      }
      let again = try producer.moved(to: client)
      // The client that lost the response asks again; the last record follows the markers.
      let ended = try TransactionClient.patiently {
        try again.end(outcome)
      } code: {
        $0.errorCode
      }
      #expect(ended.errorCode == .none)
      let described = try again.describe()
      #expect(described.transactionState == (outcome == .commit ? "CompleteCommit" : "CompleteAbort"))
      #expect(try again.end(outcome == .commit ? .abort : .commit).errorCode == .invalidTxnState)
    }
  }

  @Test("are carried out once: a second restart finds nothing left to do")
  func once() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      let producer = try begun(first)
      try first.decide(producer, .commit)
      first.running.abandon()
      for _ in 0..<2 {
        let next = try TestBroker.start(in: directory)
        let client = try next.connect()
        let found = try client.fetchCommitted("t", from: 0, maxWaitMs: 60_000)
        #expect(found.lastStableOffset == 2)
        let again = try producer.moved(to: client)
        let ended = try TransactionClient.patiently {
          try again.end(.commit)
        } code: {
          $0.errorCode
        }
        #expect(ended.errorCode == .none)
        next.running.abandon()
      }
    }
  }

  @Test("begin again with a producer id that nobody had, where the log has none")
  func newIDs() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      let before = try TransactionClient(first.connect(), "a").producerID
      first.running.abandon()
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      let client = try second.connect()
      #expect(try TransactionClient(client, "a").producerID == before)
      #expect(try TransactionClient(client, "b").producerID > before)
    }
  }

  /// A producer with a record in both partitions of topic `t`, its transaction open.
  private func begun(_ broker: TestBroker) throws -> TransactionClient {
    let client = try broker.connect()
    try client.createTopic("t", partitions: 2)
    var producer = try TransactionClient(client, "a")
    #expect(try producer.add("t", [0, 1]) == [.none, .none])
    #expect(try producer.produce(["a"], to: "t", 1).errorCode == .none)
    producer.use(producer.producerID, producer.epoch)
    #expect(try producer.produce(["a"], to: "t", 0).errorCode == .none)
    return producer
  }
}

extension TransactionClient {
  /// The same producer, on another connection.
  fileprivate func moved(to client: TestClient) throws -> TransactionClient {
    var moved = try TransactionClient(client, joining: self)
    moved.use(producerID, epoch)
    moved.skip(to: sequence)
    return moved
  }
}

extension TestBroker {
  /// Writes the record of a decision, as the coordinator of a broker that crashes then.
  fileprivate func decide(_ producer: TransactionClient, _ outcome: EndTransactionMarker.Outcome) throws {
    var state = try broker.transactions.describe(producer.transactionalID).get()
    state.status = outcome == .commit ? .prepareCommit : .prepareAbort
    let log = broker.transactionLog
    let change = Transactions.Change(transactionalID: producer.transactionalID, state: state)
    let placed = log.append(
      [TransactionRecord.record(of: change, nowMs: state.lastUpdateMs)],
      to: log.partition(of: producer.transactionalID), then: { _ in })
    _ = try #require(placed).get()
  }
}
