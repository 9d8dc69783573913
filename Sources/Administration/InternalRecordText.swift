import Base
import Client
import Model
package import NIOCore
import Wire

/// Records of internal topics as kafka-dump-log prints them with its decoders: a JSON object with the version and the fields.
package enum InternalRecordText {
  /// A record of `__consumer_offsets`; nil for bytes that are none.
  package static func offsets(key: ByteBuffer?, value: ByteBuffer?) -> (key: String, payload: String)? {
    guard let key, let kind = key.getInteger(at: key.readerIndex, as: Int16.self) else { return nil }
    switch kind {
    case 0, 1:
      guard let read = try? OffsetCommitKey(prefixed: key) else { return nil }
      return pair(kind, members(read), value) { (try? OffsetCommitValue(prefixed: $0)).map { members($0) } }
    case 2:
      guard let read = try? GroupMetadataKey(prefixed: key) else { return nil }
      return pair(kind, [member("group", .string(read.group))], value) {
        (try? GroupMetadataValue(prefixed: $0)).map { members($0) }
      }
    default: return nil
    }
  }

  /// A record of `__transaction_state`; nil for bytes that are none.
  package static func transaction(key: ByteBuffer?, value: ByteBuffer?) -> (key: String, payload: String)? {
    guard let key, let read = try? TransactionLogKey(prefixed: key) else { return nil }
    return pair(0, [member("transactionalId", .string(read.transactionalID))], value) {
      (try? TransactionLogValue(prefixed: $0)).map { members($0) }
    }
  }

  /// - Parameter read: the fields of a value; nil for bytes that are none.
  private static func pair(
    _ kind: Int16, _ key: [JSON.Member], _ value: ByteBuffer?, _ read: (ByteBuffer) -> [JSON.Member]?
  ) -> (key: String, payload: String)? {
    let keyText = text("type", kind, key)
    // A tombstone.
    guard let value else { return (keyText, "null") }
    guard let version = value.getInteger(at: value.readerIndex, as: Int16.self), let fields = read(value) else {
      return nil
    }
    return (keyText, text("version", version, fields))
  }

  private static func text(_ name: String, _ number: Int16, _ fields: [JSON.Member]) -> String {
    let document = JSON.object([member(name, .string("\(number)")), member("data", .object(fields))])
    return String(decoding: document.encoded, as: UTF8.self)
  }

  private static func member(_ name: String, _ value: JSON) -> JSON.Member { JSON.Member(name: name, value: value) }

  // MARK: Fields, by Kafka's names

  private static func members(_ key: OffsetCommitKey) -> [JSON.Member] {
    [
      member("group", .string(key.group)), member("topic", .string(key.topic)),
      member("partition", .number(key.partition)),
    ]
  }

  private static func members(_ value: OffsetCommitValue) -> [JSON.Member] {
    [
      member("offset", .int(value.offset.rawValue)), member("leaderEpoch", .number(value.leaderEpoch)),
      member("metadata", .string(value.metadata)), member("commitTimestamp", .int(value.commitTimestamp)),
    ] + (value.expireTimestamp < 0 ? [] : [member("expireTimestamp", .int(value.expireTimestamp))])
  }

  private static func members(_ value: GroupMetadataValue) -> [JSON.Member] {
    let isOfConsumers = value.protocolType == ConsumerGroup.protocolType
    return [
      member("protocolType", .string(value.protocolType)), member("generation", .number(value.generation)),
      member("protocol", .text(value.protocol)), member("leader", .text(value.leader)),
      member("currentStateTimestamp", .int(value.currentStateTimestamp)),
      member("members", .array(value.members.map { .object(members($0, isOfConsumers: isOfConsumers)) })),
    ]
  }

  /// An assignment of the consumer protocol is shown as its partitions; of another as its size.
  private static func members(_ value: GroupMetadataValue.Member, isOfConsumers: Bool) -> [JSON.Member] {
    let partitions = isOfConsumers ? ConsumerGroup.partitions(in: value.assignment) : nil
    let assignment =
      partitions.map { JSON.array($0.sorted().map { .string("\($0)") }) } ?? .number(value.assignment.readableBytes)
    return [
      member("memberId", .string(value.memberID)), member("groupInstanceId", .text(value.groupInstanceID)),
      member("clientId", .string(value.clientID)), member("clientHost", .string(value.clientHost)),
      member("rebalanceTimeout", .number(value.rebalanceTimeout)),
      member("sessionTimeout", .number(value.sessionTimeout)), member("assignment", assignment),
    ]
  }

  private static func members(_ value: TransactionLogValue) -> [JSON.Member] {
    let partitions = value.transactionPartitions?.map { topic -> JSON in
      .object([
        member("topic", .string(topic.topic)), member("partitionIds", .integers(topic.partitionIDs)),
      ])
    }
    return [
      member("producerId", .int(value.producerID)), member("producerEpoch", .number(value.producerEpoch)),
      member("transactionTimeoutMs", .number(value.transactionTimeoutMs)),
      member("transactionStatus", .string(status(value.transactionStatus))),
      member("transactionPartitions", partitions.map { .array($0) } ?? .null),
      member("transactionLastUpdateTimestampMs", .int(value.transactionLastUpdateTimestampMs)),
      member("transactionStartTimestampMs", .int(value.transactionStartTimestampMs)),
    ]
  }

  private static func status(_ number: Int8) -> String {
    let names = [
      "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead",
      "PrepareEpochFence",
    ]
    return names.indices.contains(Int(number)) ? names[Int(number)] : "\(number)"
  }
}
