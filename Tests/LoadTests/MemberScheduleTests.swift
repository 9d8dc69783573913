import Testing

@testable import Load

@Suite("When members come and go")
struct MemberScheduleTests {
  private func plan(_ change: (inout LoadPlan) -> Void) -> LoadPlan {
    var plan = LoadPlan(.consume)
    plan.group = "g"
    change(&plan)
    return plan
  }

  @Test("each group restarts at its own equal shares of its records, once at a time")
  func restarts() {
    var schedule = MemberSchedule(
      plan {
        $0.recordCount = 600
        $0.fanOut = 2
        $0.memberRestarts = 2
      })
    #expect(schedule.countsRecords && !schedule.isDone)
    #expect(schedule.due(sinceStartNs: 0, read: [99, 99]) == [])
    #expect(schedule.due(sinceStartNs: 0, read: [100, 99]) == [.restart(group: 0)])
    #expect(schedule.due(sinceStartNs: 0, read: [199, 300]) == [.restart(group: 1)])
    #expect(schedule.due(sinceStartNs: 0, read: [200, 300]) == [.restart(group: 0), .restart(group: 1)])
    #expect(schedule.isDone && schedule.due(sinceStartNs: 0, read: [300, 300]) == [])
  }

  @Test("a visitor comes after a pause and goes after another, and the next one follows it")
  func visits() {
    var schedule = MemberSchedule(
      plan {
        $0.visits = 2
        $0.visitMs = 10
      })
    #expect(!schedule.countsRecords)
    #expect(schedule.due(sinceStartNs: 9_999_999, read: []) == [])
    #expect(schedule.due(sinceStartNs: 10_000_000, read: []) == [.join(visit: 0)])
    #expect(schedule.due(sinceStartNs: 30_000_000, read: []) == [.leave(visit: 0), .join(visit: 1)])
    #expect(!schedule.isDone && schedule.due(sinceStartNs: 40_000_000, read: []) == [.leave(visit: 1)])
    #expect(schedule.isDone)
  }

  @Test("without restarts and visits nothing is due")
  func none() {
    #expect(MemberSchedule(plan { _ in }).isDone)
    #expect(MemberSchedule(LoadPlan(.produce)).isDone)
  }
}
