import Base
import Model
import Testing

@testable import Load

@Suite("Latency")
struct LatencyTests {
  @Test("a percentile is told only when ten samples lie beyond it")
  func rule() {
    var latency = Latency()
    for ns in UInt64(1)...999 { latency.record(from: 0, to: ns * 1000) }
    #expect(latency.percentile(0.99) == nil)
    latency.record(from: 0, to: 1_000_000)
    #expect(latency.percentile(0.99) != nil)
    #expect(latency.percentile(0.999) == nil)
    #expect(latency.percentile(0.5)! >= 499_000 && latency.percentile(0.5)! <= 501_000)
  }

  @Test("samples of 0 or less are counted, and kept as 0")
  func nonPositive() {
    var latency = Latency()
    latency.record(from: 10, to: 10)
    latency.record(from: 10, to: 3, records: 4)
    latency.record(from: 10, to: 30)
    #expect(latency.nonPositive == 5)
    #expect(latency.count == 6)
    #expect(latency.maxNs == 20)
  }

  @Test("a latency beyond an hour counts as an hour")
  func clamped() {
    var latency = Latency()
    latency.record(from: 0, to: Limits.latencyNsMax + 1)
    #expect(latency.clamped == 1)
    #expect(latency.count == 1)
  }

  @Test(
    "values keep three significant digits", arguments: [1, 999, 123_456, 98_765_432, 3_599_999_999_999] as [UInt64])
  func precision(ns: UInt64) {
    var latency = Latency()
    latency.record(from: 0, to: ns)
    let read = Double(latency.maxNs!)
    #expect(abs(read - Double(ns)) <= Double(ns) * 0.001)
  }

  @Test("the file is lossless: what is read back gives the same buckets")
  func file() throws {
    var latency = Latency()
    var random = SplitMix(seed: 11)
    for _ in 0..<5000 { latency.record(from: 0, to: UInt64(random.below(50_000_000)), records: 1 + random.below(3)) }
    let text = LatencyFile.header + "\n" + LatencyFile.rows("service", latency)
    let read = try #require(LatencyFile.read(text)?["service"])
    #expect(read.count == latency.count)
    #expect(read.buckets.map(\.low) == latency.buckets.map(\.low))
    #expect(read.buckets.map(\.count) == latency.buckets.map(\.count))
    #expect(read.percentile(0.99) == latency.percentile(0.99))
    #expect(LatencyFile.read("nonsense\n1,2,3") == nil)
  }
}

@Suite("Pacer")
struct PacerTests {
  @Test("record i is due at start + i * interval, without drift")
  func times() {
    let pacer = Pacer(startNs: 1000, recordsPerSecond: 3)
    #expect(pacer.intendedNs(0) == 1000)
    #expect(pacer.intendedNs(3) == 1_000_001_000)
    #expect(pacer.intendedNs(3_000_000) == 1_000_000_000_001_000)
  }

  @Test("what is due is what should have been sent by then", arguments: [1.0, 3, 7777, 50_000, 1e6, 3.3e6])
  func due(rate: Double) {
    let pacer = Pacer(startNs: 5_000, recordsPerSecond: rate)
    #expect(pacer.due(at: 4_999) == 0)
    #expect(pacer.due(at: 5_000) == 1)
    for index in [1, 2, 10, 999, 12_345, 10_000_000] {
      let at = pacer.intendedNs(index)
      #expect(pacer.due(at: at) >= index + 1)
      #expect(pacer.due(at: at - 1) <= index)
      #expect(pacer.intendedNs(pacer.due(at: at) - 1) <= at)
    }
  }
}
