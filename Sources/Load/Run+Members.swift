import Base

/// What is to come of members that come and go, and what has.
struct MemberChanges {
  fileprivate var schedule: MemberSchedule
  fileprivate(set) var events: [MemberEvent] = []

  init(_ plan: LoadPlan) { schedule = MemberSchedule(plan) }

  /// - Throws: where the run was over before all of them had come and gone.
  func checkDone() throws(PlanError) {
    guard !schedule.isDone else { return }
    throw PlanError(
      "the run was over before all its --member-restarts or --visits: give it more records, a --throughput, or more time"
    )
  }
}

extension Run {
  /// Lets those members come and go whose time it is.
  func carryOut(_ members: inout MemberChanges, _ loops: [Loop], sinceNs: UInt64, nowNs: UInt64) async {
    guard !members.schedule.isDone else { return }
    let read = members.schedule.countsRecords ? await recordsRead(loops) : []
    for change in members.schedule.due(sinceStartNs: nowNs - min(nowNs, sinceNs), read: read) {
      members.events += await carryOut(change, loops)
    }
  }

  /// By group.
  private func recordsRead(_ loops: [Loop]) async -> [Int] {
    let count = plan.fanOut
    let parts = await gather(loops) { $0.recordsRead(byGroups: count) }
    return (0..<count).map { group in parts.reduce(0) { $0 + $1[group] } }
  }

  private func carryOut(_ change: MemberSchedule.Change, _ loops: [Loop]) async -> [MemberEvent] {
    let atNs = Clocks.monotonicNs()
    let all = 0..<plan.fanOut
    switch change {
    case .restart(let group):
      await onAll(loops) { $0.leave(where: { _, copy in copy == group }, then: $1) }
      for place in 0..<plan.connections { await come(group * plan.connections + place, copy: group, loops) }
      return [MemberEvent(group: group, kind: .restart, atNs: atNs)]
    case .join(let visit):
      for group in all { await come(number(of: visit, in: group), copy: group, loops) }
      return all.map { MemberEvent(group: $0, kind: .join, atNs: atNs) }
    case .leave(let visit):
      let visitors = Set(all.map { number(of: visit, in: $0) })
      await onAll(loops) { $0.leave(where: { number, _ in visitors.contains(number) }, then: $1) }
      return all.map { MemberEvent(group: $0, kind: .leave, atNs: atNs) }
    }
  }

  /// Behind the numbers of those that are there from the beginning.
  private func number(of visit: Int, in group: Int) -> Int {
    plan.connections * plan.fanOut + visit * plan.fanOut + group
  }

  private func come(_ number: Int, copy: Int, _ loops: [Loop]) async {
    let loop = loops[number % loops.count]
    _ = await gather([loop]) { $0.come(number, copy: copy) }
  }
}
