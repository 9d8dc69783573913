import Testing

@testable import Runner

@Suite("The schedule of faults")
struct FaultScheduleTests {
  private func steps(_ count: Int, seed: UInt64) -> [FaultSchedule.Step] {
    var schedule = FaultSchedule(seed: seed, timeoutMs: 3000)
    return (0..<count).map { _ in schedule.next() }
  }

  @Test("follows from the seed")
  func seeded() {
    #expect(steps(50, seed: 7) == steps(50, seed: 7))
    #expect(steps(50, seed: 7) != steps(50, seed: 8))
  }

  @Test("has kills, kills of starts, short pauses, and pauses beyond the timeout, with quiet times between")
  func kinds() {
    var counts = (kills: 0, again: 0, short: 0, long: 0)
    for step in steps(1000, seed: 1) {
      #expect((2_000..<11_000).contains(step.quietMs))
      switch step.fault {
      case .kill(let downMs, let againMs):
        counts.kills += 1
        #expect((0..<3_000).contains(downMs))
        if let againMs {
          counts.again += 1
          #expect((0..<300).contains(againMs))
        }
      case .pause(let ms):
        #expect((1...6_000).contains(ms))
        if ms > 3_000 { counts.long += 1 } else { counts.short += 1 }
      }
    }
    // Of 1000 with even chances: 500 kills, 125 of them twice, 250 pauses of each kind; four standard deviations beside that.
    #expect((437...563).contains(counts.kills))
    #expect((83...167).contains(counts.again))
    #expect((195...305).contains(counts.short) && (195...305).contains(counts.long))
  }

  @Test("says what is done to the broker")
  func words() {
    #expect(FaultSchedule.Fault.pause(ms: 4200).description == "stopped for 4200 ms")
    #expect(FaultSchedule.Fault.kill(downMs: 5, againMs: nil).description == "killed, and started again after 5 ms")
    #expect(
      FaultSchedule.Fault.kill(downMs: 5, againMs: 9).description
        == "killed, started again after 5 ms, killed in its start after 9 ms, and started again")
  }
}
