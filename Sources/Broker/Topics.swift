package import Model
import Synchronization

/// A topic as requests see it: immutable, so that a request works on one consistent picture. A change of partitions or
/// configuration makes another `Topic` around the same `Partition`s.
package final class Topic: Sendable {
  package let name: String
  package let id: TopicID
  package let isInternal: Bool
  package let config: TopicConfig
  /// By partition number, without gaps.
  package let partitions: [Partition]

  package init(name: String, id: TopicID, isInternal: Bool, config: TopicConfig, partitions: [Partition]) {
    self.name = name
    self.id = id
    self.isInternal = isInternal
    self.config = config
    self.partitions = partitions
  }

  package func partition(_ index: Int32) -> Partition? {
    index >= 0 && index < partitions.count ? partitions[Int(index)] : nil
  }
}

/// The topics of this broker, found by name and by id. Lookups are on the hot path: one short lock, no allocation.
package final class Topics: Sendable {
  private struct Maps {
    var byName: [String: Topic] = [:]
    var byID: [TopicID: Topic] = [:]
  }

  private let maps = Mutex(Maps())

  package init() {}

  package func named(_ name: String) -> Topic? { maps.withLock { $0.byName[name] } }
  package func withID(_ id: TopicID) -> Topic? { maps.withLock { $0.byID[id] } }
  /// In the order of their names.
  package var all: [Topic] { maps.withLock { Array($0.byName.values) }.sorted { $0.name < $1.name } }
  package var count: Int { maps.withLock { $0.byName.count } }

  package func put(_ topic: Topic) {
    maps.withLock { maps in
      if let old = maps.byName[topic.name], old.id != topic.id { maps.byID[old.id] = nil }
      maps.byName[topic.name] = topic
      maps.byID[topic.id] = topic
    }
  }

  package func remove(_ name: String) -> Topic? {
    maps.withLock { maps in
      guard let topic = maps.byName.removeValue(forKey: name) else { return nil }
      maps.byID[topic.id] = nil
      return topic
    }
  }
}
