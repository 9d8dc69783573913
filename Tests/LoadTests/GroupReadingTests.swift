import Model
import Testing

@testable import Load

@Suite("What members of groups read")
struct GroupReadingTests {
  /// Times are in milliseconds.
  private func span(_ offsets: Range<Int>, _ ms: Range<Int>, partition: Int32 = 0, group: Int = 0) -> ReadSpan {
    ReadSpan(
      group: group, partition: partition, from: .init(Int64(offsets.lowerBound)), to: .init(Int64(offsets.upperBound)),
      fromNs: UInt64(ms.lowerBound) * 1_000_000, toNs: UInt64(ms.upperBound) * 1_000_000)
  }

  private func event(_ kind: MemberEvent.Kind, _ ms: Int, group: Int = 0) -> MemberEvent {
    MemberEvent(group: group, kind: kind, atNs: UInt64(ms) * 1_000_000)
  }

  private func reading(
    _ spans: [ReadSpan], _ events: [MemberEvent] = [], until ms: Int = 100
  ) -> GroupReading {
    GroupReading(spans, after: events, until: UInt64(ms) * 1_000_000)
  }

  @Test("the worked case: who goes on where another stopped reads nothing twice and leaves nothing out")
  func workedCase() {
    let good = reading([span(0..<10, 0..<5), span(10..<20, 8..<100)])
    #expect(good.readTwice == 0 && good.leftOut == 0 && good.shared == 0)
    #expect(reading([span(0..<10, 0..<5), span(7..<20, 8..<100)]).readTwice == 3)
    #expect(reading([span(0..<10, 0..<5), span(12..<20, 8..<100)]).leftOut == 2)
  }

  @Test("what lies within is read twice, and a member that read nothing changes nothing")
  func within() {
    let twice = reading([span(0..<10, 0..<5), span(2..<4, 5..<6), span(3..<3, 6..<7), span(10..<12, 7..<100)])
    #expect(twice.readTwice == 2 && twice.leftOut == 0)
  }

  @Test("groups and partitions have nothing to do with each other")
  func apart() {
    let both = reading([
      span(0..<10, 0..<100), span(0..<10, 0..<100, group: 1), span(0..<10, 0..<100, partition: 1),
    ])
    #expect(both.readTwice == 0 && both.leftOut == 0 && both.shared == 0)
  }

  @Test("a member that begins before another one has given the partition up shares it")
  func shared() {
    #expect(reading([span(0..<10, 0..<50), span(10..<20, 40..<100)]).shared == 1)
    #expect(reading([span(0..<10, 0..<50), span(10..<20, 50..<100)]).shared == 0)
  }

  @Test("the time without a reader counts after the last event before it, over all partitions")
  func unread() {
    let read = reading(
      [
        span(0..<10, 0..<21), span(10..<20, 25..<100),
        span(0..<10, 0..<62, partition: 1), span(10..<20, 70..<100, partition: 1),
      ], [event(.join, 20), event(.leave, 60)])
    #expect(read.unread[.join]?.meanMs == 2 && read.unread[.leave]?.meanMs == 4)
    #expect(read.longestMs == 8 && read.interruptedPercent == 50)
    #expect(read.unread[.restart] == nil)
  }

  @Test("two gaps after one event are one interruption, as long as both together")
  func twoGaps() {
    let read = reading([span(0..<10, 0..<21), span(10..<20, 25..<30), span(20..<30, 40..<100)], [event(.join, 20)])
    #expect(read.unread[.join]?.meanMs == 14 && read.longestMs == 14 && read.interruptedPercent == 100)
  }

  @Test(
    "a partition that nobody reads at the end is unread until then; what is handed on while the run ends does not count"
  )
  func ending() {
    let open = reading([span(0..<10, 0..<50)], [event(.leave, 40)])
    #expect(open.unread[.leave]?.meanMs == 50)
    let handedOn = reading([span(0..<10, 0..<101), span(10..<10, 104..<105)], [event(.leave, 40)])
    #expect(handedOn.unread[.leave]?.meanMs == 0 && handedOn.interruptedPercent == 0 && handedOn.shared == 0)
  }

  @Test("before the first event a group comes together, which interrupts nobody; another group's events are its own")
  func before() {
    let spans = [span(0..<10, 0..<5), span(10..<20, 8..<100)]
    let read = reading(spans, [event(.join, 20), event(.leave, 3, group: 1)])
    #expect(read.unread[.join]?.meanMs == 0 && read.unread[.leave] == nil)
    let without = reading(spans)
    #expect(without.longestMs == nil && without.interruptedPercent == nil)
  }

  @Test("the slowest copy's rate is from its first connection's beginning to its last record")
  func slowest() {
    let parts = [
      CopyReading(copy: 0, records: 100, firstNs: 1_000_000_000, lastNs: 2_000_000_000),
      CopyReading(copy: 0, records: 100, firstNs: 2_000_000_000, lastNs: 3_000_000_000),
      CopyReading(copy: 0, records: 0, firstNs: .max, lastNs: 0),
      CopyReading(copy: 1, records: 300, firstNs: 1_000_000_000, lastNs: 2_000_000_000),
    ]
    #expect(CopyReading.slowestRecordsPerSecond(parts) == 100)
    let idle = CopyReading(copy: 2, records: 0, firstNs: .max, lastNs: 0)
    #expect(
      CopyReading.slowestRecordsPerSecond(parts + [idle]) == nil && CopyReading.slowestRecordsPerSecond([]) == nil)
  }
}
