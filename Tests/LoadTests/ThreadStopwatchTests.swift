import Testing

@testable import Load

@Suite("The share of a thread")
struct ThreadStopwatchTests {
  @Test("is CPU time over the time of the same stretch, at most 1")
  func share() {
    var stopwatch = ThreadStopwatch()
    stopwatch.look(lastNs: 1_999_000_000, atNs: 2_000_000_000, cpuNs: 500_000_000)
    #expect(stopwatch.share == 0.25)
    stopwatch.look(lastNs: 3_999_000_000, atNs: 4_000_000_000, cpuNs: 4_000_000_100)
    #expect(stopwatch.share == 1)
  }

  @Test("does not sink while nothing comes any more")
  func quiet() {
    var stopwatch = ThreadStopwatch()
    stopwatch.look(lastNs: 999_000_000, atNs: 1_000_000_000, cpuNs: 900_000_000)
    stopwatch.look(lastNs: 999_000_000, atNs: 11_000_000_000, cpuNs: 900_000_000)
    #expect(stopwatch.share == 0.9)
  }

  @Test("is not told of a run that is too short, however late its end is noticed")
  func short() {
    var stopwatch = ThreadStopwatch()
    #expect(stopwatch.share == nil)
    stopwatch.look(lastNs: 99_000_000, atNs: 300_000_000, cpuNs: 90_000_000)
    #expect(stopwatch.share == nil)
  }
}
