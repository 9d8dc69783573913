/// When members of a run's groups leave and come back, and when visitors come and go. A value: the run says how far it is, and carries
/// out what is due.
struct MemberSchedule {
  enum Change: Equatable {
    /// All members of a group leave; when they have left, others take their places.
    case restart(group: Int)
    /// One more member joins each group.
    case join(visit: Int)
    /// That member leaves.
    case leave(visit: Int)
  }

  /// Each group's restarts still to come, as the records after which they are due.
  private var restarts: [[Int]]
  /// Visits' changes still to come, and the times since the run began at which they are due.
  private var visits: [(change: Change, atNs: UInt64)]

  /// Restarts are due at equal shares of the records that each group is to read; every visitor comes and goes before the next one
  /// comes, a pause after the last change.
  init(_ plan: LoadPlan) {
    let share = (plan.recordCount ?? 0) / plan.fanOut / (plan.memberRestarts + 1)
    let marks = (0..<plan.memberRestarts).map { ($0 + 1) * share }
    restarts = Array(repeating: marks, count: plan.group == nil ? 0 : plan.fanOut)
    let pauseNs = UInt64(plan.visitMs) * 1_000_000
    visits = (0..<plan.visits).flatMap { Self.changes(of: $0, pauseNs) }
  }

  private static func changes(of visit: Int, _ pauseNs: UInt64) -> [(change: Change, atNs: UInt64)] {
    let before = UInt64(2 * visit)
    return [(.join(visit: visit), (before + 1) * pauseNs), (.leave(visit: visit), (before + 2) * pauseNs)]
  }

  /// Whether nothing is to come.
  var isDone: Bool { visits.isEmpty && !countsRecords }

  /// Whether restarts are to come, which depend on what the groups have read.
  var countsRecords: Bool { restarts.contains { !$0.isEmpty } }

  /// Returns what is due, and takes it off the schedule.
  ///
  /// - Parameter read: the records that each group has read.
  mutating func due(sinceStartNs: UInt64, read: [Int]) -> [Change] {
    var changes: [Change] = []
    for (group, count) in read.enumerated() where restarts[group].first.map({ count >= $0 }) ?? false {
      restarts[group].removeFirst()
      changes.append(.restart(group: group))
    }
    while let next = visits.first, sinceStartNs >= next.atNs {
      changes.append(next.change)
      visits.removeFirst()
    }
    return changes
  }
}
