import Testing

@testable import Load

@Suite("The machine's ticks")
struct MachineTicksTests {
  @Test("are those of the first line: idle and waiting for the disk is not busy, guests are counted once")
  func line() throws {
    let before = try #require(MachineTicks(line: "cpu  100 0 50 800 50 0 0 0 30 0"))
    #expect(before == MachineTicks(line: "cpu 100 0 50 800 50"))
    let after = try #require(MachineTicks(line: "cpu  160 5 75 805 55 0 3 2 90 0"))
    // 105 ticks more, 10 of them idle.
    #expect(try #require(after.busyShare(since: before)) == 1 - 10.0 / 105)
    #expect(after.busyShare(since: after) == nil, "no time has passed")
    #expect(before.busyShare(since: after) == nil, "it has gone back")
  }

  @Test("of a line that is none are nil, and no number in it ends the program")
  func strange() {
    for line in ["", "cpu", "cpu 1 2 3", "cpu0 1 2 3 4", "cpu a b c d", "intr 1 2 3 4 5"] {
      #expect(MachineTicks(line: line) == nil, "\(line)")
    }
    let most = MachineTicks(line: "cpu \(Int.max) \(Int.max) \(Int.max) \(Int.max) \(Int.max)")
    #expect(most.map { $0.busyShare(since: MachineTicks(line: "cpu 1 1 1 1")!) } != nil)
  }

  @Test("are there on this machine")
  func here() { #expect(MachineTicks.now().map { $0.total > 0 && $0.idle <= $0.total } == true) }
}
