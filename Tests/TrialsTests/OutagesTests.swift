import Testing

@testable import Trials

@Suite("What a prober sees")
struct OutagesTests {
  @Test("An outage is the longest time between two acknowledgements, and ends with the second")
  func longest() {
    var outages = Outages(count: 2)
    outages.acknowledged(0, by: 1, atMs: 100)
    outages.acknowledged(1, by: 1, atMs: 100)
    outages.begin()
    outages.acknowledged(0, by: 1, atMs: 110)
    outages.lost(0, leader: 1)
    outages.acknowledged(0, by: 2, atMs: 360)
    outages.acknowledged(0, by: 2, atMs: 370)
    #expect(outages.partitions[0].longestMs == 250)
    #expect(outages.partitions[0].longestEndMs == 360)
    #expect(outages.partitions[0].leader == 2)
    #expect(!outages.haveMoved(from: 1), "partition 1 has no acknowledgement yet")
    outages.acknowledged(1, by: 3, atMs: 400)
    #expect(outages.haveMoved(from: 1))
    #expect(outages.partitions[1].longestMs == 300, "counted from before the beginning")
  }

  @Test("A refusal by a broker that was not the leader says nothing of the leader")
  func refusals() {
    var outages = Outages(count: 1)
    outages.acknowledged(0, by: 2, atMs: 1)
    outages.lost(0, leader: 3)
    #expect(outages.partitions[0].leader == 2)
    outages.lost(0, leader: 2)
    #expect(outages.partitions[0].leader == nil)
  }
}

@Suite("In-sync replicas over time")
struct ISRSeriesTests {
  private func series(_ looks: [(Double, [Int])]) -> ISRSeries {
    var series = ISRSeries()
    for look in looks { series.add(atMs: look.0, sizes: look.1) }
    return series
  }

  @Test("Shrinking counts from the stop, growing from the end of the stop, and both are of all partitions")
  func shrinksAndGrows() {
    let watched = series([
      (0, [3, 3]), (1_200, [2, 3]), (1_300, [2, 2]), (3_000, [2, 2]), (3_100, [3, 2]), (3_150, [3, 3]),
    ])
    let figures = watched.figures(slowMs: 3_000, replicas: 3, at: [0, 1_250, 5_000])
    #expect(figures["isr_shrink_ms"] as? Double == 1_300)
    #expect(figures["isr_grow_ms"] as? Double == 150)
    #expect(figures["isr_least"] as? Int == 2)
    #expect(figures["isr_shrinks"] as? Int == 1)
    let at = figures["at"] as? [String: [String: Double]]
    #expect(at?["0"]?["isr_replicas"] == 3)
    #expect(at?["1250"]?["isr_replicas"] == 2.5)
    #expect(at?["5000"]?["isr_replicas"] == 3)
  }

  @Test("An ISR that stays whole has neither shrunk nor grown")
  func stays() {
    let figures = series([(0, [3]), (500, [3])]).figures(slowMs: 400, replicas: 3, at: [])
    #expect(figures["isr_shrinks"] as? Int == 0)
    #expect(figures["isr_shrink_ms"] == nil && figures["isr_grow_ms"] == nil && figures["at"] == nil)
  }
}

@Suite("Acknowledged records")
struct LedgerTests {
  @Test("A record is lost that was acknowledged and is not found; what was not acknowledged cannot be lost")
  func lost() {
    var ledger = Writer.Ledger()
    ledger.acknowledged = [0, 20]
    // The batch 10...19 was never acknowledged.
    #expect(Writer.lost([ledger], records: 10, found: [Set(0..<30)]) == 0)
    #expect(Writer.lost([ledger], records: 10, found: [Set(0..<10)]) == 10)
    #expect(Writer.lost([ledger], records: 10, found: [Set(20..<29)]) == 11)
  }
}
