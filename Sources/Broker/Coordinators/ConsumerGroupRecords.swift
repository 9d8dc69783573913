import Cluster
import Model
import NIOCore
import Wire

/// A change of a group of the new protocol as a record of `__consumer_offsets`, and the way back.
struct ConsumerGroupRecord: Equatable {
  var group: String
  var change: ConsumerGroup.Change

  init(_ group: String, _ change: ConsumerGroup.Change) {
    self.group = group
    self.change = change
  }

  /// Whether the record is a tombstone.
  var isRemoval: Bool { value == nil }

  func record(timestampMs: Int64) -> CoordinatorRecord {
    CoordinatorRecord(key: key, value: value, timestampMs: timestampMs)
  }

  private var key: ByteBuffer {
    switch change {
    case .epoch: Self.key(ConsumerGroupMetadataKey.self, group)
    case .topics: Self.key(ConsumerGroupPartitionMetadataKey.self, group)
    case .member(let id, _): Self.key(ConsumerGroupMemberMetadataKey.self, group, id)
    case .targetEpoch: Self.key(ConsumerGroupTargetAssignmentMetadataKey.self, group)
    case .target(let id, _): Self.key(ConsumerGroupTargetAssignmentMemberKey.self, group, id)
    case .current(let id, _): Self.key(ConsumerGroupCurrentMemberAssignmentKey.self, group, id)
    }
  }

  private static func key<Key: ConsumerGroupKey>(_: Key.Type, _ group: String) -> ByteBuffer {
    Key.with { $0.groupID = group }.prefixed(version: Key.onlyVersion)
  }

  private static func key<Key: ConsumerGroupMemberKey>(_: Key.Type, _ group: String, _ member: String) -> ByteBuffer {
    Key.with {
      $0.groupID = group
      $0.memberID = member
    }.prefixed(version: Key.onlyVersion)
  }

  private var value: ByteBuffer? {
    switch change {
    case .epoch(let epoch):
      epoch.map { epoch in ConsumerGroupMetadataValue.with { $0.epoch = epoch }.prefixed(version: 0) }
    case .topics(let topics): topics.map { ConsumerGroupPartitionMetadataValue($0).prefixed(version: 0) }
    case .member(_, let description): description.map { ConsumerGroupMemberMetadataValue($0).prefixed(version: 0) }
    case .targetEpoch(let epoch):
      epoch.map { epoch in
        ConsumerGroupTargetAssignmentMetadataValue.with { $0.assignmentEpoch = epoch }.prefixed(version: 0)
      }
    case .target(_, let partitions):
      partitions.map { partitions in
        ConsumerGroupTargetAssignmentMemberValue.with { $0.topicPartitions = .init(partitions) }.prefixed(version: 0)
      }
    case .current(_, let current): current.map { ConsumerGroupCurrentMemberAssignmentValue($0).prefixed(version: 0) }
    }
  }

  /// Reads a record; nil for one of another kind, and for a value that cannot be read.
  init?(reading record: CoordinatorRecord) {
    guard let kind = record.key.getInteger(at: record.key.readerIndex, as: Int16.self) else { return nil }
    do throws(WireError) {
      switch kind {
      case 3:
        let value = try Self.value(ConsumerGroupMetadataValue.self, record)
        self.init(try ConsumerGroupMetadataKey(prefixed: record.key).groupID, .epoch(value?.epoch))
      case 4:
        let value = try Self.value(ConsumerGroupPartitionMetadataValue.self, record)
        let topics = value.map { $0.topics.map { SubscribedTopic($0) } }
        self.init(try ConsumerGroupPartitionMetadataKey(prefixed: record.key).groupID, .topics(topics))
      case 5:
        let key = try ConsumerGroupMemberMetadataKey(prefixed: record.key)
        let value = try Self.value(ConsumerGroupMemberMetadataValue.self, record)
        self.init(key.groupID, .member(key.memberID, value.map { ConsumerGroupMember.Description($0) }))
      case 6:
        let value = try Self.value(ConsumerGroupTargetAssignmentMetadataValue.self, record)
        let key = try ConsumerGroupTargetAssignmentMetadataKey(prefixed: record.key)
        self.init(key.groupID, .targetEpoch(value?.assignmentEpoch))
      case 7:
        let key = try ConsumerGroupTargetAssignmentMemberKey(prefixed: record.key)
        let value = try Self.value(ConsumerGroupTargetAssignmentMemberValue.self, record)
        self.init(key.groupID, .target(key.memberID, value.map { $0.topicPartitions.partitions }))
      case 8:
        let key = try ConsumerGroupCurrentMemberAssignmentKey(prefixed: record.key)
        let value = try Self.value(ConsumerGroupCurrentMemberAssignmentValue.self, record)
        self.init(key.groupID, .current(key.memberID, value.map { ConsumerGroupMember.Current($0) }))
      default: return nil
      }
    } catch { return nil }
  }

  private static func value<Value: InternalRecord>(
    _: Value.Type, _ record: CoordinatorRecord
  ) throws(WireError) -> Value? {
    guard let value = record.value else { return nil }
    return try Value(prefixed: value)
  }
}

// MARK: Values

extension [TopicIDPartitions] {
  /// In the order of topics and numbers.
  init(_ partitions: some Sequence<GroupPartition>) {
    self = []
    for partition in partitions.sorted() {
      if last?.topicID != partition.topic { append(.with { $0.topicID = partition.topic }) }
      self[endIndex - 1].partitions.append(partition.number)
    }
  }

  var partitions: Set<GroupPartition> {
    reduce(into: []) { found, topic in
      for number in topic.partitions { found.insert(GroupPartition(topic.topicID, number)) }
    }
  }
}

extension ConsumerGroupPartitionMetadataValue {
  init(_ topics: [SubscribedTopic]) {
    self.init()
    self.topics = topics.map { topic in
      .with {
        $0.topicID = topic.id
        $0.topicName = topic.name
        $0.numPartitions = topic.partitionCount
      }
    }
  }
}

extension SubscribedTopic {
  init(_ topic: ConsumerGroupPartitionMetadataValue.Topic) {
    self.init(id: topic.topicID, name: topic.topicName, partitionCount: topic.numPartitions)
  }
}

extension ConsumerGroupMemberMetadataValue {
  init(_ description: ConsumerGroupMember.Description) {
    self.init()
    instanceID = description.instanceID
    rackID = description.rackID
    clientID = description.clientID
    clientHost = description.clientHost
    subscribedTopicNames = description.subscription
    subscribedTopicRegex = description.pattern
    rebalanceTimeoutMs = description.rebalanceTimeoutMs
    serverAssignor = description.serverAssignor
  }
}

extension ConsumerGroupMember.Description {
  init(_ value: ConsumerGroupMemberMetadataValue) {
    self.init()
    instanceID = value.instanceID
    rackID = value.rackID
    clientID = value.clientID
    clientHost = value.clientHost
    subscription = value.subscribedTopicNames.sorted()
    pattern = value.subscribedTopicRegex == "" ? nil : value.subscribedTopicRegex
    rebalanceTimeoutMs = value.rebalanceTimeoutMs
    serverAssignor = value.serverAssignor
  }
}

extension ConsumerGroupCurrentMemberAssignmentValue {
  init(_ current: ConsumerGroupMember.Current) {
    self.init()
    memberEpoch = current.epoch
    previousMemberEpoch = current.previousEpoch
    state = current.state.rawValue
    assignedPartitions = .init(current.assigned)
    partitionsPendingRevocation = .init(current.revoking)
  }
}

extension ConsumerGroupMember.Current {
  init(_ value: ConsumerGroupCurrentMemberAssignmentValue) {
    self.init()
    epoch = value.memberEpoch
    previousEpoch = value.previousMemberEpoch
    // A state that this broker does not know: the member waits until it has nothing that it was not assigned.
    state = ConsumerGroupMember.State(rawValue: value.state) ?? .unreleased
    assigned = value.assignedPartitions.partitions
    revoking = value.partitionsPendingRevocation.partitions
  }
}
