import Model

/// Holds what one group has shown of itself: the assignments of each generation, and the offsets that were committed.
///
/// Generations are told apart by their numbers alone. That is right where every assignment that a member has is in the log: a killed
/// process loses nothing that it has written, and scenarios with groups lose power only where the log is flushed before answers.
final class GroupLedger {
  typealias Offsets = [TopicPartition: Int64]

  let group: String
  private let report: (String) -> Void
  /// The latest generation of which a member has its assignment: it is in the group's log.
  private(set) var generation: Int32 = 0
  /// The owners of partitions, by generation. A member is known by its instance id, or else by its member id.
  private var owners: [Int32: [TopicPartition: String]] = [:]
  /// What leaders have given to members, by generation. After a crash a generation may begin again, with another leader.
  private var given: [Int32: [String: Set<[TopicPartition]>]] = [:]
  /// The largest offsets whose commit was acknowledged.
  private(set) var committed: Offsets = [:]
  /// The largest offsets that a commit was sent with.
  private var sent: Offsets = [:]

  init(_ group: String, report: @escaping (String) -> Void) {
    self.group = group
    self.report = report
  }

  private func violation(_ what: String) { report("group \(group): \(what)") }

  // MARK: Assignments

  /// A leader sends its assignment.
  func giving(_ assignments: [String: [TopicPartition]], in generation: Int32) {
    for (member, partitions) in assignments { given[generation, default: [:]][member, default: []].insert(partitions) }
  }

  /// A member has its assignment.
  ///
  /// - Parameter latest: the latest generation when it asked.
  func assigned(_ partitions: [TopicPartition], to member: String, in generation: Int32, latest: Int32) {
    checkPresent(generation, latest, "an assignment", of: member)
    self.generation = max(self.generation, generation)
    guard !partitions.isEmpty else { return }
    if given[generation]?[member]?.contains(partitions) != true {
      violation("\(member) has \(partitions) in generation \(generation), which no leader gave it")
    }
    for partition in partitions {
      if let other = owners[generation]?[partition], other != member {
        violation("\(partition) has two owners in generation \(generation): \(other) and \(member)")
      }
      owners[generation, default: [:]][partition] = member
    }
  }

  /// Checks that a request which the coordinator has granted was not one of an older generation: `latest` when it was sent.
  func checkPresent(_ generation: Int32, _ latest: Int32, _ what: String, of member: String) {
    guard generation < latest else { return }
    violation("\(what) of \(member) in generation \(generation) is granted, when \(latest) had begun")
  }

  // MARK: Offsets

  func committing(_ offsets: Offsets) { sent.merge(offsets, uniquingKeysWith: max) }

  /// A commit is acknowledged; `latest` is the latest generation when it was sent.
  func acknowledged(_ offsets: Offsets, of member: String, in generation: Int32, latest: Int32) {
    checkPresent(generation, latest, "a commit", of: member)
    committed.merge(offsets, uniquingKeysWith: max)
  }

  /// The partition's log ends below what the group has read: it reads from the start again.
  func beginsAgain(_ partition: TopicPartition) { committed[partition] = nil }

  /// An offset was fetched, -1 for none; `floor` was the largest acknowledged when it was asked for.
  func fetched(_ offset: Int64, of partition: TopicPartition, floor: Int64?) {
    if offset < floor ?? -1 {
      violation("the offset \(floor ?? -1) was committed for \(partition), and later it was \(offset)")
    }
    if offset > sent[partition] ?? -1 {
      violation("the offset \(offset) is committed for \(partition), and nobody has sent a commit of it")
    }
  }
}
