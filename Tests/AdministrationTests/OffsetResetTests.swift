import Model
import Testing

@testable import Administration

/// Two partitions: `a` holds offsets 10 to 100, with 40 committed; `b` holds 0 to 5, with nothing committed.
struct OffsetResetTests {
  private let a = TopicPartition("t", 0)
  private let b = TopicPartition("t", 1)

  private func plan(
    _ target: ResetTarget, byTime: [TopicPartition: Offset] = [:], only: [TopicPartition]? = nil
  ) throws -> OffsetReset.Plan {
    var reset = OffsetReset(
      target, nowMs: 10_000, earliest: [a: 10, b: 0], latest: [a: 100, b: 5], committed: [a: 40])
    reset.byTime = byTime
    return try reset.plan(for: only ?? [a, b])
  }

  @Test("earliest, latest and an offset are of the log, and offsets outside it are moved to its nearer end")
  func ends() throws {
    #expect(try plan(.earliest).offsets == [a: 10, b: 0])
    #expect(try plan(.latest).offsets == [a: 100, b: 5])
    let fixed = try plan(.offset(7))
    #expect(fixed.offsets == [a: 10, b: 5])
    #expect(
      fixed.warnings == [
        "t-0: offset 7 is outside 10 to 100, so 10 is taken", "t-1: offset 7 is outside 0 to 5, so 5 is taken",
      ])
  }

  @Test("a shift begins at the committed offset, however far it goes", arguments: [(5, 45), (-5, 35), (-99, 10)])
  func shift(count: Int64, offset: Int64) throws {
    #expect(try plan(.shiftedBy(count), only: [a]).offsets == [a: Offset(offset)])
    #expect(try plan(.shiftedBy(.max), only: [a]).offsets == [a: 100])
    #expect(try plan(.shiftedBy(.min), only: [a]).offsets == [a: 10])
  }

  @Test("without a committed offset nothing can be shifted")
  func shiftOfNothing() {
    let error = #expect(throws: AdministrationError.self) { try plan(.shiftedBy(1)) }
    #expect(error?.description.contains("t-1 has no committed offset") == true)
  }

  @Test("a time later than every record is the end of the log")
  func time() throws {
    #expect(try plan(.datetime(1), byTime: [a: 70]).offsets == [a: 70, b: 5])
    let reset = { OffsetReset($0, nowMs: 10_000, earliest: [:], latest: [:], committed: [:]).timestampMs }
    #expect(reset(.datetime(77)) == 77)
    #expect(reset(.duration(4_000)) == 6_000)
    #expect(reset(.duration(20_000)) == 0)
    #expect(reset(.latest) == nil)
  }

  @Test("where offsets are, they stay; without one they begin at the end")
  func current() throws { #expect(try plan(.current).offsets == [a: 40, b: 5]) }

  @Test("a partition without a leader ends the command")
  func leaderless() {
    let error = #expect(throws: AdministrationError.self) { try plan(.latest, only: [TopicPartition("t", 9)]) }
    #expect(error?.description.contains("t-9 has no leader") == true)
  }

  @Test("a file has a partition and its offset a line, and says which partitions are meant")
  func file() throws {
    let target = try ResetTarget(csv: "t,0,50\n\"t\", 1,  2\n\n")
    #expect(target == .offsets([a: 50, b: 2]))
    #expect(target.scope == .topics([.init(topic: "t", partitions: [0, 1])]))
    #expect(try plan(target).offsets == [a: 50, b: 2])
    #expect(ResetTarget.latest.scope == nil)
  }

  @Test("a line that is no offset is told by its number", arguments: ["t,0", "t,x,1", "t,0,-1", ",0,1", "t,0,1,2"])
  func badFile(line: String) {
    let error = #expect(throws: AdministrationError.self) { try ResetTarget(csv: "t,1,1\n\(line)") }
    #expect(error?.isOfArguments == true && error?.description.hasPrefix("line 2") == true)
  }

  @Test("a scope is either all topics or named ones, with or without partitions")
  func scope() throws {
    #expect(try OffsetScope(all: true, topics: []) == .all)
    #expect(
      try OffsetScope(all: false, topics: ["t:0,2", "u"])
        == .topics([.init(topic: "t", partitions: [0, 2]), .init(topic: "u")]))
    for (all, names) in [
      (false, []), (true, ["t"]), (false, ["t:"]), (false, ["t:a"]), (false, [":1"]), (false, ["t:-1"]),
    ]
      as [(Bool, [String])]
    {
      #expect(throws: AdministrationError.self) { try OffsetScope(all: all, topics: names) }
    }
  }
}
