import Cluster
import Model
import NIOCore
import Wire

/// The records of `__consumer_offsets`: what a coordinator says as keys and values, and the way back.
///
/// Without a commit or a group it is a tombstone.
enum GroupRecord {
  case offset(group: String, TopicPartition, GroupOffsets.Commit?)
  case group(String, StoredGroup?)

  /// Reads a record; nil for a kind or version that this broker does not know, which is skipped, as by Kafka.
  init?(reading record: CoordinatorRecord) {
    if let key = try? OffsetCommitKey(prefixed: record.key) {
      var commit: GroupOffsets.Commit?
      if let value = record.value {
        guard let read = try? OffsetCommitValue(prefixed: value) else { return nil }
        commit = GroupOffsets.Commit(read)
      }
      self = .offset(group: key.group, TopicPartition(key.topic, key.partition), commit)
    } else if let key = try? GroupMetadataKey(prefixed: record.key) {
      var stored: StoredGroup?
      if let value = record.value {
        guard let read = try? GroupMetadataValue(prefixed: value) else { return nil }
        stored = StoredGroup(read)
      }
      self = .group(key.group, stored)
    } else {
      return nil
    }
  }

  func record(timestampMs: Int64) -> CoordinatorRecord {
    CoordinatorRecord(key: key, value: value, timestampMs: timestampMs)
  }

  private var key: ByteBuffer {
    switch self {
    case .offset(let group, let partition, _):
      OffsetCommitKey.with {
        $0.group = group
        $0.topic = partition.topic
        $0.partition = partition.partition
      }.prefixed(version: OffsetCommitKey.current)
    case .group(let group, _):
      GroupMetadataKey.with { $0.group = group }.prefixed(version: GroupMetadataKey.current)
    }
  }

  private var value: ByteBuffer? {
    switch self {
    case .offset(_, _, let commit):
      commit.map { commit in
        OffsetCommitValue(commit).prefixed(
          version: commit.expiryMs == nil ? OffsetCommitValue.current : OffsetCommitValue.withExpiry)
      }
    case .group(_, let stored):
      stored.map { GroupMetadataValue($0).prefixed(version: GroupMetadataValue.current) }
    }
  }
}

extension GroupOffsets.Commit {
  init(_ value: OffsetCommitValue) {
    self.init(
      offset: value.offset, leaderEpoch: value.leaderEpoch, metadata: value.metadata,
      timestampMs: value.commitTimestamp, expiryMs: value.expireTimestamp == -1 ? nil : value.expireTimestamp)
  }
}

extension OffsetCommitValue {
  init(_ commit: GroupOffsets.Commit) {
    self.init()
    offset = commit.offset
    leaderEpoch = commit.leaderEpoch
    metadata = commit.metadata
    commitTimestamp = commit.timestampMs
    expireTimestamp = commit.expiryMs ?? -1
  }
}

extension StoredGroup {
  init(_ value: GroupMetadataValue) {
    self.init(
      protocolType: value.protocolType, generation: value.generation, protocolName: value.protocol,
      leader: value.leader, stateTimestampMs: value.currentStateTimestamp < 0 ? nil : value.currentStateTimestamp,
      members: value.members.map { member in
        StoredGroup.Member(
          id: member.memberID, instanceID: member.groupInstanceID, clientID: member.clientID,
          clientHost: member.clientHost,
          rebalanceTimeoutMs: member.rebalanceTimeout == -1 ? member.sessionTimeout : member.rebalanceTimeout,
          sessionTimeoutMs: member.sessionTimeout, subscription: Array(member.subscription.readableBytesView),
          assignment: Array(member.assignment.readableBytesView))
      })
  }
}

extension GroupMetadataValue {
  init(_ stored: StoredGroup) {
    self.init()
    protocolType = stored.protocolType
    generation = stored.generation
    self.protocol = stored.protocolName
    leader = stored.leader
    currentStateTimestamp = stored.stateTimestampMs ?? -1
    members = stored.members.map { member in
      .with {
        $0.memberID = member.id
        $0.groupInstanceID = member.instanceID
        $0.clientID = member.clientID
        $0.clientHost = member.clientHost
        $0.rebalanceTimeout = member.rebalanceTimeoutMs
        $0.sessionTimeout = member.sessionTimeoutMs
        $0.subscription = ByteBuffer(bytes: member.subscription)
        $0.assignment = ByteBuffer(bytes: member.assignment)
      }
    }
  }
}
