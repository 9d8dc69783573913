import Model
import NIOCore
import Testing
import Wire

@testable import Client

@Suite("TransactionState")
struct TransactionStateTests {
  private func open() -> TransactionState {
    var state = TransactionState()
    state.initialised()
    state.begin()
    return state
  }

  @Test("a transaction begins, is added to, and ends")
  func plain() {
    var state = open()
    #expect(!state.hasBegun)
    state.added()
    #expect(state.hasBegun && state.end(commits: true) == true)
    state.ended()
    #expect(state.phase == .ready && !state.needsEpoch)
    state.begin()
    #expect(!state.hasBegun && state.end(commits: false) == false)
  }

  @Test(
    "what is coordinated elsewhere is looked for, and what is busy is tried again",
    arguments: TransactionState.Step.allCases)
  func passing(step: TransactionState.Step) {
    var state = open()
    #expect(state.refused(step, .notCoordinator) == .findCoordinator)
    #expect(state.refused(step, .coordinatorNotAvailable) == .findCoordinator)
    #expect(state.refused(step, .coordinatorLoadInProgress) == .retry)
    #expect(state.refused(step, .concurrentTransactions) == .retry)
    #expect(state.phase == .open)
  }

  @Test("a producer that was fenced is fenced for good", arguments: TransactionState.Step.allCases)
  func fenced(step: TransactionState.Step) {
    for code in [ErrorCode.producerFenced, .invalidProducerEpoch, .transactionalIdAuthorizationFailed] {
      var state = open()
      #expect(state.refused(step, code) == .die)
      #expect(state.phase == .fatal(code) && state.end(commits: false) == nil)
    }
  }

  @Test("a transaction that failed is aborted, whatever is asked for, and the next has a raised epoch")
  func abortable() {
    var state = open()
    #expect(state.refused(.produce, .messageTooLarge) == .abort)
    #expect(state.refused(.addPartitions, .operationNotAttempted) == .abort)
    #expect(state.phase == .abortable(.messageTooLarge), "the first error is kept")
    #expect(state.end(commits: true) == false && state.needsEpoch)
    state.ended()
    state.initialised()
    #expect(state.phase == .ready && !state.needsEpoch)
  }

  @Test("a commit that the coordinator cannot make any more is aborted; an abort that it cannot make is fatal")
  func ending() {
    var state = open()
    _ = state.end(commits: true)
    #expect(state.refused(.end, .transactionAbortable) == .abort)
    #expect(state.end(commits: true) == false)
    #expect(state.refused(.end, .transactionAbortable) == .die)
  }

  @Test("offsets of a member that is none any more abort the transaction; elsewhere the same codes are fatal")
  func members() {
    for code in [ErrorCode.unknownMemberId, .illegalGeneration, .fencedInstanceId] {
      var state = open()
      #expect(state.refused(.commitOffsets, code) == .abort)
      var other = open()
      #expect(other.refused(.addOffsets, code) == .die)
    }
  }

  @Test("an unknown topic is waited for, and an error that cannot pass is fatal")
  func others() {
    var state = open()
    #expect(state.refused(.addPartitions, .unknownTopicOrPartition) == .retry)
    #expect(state.refused(.end, .invalidTxnState) == .die)
  }

  // MARK: Reading

  private func batch(
    _ producer: Int64, at offset: Int64, count: Int = 1, transactional: Bool = true
  ) throws -> RecordBatch {
    var builder = RecordBatchBuilder(capacity: 256)
    for _ in 0..<count { builder.append(timestamp: 0, key: nil, value: nil) }
    let bytes = try builder.finish(
      baseOffset: Offset(offset), producerID: producer, producerEpoch: 0, baseSequence: 0,
      isTransactional: transactional)
    return try RecordBatch(viewing: bytes)
  }

  private func marker(_ outcome: EndTransactionMarker.Outcome, _ producer: Int64, at offset: Int64) throws
    -> RecordBatch
  {
    try RecordBatch(
      viewing: EndTransactionMarker(outcome, coordinatorEpoch: 0).batch(
        producerID: producer, producerEpoch: 0, timestamp: 0, baseOffset: Offset(offset)))
  }

  @Test("records of an aborted transaction are skipped from its first offset to its marker, and no others")
  func aborted() throws {
    var aborted = AbortedTransactions([
      .with {
        $0.producerID = 8
        $0.firstOffset = 9
      },
      .with {
        $0.producerID = 7
        $0.firstOffset = 3
      },
    ])
    let log = [
      (try batch(7, at: 0), false), (try batch(8, at: 2), false), (try batch(7, at: 3, count: 2), true),
      (try batch(-1, at: 5, transactional: false), false), (try marker(.commit, 8, at: 6), false),
      (try marker(.abort, 7, at: 7), false), (try batch(7, at: 8), false), (try batch(8, at: 9), true),
      (try batch(7, at: 10), false), (try marker(.abort, 8, at: 11), false), (try batch(8, at: 12), false),
    ]
    for (batch, expected) in log {
      let isSkipped = aborted.skips(batch)
      #expect(isSkipped == expected, "at \(batch.header.baseOffset)")
    }
    var none = AbortedTransactions(nil)
    let isSkipped = none.skips(try batch(7, at: 0))
    #expect(!isSkipped)
  }
}
