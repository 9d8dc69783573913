import Model
import NIOCore
import Testing
import Wire

/// The records of `__consumer_offsets`, byte for byte, from Kafka's description of them.
@Suite("Records of __consumer_offsets")
struct InternalRecordTests {
  @Test("a committed offset's key is version 1, group, topic, partition")
  func offsetKey() throws {
    let key = OffsetCommitKey.with {
      $0.group = "grp"
      $0.topic = "t"
      $0.partition = 258
    }
    let bytes = "0001 0003677270 000174 00000102"
    #expect(try key.prefixed(version: OffsetCommitKey.current) == ByteBuffer(plainHexEncodedBytes: bytes))
    #expect(try OffsetCommitKey(prefixed: ByteBuffer(plainHexEncodedBytes: bytes)) == key)
    let old = try OffsetCommitKey(prefixed: ByteBuffer(plainHexEncodedBytes: "0000" + String(bytes.dropFirst(4))))
    #expect(old == key, "version 0 has the same fields")
  }

  /// Version, bytes behind it, and what they say: offset 66051, epoch 7, metadata "m", committed at 1700000000000.
  static let values: [(version: Int16, bytes: String)] = [
    (0, "0000000000010203 00016d 0000018bcfe56800"),
    (1, "0000000000010203 00016d 0000018bcfe56800 0000018bcfe56bff"),
    (2, "0000000000010203 00016d 0000018bcfe56800"),
    (3, "0000000000010203 00000007 00016d 0000018bcfe56800"),
    (4, "0000000000010203 00000007 026d 0000018bcfe56800 00"),
  ]

  @Test("a committed offset is read in every version that Kafka has written", arguments: values)
  func offsetValue(version: Int16, bytes: String) throws {
    let value = OffsetCommitValue.with {
      $0.offset = 66_051
      $0.leaderEpoch = version >= 3 ? 7 : -1
      $0.metadata = "m"
      $0.commitTimestamp = 1_700_000_000_000
      $0.expireTimestamp = version == 1 ? 1_700_000_001_023 : -1
    }
    let prefixed = try ByteBuffer(plainHexEncodedBytes: "000\(version)" + bytes)
    #expect(try OffsetCommitValue(prefixed: prefixed) == value)
    #expect(value.prefixed(version: version) == prefixed)
  }

  @Test("a group's key is version 2 and the group")
  func groupKey() throws {
    let key = GroupMetadataKey.with { $0.group = "grp" }
    #expect(hex(key.prefixed(version: GroupMetadataKey.current)) == "00020003677270")
    #expect(try GroupMetadataKey(prefixed: ByteBuffer(plainHexEncodedBytes: "00020003677270")) == key)
  }

  static func group(_ version: Int16) -> GroupMetadataValue {
    GroupMetadataValue.with { value in
      value.protocolType = "consumer"
      value.generation = 9
      value.protocol = "range"
      value.leader = "a"
      value.currentStateTimestamp = version >= 2 ? 1_700_000_000_000 : -1
      value.members = [
        .with { member in
          member.memberID = "a"
          member.groupInstanceID = version >= 3 ? "i" : nil
          member.clientID = "c"
          member.clientHost = "/h"
          member.rebalanceTimeout = version >= 1 ? 300_000 : -1
          member.sessionTimeout = 45_000
          member.subscription = ByteBuffer(bytes: [1, 2])
          member.assignment = ByteBuffer(bytes: [3])
        }
      ]
    }
  }

  static let head = "0008636f6e73756d6572 00000009 000572616e6765 000161"
  static let groups: [(version: Int16, bytes: String)] = [
    (0, "\(head) 00000001 000161 000163 00022f68 0000afc8 000000020102 0000000103"),
    (1, "\(head) 00000001 000161 000163 00022f68 000493e0 0000afc8 000000020102 0000000103"),
    (2, "\(head) 0000018bcfe56800 00000001 000161 000163 00022f68 000493e0 0000afc8 000000020102 0000000103"),
    (
      3,
      "\(head) 0000018bcfe56800 00000001 000161 000169 000163 00022f68 000493e0 0000afc8 000000020102 0000000103"
    ),
    (
      4,
      """
      09636f6e73756d6572 00000009 0672616e6765 0261 0000018bcfe56800 02 0261 0269 0263 032f68 000493e0 0000afc8 030102 0203
      00 00
      """
    ),
  ]

  @Test("a group's metadata is read in every version that Kafka has written", arguments: groups)
  func groupValue(version: Int16, bytes: String) throws {
    let value = Self.group(version)
    let prefixed = try ByteBuffer(plainHexEncodedBytes: "000\(version)" + bytes)
    #expect(try GroupMetadataValue(prefixed: prefixed) == value)
    #expect(value.prefixed(version: version) == prefixed)
  }

  @Test("a group without members has neither protocol nor leader")
  func emptyGroup() throws {
    let value = GroupMetadataValue.with {
      $0.protocolType = "consumer"
      $0.generation = 2
      $0.currentStateTimestamp = 1
    }
    let bytes = "0003 0008636f6e73756d6572 00000002 ffff ffff 0000000000000001 00000000"
    #expect(try value.prefixed(version: GroupMetadataValue.current) == ByteBuffer(plainHexEncodedBytes: bytes))
  }

  @Test("a version that nobody has written yet is refused, and so is what is too short for one")
  func unknownVersions() {
    #expect(throws: WireError.unsupportedVersion(key: -1, version: 3)) {
      try GroupMetadataKey(prefixed: ByteBuffer(bytes: [0, 3, 0, 0]))
    }
    #expect(throws: WireError.unsupportedVersion(key: -1, version: -1)) {
      try OffsetCommitValue(prefixed: ByteBuffer(bytes: [255, 255]))
    }
    #expect(throws: WireError.truncated(needed: 2, left: 1)) { try OffsetCommitKey(prefixed: ByteBuffer(bytes: [0])) }
  }
}
