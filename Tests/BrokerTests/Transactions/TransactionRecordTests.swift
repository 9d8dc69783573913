import Cluster
import Model
import NIOCore
import Testing
import Wire

@testable import Broker

@Suite("A transaction's record")
struct TransactionRecordTests {
  private static func state(_ change: (inout TransactionState) -> Void) -> TransactionState {
    var state = TransactionState(producerID: 7, timeoutMs: 60_000, nowMs: 2000)
    state.producerEpoch = 3
    change(&state)
    return state
  }

  static let states: [TransactionState] = [
    state { _ in },
    state { ($0.status, $0.startMs) = (.ongoing, 1000) },
    state {
      ($0.status, $0.startMs) = (.prepareCommit, 1000)
      $0.partitions = [TopicPartition("t", 0), TopicPartition("t", 2), TopicPartition("u", 1)]
    },
    state { $0.status = .completeAbort },
    state {
      ($0.status, $0.clientVersion, $0.previousProducerID, $0.nextProducerID) = (.prepareAbort, 2, 6, 8)
      $0.partitions = [TopicPartition("t", 0)]
    },
  ]

  @Test("is read as it was written", arguments: states)
  func roundTrip(state: TransactionState) throws {
    let record = TransactionRecord.record(of: .init(transactionalID: "a", state: state), nowMs: 5)
    #expect(record.timestampMs == 5)
    #expect(try TransactionRecord.change(in: record) == .init(transactionalID: "a", state: state))
    #expect(record.value?.getInteger(at: 0, as: Int16.self) == (state.clientVersion > 0 ? 1 : 0))
  }

  @Test("without value says that the transactional id is gone")
  func tombstone() throws {
    let record = TransactionRecord.record(of: .init(transactionalID: "a", state: nil), nowMs: 5)
    #expect(record.value == nil)
    #expect(try TransactionRecord.change(in: record) == .init(transactionalID: "a", state: nil))
  }

  @Test("of a key that is not known is passed over; of a state that is not known it is refused")
  func unknown() throws {
    var record = TransactionRecord.record(of: .init(transactionalID: "a", state: Self.states[1]), nowMs: 5)
    var other = record
    other.key.setInteger(Int16(9), at: 0)
    #expect(try TransactionRecord.change(in: other) == nil)
    // The status stands behind version, id, epoch and timeout.
    for status: Int8 in [6, 7, 8, -1] {
      record.value?.setInteger(status, at: 16)
      #expect(throws: TransactionRecordError.unknownStatus(status)) { try TransactionRecord.change(in: record) }
    }
    record.value = ByteBuffer(integer: Int16(0))
    #expect(throws: TransactionRecordError.malformed(.truncated(needed: 8, left: 0))) {
      try TransactionRecord.change(in: record)
    }
  }
}
