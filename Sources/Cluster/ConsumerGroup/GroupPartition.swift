package import Model

/// A partition that a member of a consumer group consumes. The topic is named by its id: one that is deleted and created again is
/// another.
package struct GroupPartition: Hashable, Comparable, Sendable {
  package var topic: TopicID
  package var number: Int32

  package init(_ topic: TopicID, _ number: Int32) {
    self.topic = topic
    self.number = number
  }

  package static func < (a: GroupPartition, b: GroupPartition) -> Bool {
    (a.topic.high, a.topic.low, a.number) < (b.topic.high, b.topic.low, b.number)
  }
}

/// A topic to which a member of a consumer group has subscribed, and which exists.
package struct SubscribedTopic: Hashable, Sendable {
  package var id: TopicID
  package var name: String
  package var partitionCount: Int32

  package init(id: TopicID, name: String, partitionCount: Int32) {
    self.id = id
    self.name = name
    self.partitionCount = partitionCount
  }

  var partitions: [GroupPartition] { (0..<max(partitionCount, 0)).map { GroupPartition(id, $0) } }
}

/// The topics of the cluster as a consumer group looks them up.
package struct TopicCatalog {
  /// Changes whenever topics or their partitions do: a group looks its topics up again when it does.
  package var version: Int
  /// The names of all topics, in any order.
  package var names: () -> [String]
  package var topic: (String) -> SubscribedTopic?

  package init(version: Int, names: @escaping () -> [String], topic: @escaping (String) -> SubscribedTopic?) {
    self.version = version
    self.names = names
    self.topic = topic
  }
}
