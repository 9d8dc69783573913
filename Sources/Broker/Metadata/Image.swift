package import Cluster
package import Model
import Synchronization

/// One topic of a `MetadataImage`: its description, its configuration, and this broker's `Partition` objects. Immutable; a change
/// of partitions or configuration makes another `Topic` with the same `Partition`s.
package final class Topic: Sendable {
  /// The partitions with their replicas, leaders and ISRs, as the controller has sent them.
  package let description: TopicDescription
  package let config: TopicConfig
  /// A `Partition` for each partition number; where this broker has no replica, one without a log.
  package let partitions: [Partition]

  package var name: String { description.name }
  package var id: TopicID { description.id }
  package var isInternal: Bool { description.isInternal }

  package init(_ description: TopicDescription, config: TopicConfig, partitions: [Partition]) {
    self.description = description
    self.config = config
    self.partitions = partitions
  }

  package func partition(_ index: Int32) -> Partition? {
    index >= 0 && index < partitions.count ? partitions[Int(index)] : nil
  }
}

/// Holds the metadata cache (brokers, topics, configuration, controller), and for each topic this broker's `Partition` objects.
/// Immutable; a request reads one image from its beginning to its end. Not KRaft's MetadataImage.
package final class MetadataImage: Sendable {
  /// The brokers that are alive, by rising id.
  package let brokers: [LiveBroker]
  /// The id of the controller; -1 when there is none.
  package let controllerID: BrokerID
  /// This broker's configuration, dynamic values included.
  package let config: Config
  /// The topics in the order of their names.
  package let all: [Topic]
  /// The number of partitions of all topics.
  package let partitionCount: Int
  /// The places in `all`, which an image in which the same topics have changed shares with the one before.
  private let byName: [String: Int]
  private let byID: [TopicID: Int]

  /// Makes an image without topics.
  package init(brokers: [LiveBroker], controllerID: BrokerID, config: Config) {
    self.brokers = brokers
    self.controllerID = controllerID
    self.config = config
    all = []
    partitionCount = 0
    byName = [:]
    byID = [:]
  }

  package func named(_ name: String) -> Topic? { byName[name].map { all[$0] } }
  package func withID(_ id: TopicID) -> Topic? { byID[id].map { all[$0] } }
  package var count: Int { all.count }

  /// Returns the broker if it is alive.
  package func broker(_ id: BrokerID) -> LiveBroker? { brokers.first { $0.id == id } }

  /// Makes the image after a change, in one pass over all topics, however many change. Where no topic is new or removed, the pass copies
  /// an array.
  ///
  /// - Parameters:
  ///   - brokers: nil when they have not changed; so are `controllerID` and `config`.
  ///   - changed: the new and changed topics.
  ///   - removed: the names of deleted topics.
  package init(
    after old: MetadataImage, brokers: [LiveBroker]? = nil, controllerID: BrokerID? = nil, config: Config? = nil,
    changed: [Topic] = [], removed: [String] = []
  ) {
    self.brokers = brokers ?? old.brokers
    self.controllerID = controllerID ?? old.controllerID
    self.config = config ?? old.config
    guard !changed.isEmpty || !removed.isEmpty else {
      all = old.all
      partitionCount = old.partitionCount
      byName = old.byName
      byID = old.byID
      return
    }
    if removed.isEmpty, changed.allSatisfy({ old.named($0.name)?.id == $0.id }) {
      var all = old.all
      var partitionCount = old.partitionCount
      for topic in changed {
        guard let place = old.byName[topic.name] else { continue }
        partitionCount += topic.partitions.count - all[place].partitions.count
        all[place] = topic
      }
      self.all = all
      self.partitionCount = partitionCount
      byName = old.byName
      byID = old.byID
      return
    }
    let gone = Set(removed + changed.map(\.name))
    let new = Dictionary(changed.map { ($0.name, $0) }) { _, last in last }
    all = Self.merged(old.all.filter { !gone.contains($0.name) }, new.values.sorted { $0.name < $1.name })
    partitionCount = all.reduce(0) { $0 + $1.partitions.count }
    byName = Dictionary(zip(all.map(\.name), all.indices)) { first, _ in first }
    byID = Dictionary(zip(all.map(\.id), all.indices)) { first, _ in first }
  }

  /// Merges two lists that are in the order of their topics' names.
  private static func merged(_ kept: [Topic], _ new: [Topic]) -> [Topic] {
    var merged: [Topic] = []
    merged.reserveCapacity(kept.count + new.count)
    var next = 0
    for topic in kept {
      while next < new.count, new[next].name < topic.name {
        merged.append(new[next])
        next += 1
      }
      merged.append(topic)
    }
    return merged + new[next...]
  }
}

/// Holds the current `MetadataImage`. Requests on every event loop read it, under a short lock and without allocation; the control
/// lane replaces it.
package final class Metadata: Sendable {
  private let current: Mutex<MetadataImage>

  private let replaced = Atomic(0)
  private let configured = Hook<@Sendable () -> Void>({})
  private let topicsRemoved = Hook<@Sendable ([String]) -> Void>({ _ in })

  /// The values of users and client ids, by the paths of their nodes beneath `/config`.
  private let clients = Mutex<[String: [String: String]]>([:])

  package init(_ image: MetadataImage) { current = Mutex(image) }

  /// The values of all users and client ids, by the paths of their nodes beneath `/config`: `users/alice`.
  package var clientValues: [String: [String: String]] { clients.withLock { $0 } }

  /// The values of one of them.
  package func clientValues(_ path: String) -> [String: String] { clients.withLock { $0[path] } ?? [:] }

  func setClientValues(_ all: [String: [String: String]]) { clients.withLock { $0 = all } }

  func setClientValues(_ path: String, _ values: [String: String]) { clients.withLock { $0[path] = values } }

  package var image: MetadataImage { current.withLock { $0 } }

  /// The topics as consumer groups look them up.
  var catalog: TopicCatalog {
    // In this order: an image that is newer than the version is looked at again.
    let version = replacements
    let image = image
    return TopicCatalog(version: version, names: { image.all.map(\.name) }) { name in
      image.named(name).map {
        SubscribedTopic(id: $0.id, name: $0.name, partitionCount: Int32(clamping: $0.partitions.count))
      }
    }
  }

  /// How often the image was replaced, each time in a pass over all topics.
  var replacements: Int { replaced.load(ordering: .relaxed) }

  /// Sets the function to call with the names of topics that were deleted, when no request finds them any more; on the control lane.
  func whenTopicsAreRemoved(_ body: @escaping @Sendable ([String]) -> Void) { topicsRemoved.set(body) }

  /// Sets the function to call when the image has other values of the broker's configuration; on the control lane.
  func whenConfigured(_ body: @escaping @Sendable () -> Void) { configured.set(body) }

  /// Tells that the broker's configuration has changed.
  func tellConfigured() { configured.call() }

  /// Tells that topics were deleted.
  func tellRemoved(_ names: [String]) { topicsRemoved.call(names) }

  /// Replaces the image by the one that `change` makes of it. Called on the control lane alone, so that no other change comes
  /// between.
  func replace(_ change: (MetadataImage) -> MetadataImage) {
    let changed = change(image)
    // The old image, perhaps with many topics, is freed after the lock.
    let old = current.withLock { current in
      let old = current
      current = changed
      return old
    }
    withExtendedLifetime(old) {}
    replaced.wrappingAdd(1, ordering: .relaxed)
  }
}
