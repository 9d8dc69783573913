import Testing

@testable import Load

@Suite("The share of a thread")
struct ThreadStopwatchTests {
  @Test("is CPU time over the time of the same stretch, at most 1")
  func share() {
    var stopwatch = ThreadStopwatch()
    stopwatch.look(progress: 1, atNs: 2_000_000_000, cpuNs: 500_000_000)
    #expect(stopwatch.share == 0.25)
    stopwatch.look(progress: 2, atNs: 4_000_000_000, cpuNs: 4_000_000_100)
    #expect(stopwatch.share == 1)
  }

  @Test("does not sink while nothing comes any more")
  func quiet() {
    var stopwatch = ThreadStopwatch()
    stopwatch.look(progress: 9, atNs: 1_000_000_000, cpuNs: 900_000_000)
    stopwatch.look(progress: 9, atNs: 11_000_000_000, cpuNs: 900_000_000)
    #expect(stopwatch.share == 0.9)
  }

  @Test("is not told of a run that is too short")
  func short() {
    var stopwatch = ThreadStopwatch()
    #expect(stopwatch.share == nil)
    stopwatch.look(progress: 1, atNs: 99_000_000, cpuNs: 90_000_000)
    #expect(stopwatch.share == nil)
  }
}
