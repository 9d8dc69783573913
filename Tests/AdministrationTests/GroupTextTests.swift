import Base
import Model
import NIOCore
import Testing
import Wire

@testable import Administration

struct GroupTextTests {
  private func group(_ state: String = "Stable", _ members: [DescribedGroup.Member]? = nil) -> DescribedGroup {
    DescribedGroup(
      id: "g", state: state, protocolType: "consumer", protocolName: "range",
      coordinator: .init(id: 1, address: "h:9"),
      members: members ?? [
        .init(
          id: "m-1", instanceID: nil, clientID: "c", host: "/1.2.3.4",
          assignment: [TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)])
      ])
  }

  @Test("offsets and lag are shown for what is committed and for what is assigned")
  func offsets() {
    let offsets = GroupOffsets(
      group(),
      committed: [
        TopicPartition("t", 0): .init(offset: 7, metadata: ""), TopicPartition("x", 0): .init(offset: 1, metadata: ""),
      ],
      ends: [TopicPartition("t", 0): 10, TopicPartition("t", 1): 5])
    let answer = GroupText.offsets(offsets)
    #expect(
      answer.lines == [
        "GROUP  TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  CONSUMER-ID  HOST      CLIENT-ID",
        "g      t      0          7               10              3    m-1          /1.2.3.4  c",
        "g      t      1          -               5               -    m-1          /1.2.3.4  c",
        "g      u      0          -               -               -    m-1          /1.2.3.4  c",
        "g      x      0          1               -               -    -            -         -",
      ])
    #expect(answer.notes.isEmpty && !answer.isRefused)
    #expect(answer.json["partitions"]?.asArray?[0]["lag"]?.asInt == 3)
    #expect(answer.json["partitions"]?.asArray?[1]["current_offset"] == .null)
  }

  @Test("a group without members, one that rebalances and one that does not exist are told as such")
  func states() {
    let note = { (state: String) in
      GroupText.offsets(GroupOffsets(self.group(state, []), committed: [:], ends: [:]))
    }
    #expect(note("Empty").notes == ["Consumer group 'g' has no active members."])
    #expect(note("PreparingRebalance").notes == ["Warning: Consumer group 'g' is rebalancing."])
    #expect(note("Dead").notes == ["Consumer group 'g' does not exist."])
    #expect(note("Dead").isRefused && note("Dead").lines.isEmpty && !note("Empty").isRefused)
  }

  @Test("members show their static names where one has one, and their partitions where asked")
  func members() {
    #expect(
      GroupText.members(group(), withAssignments: true).lines == [
        "GROUP  CONSUMER-ID  HOST      CLIENT-ID  #PARTITIONS  ASSIGNMENT",
        "g      m-1          /1.2.3.4  c          3            t(0,1), u(0)",
      ])
    let still = group("Stable", [.init(id: "m", instanceID: "i", clientID: "c", host: "h", assignment: nil)])
    #expect(
      GroupText.members(still, withAssignments: false).lines == [
        "GROUP  CONSUMER-ID  GROUP-INSTANCE-ID  HOST  CLIENT-ID  #PARTITIONS",
        "g      m            i                  h     c          -",
      ])
  }

  @Test("a state is a line with coordinator and assignor")
  func state() {
    #expect(
      GroupText.state(group()).lines == [
        "GROUP  COORDINATOR  ID  ASSIGNMENT-STRATEGY  STATE   #MEMBERS",
        "g      h:9          1   range                Stable  1",
      ])
    #expect(GroupText.state(group("Dead", [])).lines.isEmpty)
  }

  @Test("groups that were not deleted are told with what to do, and the command has failed")
  func deleted() {
    let answer = GroupText.deleted([("a", nil), ("b", .nonEmptyGroup), ("c", .groupIdNotFound)])
    #expect(answer.lines == ["Deletion of requested consumer groups ('a') was successful."])
    #expect(
      answer.notes == [
        "group 'b' could not be deleted: NON_EMPTY_GROUP; stop its members first",
        "group 'c' could not be deleted: GROUP_ID_NOT_FOUND; there is no such group",
      ])
    #expect(answer.isRefused)
    #expect(!GroupText.deleted([("a", nil)]).isRefused)
  }

  @Test("a list shows states and types where asked")
  func list() {
    let groups = [ListedGroup(id: "g", protocolType: "consumer", state: "Stable", type: "classic")]
    #expect(GroupText.list(groups, withStates: false, withTypes: false).lines == ["g"])
    #expect(
      GroupText.list(groups, withStates: true, withTypes: true).lines == [
        "GROUP  TYPE     STATE", "g      classic  Stable",
      ])
  }

  @Test("an assignment is read in every version, and other bytes are none")
  func assignments() {
    var assignment = ConsumerProtocolAssignment()
    assignment.assignedPartitions = [
      .with {
        $0.topic = "t"
        $0.partitions = [2, 0]
      }
    ]
    func member(_ bytes: ByteBuffer, ofConsumers: Bool = true) -> [TopicPartition]? {
      DescribedGroup.Member(.with { $0.memberAssignment = bytes }, ofConsumers: ofConsumers).assignment
    }
    for version in ConsumerProtocolAssignment.versions {
      #expect(member(assignment.prefixed(version: version)) == [TopicPartition("t", 0), TopicPartition("t", 2)])
    }
    #expect(member(ByteBuffer()) == [])
    #expect(member(ByteBuffer(bytes: [0, 0, 0, 0, 0, 9])) == nil)
    #expect(member(assignment.prefixed(version: 0), ofConsumers: false) == nil)
  }
}

struct TransactionTextTests {
  private func producer(_ id: Int64, at timestamp: Int64, start: Offset? = 17) -> ActiveProducer {
    ActiveProducer(
      id: id, epoch: 0, coordinatorEpoch: 2, lastSequence: 9, lastTimestampMs: timestamp, transactionStart: start)
  }

  @Test("an open transaction hangs when it is older than any may be, and no coordinator has it open there")
  func hanging() {
    let (a, b) = (TopicPartition("t", 0), TopicPartition("t", 1))
    var search = HangingTransactions(maxTimeoutMs: 1_000, nowMs: 10_000)
    search.add(a, [producer(1, at: 8_999), producer(2, at: 9_000), producer(3, at: 0, start: nil)])
    search.add(b, [producer(4, at: .min)])
    #expect(search.producerIDs == [1, 4])
    func coordinated(_ id: Int64, _ partitions: [TopicPartition]) -> DescribedTransaction {
      DescribedTransaction(
        id: "x", coordinator: 1, producerID: id, producerEpoch: 0, state: "Ongoing", timeoutMs: 60_000, startMs: 0,
        partitions: partitions)
    }
    search.remove(knownTo: [coordinated(1, [a]), coordinated(4, [a])])
    #expect(search.candidates.map(\.partition) == [b])
    #expect(TransactionText.hanging(search.candidates, nowMs: 10_000).lines.count == 2)
  }

  @Test("a transaction is described as kafka-transactions does")
  func describe() {
    var transaction = DescribedTransaction(
      id: "x", coordinator: 1, producerID: 4, producerEpoch: 2, state: "Ongoing", timeoutMs: 60_000, startMs: 1_000,
      partitions: [TopicPartition("t", 0), TopicPartition("t", 1)])
    let open = TransactionText.describe(transaction, nowMs: 4_500)
    #expect(
      open.lines[1].split(separator: " ").map(String.init)
        == ["1", "x", "4", "2", "Ongoing", "60000", "1000", "3500", "t-0,t-1"])
    #expect(open.json["duration_ms"]?.asInt == 3_500)
    transaction.startMs = -1
    transaction.partitions = []
    #expect(
      TransactionText.describe(transaction, nowMs: 4_500).lines[1].split(separator: " ").map(String.init).suffix(3)
        == ["None", "None", "-"])
  }

  @Test("producers are shown by id, with the start of an open transaction or none")
  func producers() {
    let answer = TransactionText.producers([producer(9, at: 5, start: nil), producer(3, at: 4)])
    #expect(
      answer.lines.dropFirst().map { $0.split(separator: " ").map(String.init) }
        == [["3", "0", "2", "9", "4", "17"], ["9", "0", "2", "9", "5", "None"]])
  }
}
