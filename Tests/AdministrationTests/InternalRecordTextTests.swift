import Model
import NIOCore
import Testing
import Wire

@testable import Administration

struct InternalRecordTextTests {
  @Test("a committed offset and its deletion are shown with versions and fields")
  func offset() throws {
    var key = OffsetCommitKey()
    (key.group, key.topic, key.partition) = ("g", "t", 3)
    var value = OffsetCommitValue()
    (value.offset, value.leaderEpoch, value.metadata, value.commitTimestamp) = (42, 1, "m", 7)
    let (shownKey, payload) = try #require(
      InternalRecordText.offsets(key: key.prefixed(version: 1), value: value.prefixed(version: 3)))
    #expect(shownKey == #"{"type":"1","data":{"group":"g","topic":"t","partition":3}}"#)
    #expect(
      payload == #"{"version":"3","data":{"offset":42,"leaderEpoch":1,"metadata":"m","commitTimestamp":7}}"#)
    #expect(InternalRecordText.offsets(key: key.prefixed(version: 1), value: nil)?.payload == "null")
  }

  @Test("a group's generation shows its members with their partitions")
  func group() throws {
    var key = GroupMetadataKey()
    key.group = "g"
    var assignment = ConsumerProtocolAssignment()
    assignment.assignedPartitions = [
      .with {
        $0.topic = "t"
        $0.partitions = [1, 0]
      }
    ]
    let bytes = assignment.prefixed(version: 0)
    var value = GroupMetadataValue()
    value.protocolType = "consumer"
    value.generation = 2
    value.members = [
      .with {
        $0.memberID = "m"
        $0.assignment = bytes
      }
    ]
    func payload() -> String? {
      InternalRecordText.offsets(key: key.prefixed(version: 2), value: value.prefixed(version: 3))?.payload
    }
    #expect(payload()?.contains(#""generation":2,"protocol":null"#) == true)
    #expect(payload()?.contains(#""assignment":["t-0","t-1"]"#) == true)
    value.protocolType = "connect"
    #expect(payload()?.contains(#""assignment":\#(bytes.readableBytes)"#) == true)
  }

  @Test("a transactional id shows its state by name and its partitions")
  func transaction() throws {
    var key = TransactionLogKey()
    key.transactionalID = "x"
    var value = TransactionLogValue()
    value.transactionStatus = 1
    value.transactionPartitions = [
      .with {
        $0.topic = "t"
        $0.partitionIDs = [0, 2]
      }
    ]
    let shown = try #require(
      InternalRecordText.transaction(key: key.prefixed(version: 0), value: value.prefixed(version: 0)))
    #expect(shown.key == #"{"type":"0","data":{"transactionalId":"x"}}"#)
    #expect(
      shown.payload.contains(
        #""transactionStatus":"Ongoing","transactionPartitions":[{"topic":"t","partitionIds":[0,2]}]"#))
  }

  @Test("bytes that are no record of the topic are not shown as one")
  func others() {
    for bytes in [[], [0], [0, 9, 0, 0], [0, 1, 0, 5, 65]] as [[UInt8]] {
      #expect(InternalRecordText.offsets(key: ByteBuffer(bytes: bytes), value: nil)?.key == nil, "\(bytes)")
    }
    #expect(InternalRecordText.offsets(key: nil, value: nil)?.key == nil)
    #expect(InternalRecordText.transaction(key: ByteBuffer(bytes: [0, 1]), value: nil)?.key == nil)
    var key = OffsetCommitKey()
    key.group = "g"
    #expect(InternalRecordText.offsets(key: key.prefixed(version: 1), value: ByteBuffer(bytes: [0, 9]))?.key == nil)
  }
}
