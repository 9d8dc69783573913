package import Model

/// What a member of a consumer group tells the group's leader when it joins.
package struct GroupMember: Equatable, Sendable {
  package var id: String
  /// Only static members have one.
  package var instanceID: String?
  /// The topics that it is subscribed to.
  package var topics: [String]
  /// What it was assigned in `generation` and reads still.
  package var owned: [TopicPartition]
  /// -1: none.
  package var generation: Int32

  package init(
    id: String, instanceID: String? = nil, topics: [String], owned: [TopicPartition] = [], generation: Int32 = -1
  ) {
    self.id = id
    self.instanceID = instanceID
    self.topics = topics
    self.owned = owned
    self.generation = generation
  }
}

/// Decides which member of a group reads which partitions, as the assignors of Kafka's clients do. Pure: the same members and
/// partitions give the same assignment, whatever the order of the members.
package enum Assignor: String, CaseIterable, Sendable {
  /// Of each topic, consecutive partitions to each member; the first members get one more where they do not divide evenly.
  case range
  /// All partitions of all topics, one after the other, to the members in turn.
  case roundRobin = "roundrobin"
  /// As even as possible, and as near to what the members own as possible. A partition that is to change its owner is nobody's
  /// for one generation: its owner goes on with its other partitions, gives this one up, and the group joins again.
  case cooperativeSticky = "cooperative-sticky"

  /// Whether members keep their partitions during a rebalance.
  package var isCooperative: Bool { self == .cooperativeSticky }

  /// - Parameter partitions: the number of partitions of each topic; topics that do not exist are left out.
  /// - Returns: each member's partitions, by its id.
  package func assign(_ members: [GroupMember], partitions: [String: Int32]) -> [String: [TopicPartition]] {
    let members = members.sorted(by: GroupMember.comesBefore)
    switch self {
    case .range: return Self.range(members, partitions)
    case .roundRobin: return Self.roundRobin(members, partitions)
    case .cooperativeSticky:
      var sticky = StickyAssignment(members, partitions)
      sticky.assignRest()
      sticky.balance()
      return sticky.withoutOthersPartitions
    }
  }

  private static func range(_ members: [GroupMember], _ partitions: [String: Int32]) -> [String: [TopicPartition]] {
    var assigned = Dictionary(uniqueKeysWithValues: members.map { ($0.id, [TopicPartition]()) })
    for (topic, count) in partitions.sorted(by: { $0.key < $1.key }) {
      let readers = members.filter { $0.topics.contains(topic) }
      guard !readers.isEmpty else { continue }
      let (share, rest) = Int(count).quotientAndRemainder(dividingBy: readers.count)
      var next = 0
      for (index, reader) in readers.enumerated() {
        let end = next + share + (index < rest ? 1 : 0)
        assigned[reader.id, default: []] += (next..<end).map { TopicPartition(topic, Int32($0)) }
        next = end
      }
    }
    return assigned
  }

  private static func roundRobin(
    _ members: [GroupMember], _ partitions: [String: Int32]
  ) -> [String: [TopicPartition]] {
    var assigned = Dictionary(uniqueKeysWithValues: members.map { ($0.id, [TopicPartition]()) })
    var turn = 0
    for (topic, count) in partitions.sorted(by: { $0.key < $1.key }) {
      guard members.contains(where: { $0.topics.contains(topic) }) else { continue }
      for index in 0..<max(count, 0) {
        while !members[turn].topics.contains(topic) { turn = (turn + 1) % members.count }
        assigned[members[turn].id, default: []].append(TopicPartition(topic, index))
        turn = (turn + 1) % members.count
      }
    }
    return assigned
  }
}

extension GroupMember {
  /// Kafka's order: static members by their instance ids, then the others by their ids.
  fileprivate static func comesBefore(_ a: GroupMember, _ b: GroupMember) -> Bool {
    switch (a.instanceID, b.instanceID) {
    case (let a?, let b?): a < b
    case (_?, nil): true
    case (nil, _?): false
    case (nil, nil): a.id < b.id
    }
  }
}

/// An assignment that begins with what the members own.
private struct StickyAssignment {
  private let members: [GroupMember]
  private let topics: [Set<String>]
  /// The partitions that some member is subscribed to, in order.
  private let all: [TopicPartition]
  /// The member that owns a partition now, by its place.
  private let owners: [TopicPartition: Int]
  /// Each member's partitions, by its place.
  private var assigned: [[TopicPartition]]

  init(_ members: [GroupMember], _ partitions: [String: Int32]) {
    self.members = members
    topics = members.map { Set($0.topics) }
    let wanted = topics.reduce(into: Set<String>()) { $0.formUnion($1) }
    all = partitions.filter { wanted.contains($0.key) }.sorted { $0.key < $1.key }.flatMap { topic, count in
      (0..<max(count, 0)).map { TopicPartition(topic, $0) }
    }
    owners = Self.owners(members)
    assigned = Array(repeating: [], count: members.count)
    for partition in all {
      if let owner = owners[partition], topics[owner].contains(partition.topic) { assigned[owner].append(partition) }
    }
  }

  /// Of two members that claim a partition the one of the later generation owns it; of the same generation neither does.
  private static func owners(_ members: [GroupMember]) -> [TopicPartition: Int] {
    var owners: [TopicPartition: Int] = [:]
    var generations: [TopicPartition: Int32] = [:]
    for (place, member) in members.enumerated() {
      for partition in Set(member.owned) {
        let known = generations[partition] ?? -2
        guard member.generation >= known else { continue }
        owners[partition] = member.generation == known ? nil : place
        generations[partition] = member.generation
      }
    }
    return owners
  }

  /// Gives partitions that nobody has to the members with the fewest.
  mutating func assignRest() {
    let taken = Set(assigned.joined())
    for partition in all where !taken.contains(partition) {
      if let reader = lightest(for: partition.topic) { assigned[reader].append(partition) }
    }
  }

  /// The member with the fewest partitions that is subscribed to the topic.
  private func lightest(for topic: String) -> Int? {
    members.indices.filter { topics[$0].contains(topic) }.min { assigned[$0].count < assigned[$1].count }
  }

  /// Moves partitions, from the members with the most to those with the fewest, until no move makes two of them more even.
  ///
  /// Each move lowers the sum of the squares of the members' counts, so it ends.
  mutating func balance() {
    while moveOne() {}
  }

  private mutating func moveOne() -> Bool {
    let heaviestFirst = members.indices.sorted { (assigned[$1].count, $0) < (assigned[$0].count, $1) }
    for giver in heaviestFirst {
      // The last is likely to be the newest.
      for place in assigned[giver].indices.reversed() {
        guard let taker = lightest(for: assigned[giver][place].topic),
          assigned[giver].count - assigned[taker].count >= 2
        else { continue }
        assigned[taker].append(assigned[giver].remove(at: place))
        return true
      }
    }
    return false
  }

  /// Each member's partitions by its id, less those that another member owns and has yet to give up.
  var withoutOthersPartitions: [String: [TopicPartition]] {
    var result: [String: [TopicPartition]] = [:]
    for (place, member) in members.enumerated() {
      result[member.id] = assigned[place].filter { owners[$0] ?? place == place }.sorted()
    }
    return result
  }
}
