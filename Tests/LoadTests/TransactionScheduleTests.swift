import Testing

@testable import Load

struct TransactionScheduleTests {
  @Test("a transaction takes its records, and is counted by how it ended")
  func counts() {
    var schedule = TransactionSchedule(records: 10, abortEvery: 2)
    #expect(schedule.isBetween && schedule.room == 0)
    schedule.begin(at: 1_000)
    #expect(schedule.isOpen && schedule.room == 10 && schedule.commits)
    schedule.took(7)
    schedule.took(3)
    #expect(schedule.room == 0)
    schedule.end()
    #expect(!schedule.isOpen && !schedule.isBetween)
    #expect(schedule.ended(isCommitted: true, at: 2_000) == 10)
    schedule.begin(at: 3_000)
    #expect(!schedule.commits, "every second one is aborted")
    schedule.took(4)
    schedule.end()
    #expect(schedule.ended(isCommitted: false, at: 4_000) == 4)
    #expect(schedule.isBetween)
    let figures = schedule.figures
    #expect(figures.committed == 1 && figures.aborted == 1 && figures.abortedRecords == 4)
    #expect(figures.latency.count == 1 && figures.latency.maxNs == 1_000)
  }

  @Test("one that took no records before a stop is not counted, and without a rule all are committed")
  func empty() {
    var schedule = TransactionSchedule(records: 10, abortEvery: nil)
    for _ in 0..<3 {
      schedule.begin(at: 1)
      #expect(schedule.commits)
      schedule.end()
      #expect(schedule.ended(isCommitted: true, at: 2) == 0)
    }
    schedule.begin(at: 3)
    schedule.end()
    schedule.failed()
    #expect(schedule.isBetween && schedule.room == 0)
    #expect(schedule.figures.committed == 0 && schedule.figures.aborted == 0)
  }
}
