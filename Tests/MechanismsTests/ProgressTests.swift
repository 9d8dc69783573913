import Testing

@testable import Mechanisms

@Suite("Progress")
struct ProgressTests {
  @Test("what is moved between two looks is in the later one, and nothing of an earlier watch")
  func looks() throws {
    let progress = Progress()
    for bytes in [1000, 10] {
      let watch = try progress.watch()
      progress.add(bytes)
      // Until it has been seen: however slow the machine, the looks go on.
      while progress.moments.last?.bytes != bytes { sleepUntil(nanoseconds: nowNanoseconds() + 1_000_000) }
      watch.end()
      let moments = progress.moments
      #expect(moments.allSatisfy { $0.bytes <= bytes && $0.seconds > 0 })
      #expect(zip(moments, moments.dropFirst()).allSatisfy { $0.seconds < $1.seconds })
    }
  }

  @Test("many moments become twenty, evenly spread, the last among them")
  func thinned() {
    let progress = Progress()
    progress.replace((1...1000).map { Progress.Moment(seconds: Double($0), bytes: $0) })
    #expect(progress.moments.map(\.bytes) == (1...20).map { $0 * 50 })
    progress.replace((1...21).map { Progress.Moment(seconds: Double($0), bytes: $0) })
    #expect(progress.moments.count == 20 && progress.moments.last?.bytes == 21)
    progress.replace([])
    #expect(progress.moments.isEmpty)
  }
}
