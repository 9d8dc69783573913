import Base
import Foundation
import Testing

@Suite("A time as text")
struct UTCTimeTests {
  @Test("is Foundation's, from the year 1 to 9999")
  func days() {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    var random = SplitMix(seed: 5)
    for _ in 0..<2000 {
      // Foundation's calendar is the Julian one before October 1582.
      let ms = Int64(random.below(265_000_000_000_000)) - 12_000_000_000_000
      let date = Date(timeIntervalSince1970: Double(ms) / 1000)
      #expect(UTCTime.text(ofMs: ms).prefix(19) == formatter.string(from: date).prefix(19), "\(ms)")
    }
    #expect(UTCTime.text(ofMs: 0) == "1970-01-01T00:00:00.000Z")
    #expect(UTCTime.text(ofMs: 951_782_400_123) == "2000-02-29T00:00:00.123Z")
    #expect(UTCTime.text(ofMs: -1) == "1969-12-31T23:59:59.999Z")
  }
}
