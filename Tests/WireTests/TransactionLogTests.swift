import NIOCore
import Testing
import Wire

/// The records of `__transaction_state`, byte for byte as Kafka writes them.
@Suite("A record of __transaction_state")
struct TransactionLogTests {
  static let state = TransactionLogValue.with {
    $0.producerID = 100
    $0.producerEpoch = 3
    $0.transactionTimeoutMs = 60_000
    $0.transactionStatus = 1
    $0.transactionPartitions = [.with { ($0.topic, $0.partitionIDs) = ("t", [0, 1]) }]
    $0.transactionLastUpdateTimestampMs = 2000
    $0.transactionStartTimestampMs = 1000
  }

  @Test("has the transactional id as its key, behind a version")
  func key() throws {
    var key = TransactionLogKey()
    key.transactionalID = "a"
    let bytes = key.prefixed(version: 0)
    #expect(hex(bytes) == "0000" + "000161")
    #expect(try TransactionLogKey(prefixed: bytes) == key)
  }

  @Test("has the state as its value, in version 0 as Kafka 3.9 writes it")
  func value() throws {
    let bytes = Self.state.prefixed(version: 0)
    #expect(
      hex(bytes) == "0000" + "0000000000000064" + "0003" + "0000ea60" + "01" + "00000001" + "000174" + "00000002"
        + "0000000000000001" + "00000000000007d0" + "00000000000003e8")
    #expect(try TransactionLogValue(prefixed: bytes) == Self.state)
  }

  @Test("has null for the partitions of a state that has none")
  func empty() throws {
    var state = Self.state
    (state.transactionStatus, state.transactionPartitions) = (0, nil)
    let bytes = state.prefixed(version: 0)
    #expect(
      hex(bytes) == "0000" + "0000000000000064" + "0003" + "0000ea60" + "00" + "ffffffff" + "00000000000007d0"
        + "00000000000003e8")
    #expect(try TransactionLogValue(prefixed: bytes) == state)
  }

  @Test("has what version 2 of transactions needs as tagged fields of version 1")
  func versionOne() throws {
    var state = Self.state
    (state.previousProducerID, state.clientTransactionVersion) = (99, 2)
    let bytes = state.prefixed(version: 1)
    #expect(
      hex(bytes) == "0001" + "0000000000000064" + "0003" + "0000ea60" + "01" + "02" + "0274" + "03"
        + "0000000000000001" + "00" + "00000000000007d0" + "00000000000003e8" + "02" + "0008" + "0000000000000063"
        + "0202" + "0002")
    #expect(try TransactionLogValue(prefixed: bytes) == state)
  }

  @Test("of a version that is not known, or cut short, is refused")
  func refused() {
    var newer = ByteBuffer(integer: Int16(2))
    newer.writeImmutableBuffer(Self.state.written(version: 1))
    #expect(throws: WireError.unsupportedVersion(key: -1, version: 2)) { try TransactionLogValue(prefixed: newer) }
    let short = ByteBuffer(integer: UInt8(0))
    #expect(throws: WireError.truncated(needed: 2, left: 1)) { try TransactionLogKey(prefixed: short) }
  }
}
