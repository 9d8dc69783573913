package import Model

/// Computes the target assignment of a consumer group (KIP-848): which member is to have which partitions.
///
/// The assignment depends on the subscriptions and on the assignment before, and on no order of a dictionary.
package enum ServerAssignor: String, CaseIterable, Sendable {
  /// The numbers of the members' partitions differ as little as their subscriptions allow, and a partition stays where it is unless that
  /// balance needs it to move.
  case uniform
  /// Each topic's partitions in as many runs as it has subscribers, so that partitions of the same number of several topics come to the
  /// same member.
  case range

  /// One member as an assignor sees it.
  package struct Subscriber: Sendable {
    package var id: String
    /// Members are ordered by it, where they have one, so that a restarted static member keeps its place.
    package var instanceID: String?
    package var topics: Set<TopicID>
    /// Its partitions in the target assignment before.
    package var before: Set<GroupPartition>

    package init(id: String, instanceID: String? = nil, topics: Set<TopicID>, before: Set<GroupPartition> = []) {
      self.id = id
      self.instanceID = instanceID
      self.topics = topics
      self.before = before
    }
  }

  /// Returns the partitions of each member, by member id.
  package func assign(_ topics: [SubscribedTopic], to subscribers: [Subscriber]) -> [String: Set<GroupPartition>] {
    let ordered = subscribers.sorted { ($0.instanceID ?? $0.id, $0.id) < ($1.instanceID ?? $1.id, $1.id) }
    var assigned: [Set<GroupPartition>]
    switch self {
    case .range: assigned = Self.ranges(topics, ordered)
    case .uniform:
      assigned = Self.kept(topics, ordered)
      Self.place(topics, ordered, &assigned)
      Self.balance(topics, ordered, &assigned)
    }
    return Dictionary(uniqueKeysWithValues: zip(ordered.map(\.id), assigned))
  }

  // MARK: range

  /// With 5 partitions and 2 subscribers the first has 0, 1, 2 and the second 3, 4.
  private static func ranges(_ topics: [SubscribedTopic], _ subscribers: [Subscriber]) -> [Set<GroupPartition>] {
    var assigned = [Set<GroupPartition>](repeating: [], count: subscribers.count)
    for topic in topics {
      let places = subscribers.indices.filter { subscribers[$0].topics.contains(topic.id) }
      guard !places.isEmpty else { continue }
      let partitions = topic.partitions
      let (least, more) = partitions.count.quotientAndRemainder(dividingBy: places.count)
      var from = 0
      for (order, place) in places.enumerated() {
        let to = from + least + (order < more ? 1 : 0)
        assigned[place].formUnion(partitions[from..<to])
        from = to
      }
    }
    return assigned
  }

  // MARK: uniform

  /// The partitions that each member had and may keep, as far as the topics exist and it is subscribed to them; each once.
  private static func kept(_ topics: [SubscribedTopic], _ subscribers: [Subscriber]) -> [Set<GroupPartition>] {
    let counts = Dictionary(topics.map { ($0.id, $0.partitionCount) }) { first, _ in first }
    var taken: Set<GroupPartition> = []
    return subscribers.map { subscriber in
      let kept = subscriber.before.filter { partition in
        subscriber.topics.contains(partition.topic) && partition.number < counts[partition.topic] ?? 0
          && !taken.contains(partition)
      }
      taken.formUnion(kept)
      return kept
    }
  }

  /// Gives each partition that nobody has to the subscriber that has the fewest; of several, to the first.
  private static func place(
    _ topics: [SubscribedTopic], _ subscribers: [Subscriber], _ assigned: inout [Set<GroupPartition>]
  ) {
    let taken = assigned.reduce(into: Set<GroupPartition>()) { $0.formUnion($1) }
    for topic in topics {
      var heap = Subscribers(of: topic, subscribers, assigned)
      for partition in topic.partitions where !taken.contains(partition) {
        guard let place = heap.least else { break }
        assigned[place].insert(partition)
        heap.leastHas(assigned[place].count)
      }
    }
  }

  /// Moves partitions of a topic from the subscriber that has the most partitions to the one that has the fewest, as long as they differ by
  /// two or more; over all topics again until nothing moves. Each move lowers the sum of the squares, so this ends.
  private static func balance(
    _ topics: [SubscribedTopic], _ subscribers: [Subscriber], _ assigned: inout [Set<GroupPartition>]
  ) {
    var hasMoved = true
    while hasMoved {
      hasMoved = false
      for topic in topics {
        let places = subscribers.indices.filter { subscribers[$0].topics.contains(topic.id) }
        while let (from, to) = unequal(places, topic, assigned) {
          guard let partition = assigned[from].filter({ $0.topic == topic.id }).max() else { break }
          assigned[from].remove(partition)
          assigned[to].insert(partition)
          hasMoved = true
        }
      }
    }
  }

  /// Returns the subscriber of a topic with the most partitions that has one of the topic, and the one with the fewest; nil when they
  /// differ by less than two.
  private static func unequal(
    _ places: [Int], _ topic: SubscribedTopic, _ assigned: [Set<GroupPartition>]
  ) -> (from: Int, to: Int)? {
    guard let to = places.min(by: { (assigned[$0].count, $0) < (assigned[$1].count, $1) }) else { return nil }
    let rich = places.filter { assigned[$0].count >= assigned[to].count + 2 }
      .sorted { (assigned[$1].count, $0) < (assigned[$0].count, $1) }
    guard let from = rich.first(where: { place in assigned[place].contains { $0.topic == topic.id } }) else {
      return nil
    }
    return (from, to)
  }

  /// The subscribers of one topic, as a binary heap by the number of their partitions.
  private struct Subscribers {
    private var entries: [(count: Int, place: Int)]

    init(of topic: SubscribedTopic, _ subscribers: [Subscriber], _ assigned: [Set<GroupPartition>]) {
      entries = subscribers.indices.filter { subscribers[$0].topics.contains(topic.id) }
        .map { (assigned[$0].count, $0) }.sorted { $0 < $1 }
    }

    var least: Int? { entries.first?.place }

    /// Records that the first subscriber has `count` partitions now.
    mutating func leastHas(_ count: Int) {
      entries[0].count = count
      var at = 0
      while true {
        let left = 2 * at + 1
        guard left < entries.count else { return }
        let right = left + 1
        let child = right < entries.count && entries[right] < entries[left] ? right : left
        guard entries[child] < entries[at] else { return }
        entries.swapAt(at, child)
        at = child
      }
    }
  }
}
