import Foundation
import Testing

@testable import Lab

@Suite("Benchmarking crimes")
struct CrimeTests {
  /// A result without anything to hold against it: every check begins from here.
  static func honest(_ scratch: Scratch) throws -> StoredResult {
    var result = try Synthetic.store("11-zero-copy", .standard, in: scratch.path)
    result.ceiling = CeilingTests.known
    for index in result.rows.indices { result.rows[index].invalid = "" }
    return result
  }

  private func found(_ result: StoredResult, verdict: Verdict? = nil) -> Set<Crime> {
    Set(CrimeLint.findings(result, verdict: verdict).map(\.crime))
  }

  @Test("an honest result has none of them")
  func none() throws {
    #expect(try CrimeLint.findings(Self.honest(Scratch())) == [])
  }

  @Test("each way of selecting is found")
  func selection() throws {
    let honest = try Self.honest(Scratch())
    var skipped = honest
    skipped.skipped = ["splice": "no such call"]
    #expect(found(skipped).contains(.armsLeftOut))
    var subset = honest
    subset.rows.removeAll { $0.arm == "sendfile" && $0.levels["file_mb"] == "7" }
    #expect(found(subset).contains(.levelsLeftOut))
    var invalid = honest
    for index in invalid.rows.indices where index % 3 == 0 { invalid.rows[index].invalid = "did not please" }
    #expect(found(invalid).contains(.runsDiscarded))
    var again = honest
    again.disturbed = 100
    #expect(found(again).contains(.runsDiscarded))
    var costless = honest
    costless.experiment.metrics = ["mb_per_s"]
    costless.experiment.verdicts.removeAll { $0.metric != "mb_per_s" }
    costless.experiment.charts.removeAll { $0.y != "mb_per_s" }
    #expect(found(costless).contains(.degradationUnmeasured))
  }

  @Test("each way of mishandling results is found")
  func handling() throws {
    let honest = try Self.honest(Scratch())
    var alone = honest.verdict
    alone.findings[0].effect?.count = 1
    #expect(found(honest, verdict: alone).contains(.noInterval))
    var noAgain = honest
    noAgain.rows.removeAll { $0.role == .again }
    #expect(found(noAgain).contains(.noNoiseFloor))
    var told = honest.verdict
    told.findings[0].effect?.value *= 1.1
    #expect(found(honest, verdict: told).contains(.effectNotFromRows))
    var few = honest
    few.rows[0].metrics["response_p99_ms"] = 3
    few.rows[0].metrics["records"] = 400
    #expect(found(few).contains(.percentileOfTooFew))
    var unsettled = honest
    unsettled.rows[0].steadiness = .unsettled
    #expect(found(unsettled) == [.unsettledRows])
    var cold = honest
    cold.rows[0].cacheState = .lukewarm
    #expect(found(cold).contains(.unprovedCache))
    var mixed = honest
    for index in mixed.rows.indices where mixed.rows[index].arm == "broker-copy-4k" {
      mixed.rows[index].durability = "fsync before acknowledgement"
    }
    #expect(found(mixed).contains(.mixedDurability))
    var bound = honest
    for index in bound.experiment.arms.indices { bound.experiment.arms[index].client = .drives }
    for index in bound.rows.indices { bound.rows[index].limiter = "the load generator: 99 % of a core" }
    #expect(found(bound).contains(.throughputAsOverhead))
    var bare = honest
    bare.rows.removeAll { $0.tier == .endToEnd }
    #expect(found(bare).contains(.microbenchmarkOnly))
  }

  @Test("the arithmetic mean of ratios is told apart from another wrong number")
  func meanOfRatios() throws {
    let rule = Fixture.rule("faster", .ratio, metric: "mb_per_s", test: ["new"], baseline: ["old"], threshold: 1.5)
    var result = try Self.honest(Scratch())
    result.experiment = Fixture.pair([rule])
    result.rows =
      Fixture.rows("new", "mb_per_s", [200, 210, 220, 400, 190])
      + Fixture.rows("old", "mb_per_s", [100, 90, 80, 110, 99])
      + Fixture.rows("old-again", "mb_per_s", [100, 90, 80, 110, 99], role: .again)
    var told = result.verdict
    let ratios = zip([200.0, 210, 220, 400, 190], [100.0, 90, 80, 110, 99]).map { $0 / $1 }
    told.findings[0].effect?.value = ratios.reduce(0, +) / 5
    let crimes = found(result, verdict: told)
    #expect(crimes.contains(.meanOfRatios) && !crimes.contains(.effectNotFromRows))
    told.findings[0].effect?.value = 3
    #expect(found(result, verdict: told).contains(.effectNotFromRows))
  }

  @Test("a missing baseline, original, machine, unit, limiter, ceiling or end is found")
  func missing() throws {
    let honest = try Self.honest(Scratch())
    var baseline = honest
    baseline.rows.removeAll { $0.arm == "read-write-4k" }
    #expect(found(baseline).contains(.missingBaseline))
    var original = honest
    original.experiment.originals = []
    #expect(found(original) == [.onlyAgainstItself])
    var platform = honest
    platform.machine.processor.model = nil
    #expect(found(platform) == [.missingPlatform])
    var unit = honest
    unit.experiment.metrics.append("speed")
    #expect(found(unit).contains(.missingUnits))
    var relative = honest
    relative.experiment.metrics = ["compression_ratio"]
    for index in relative.experiment.verdicts.indices {
      relative.experiment.verdicts[index].metric = "compression_ratio"
    }
    #expect(found(relative).contains(.relativeOnly))
    var silent = honest
    silent.rows[0].limiter = ""
    #expect(found(silent) == [.noLimiter])
    var ceiling = honest
    ceiling.ceiling = nil
    #expect(found(ceiling) == [.noCeiling])
    var unfinished = honest
    unfinished.isComplete = false
    #expect(found(unfinished).contains(.unfinished))
  }

  @Test("results of different machines are not to be held against each other")
  func machines() throws {
    let honest = try Self.honest(Scratch())
    var other = honest
    #expect(CrimeLint.findings(across: [honest, other]).isEmpty)
    other.machine.processor.cores = 64
    #expect(CrimeLint.findings(across: [other, honest]).map(\.crime) == [.differentMachines])
  }

  @Test("every crime on the list can be found, and none is there twice")
  func complete() {
    #expect(Set(Crime.allCases.map(\.meaning)).count == Crime.allCases.count)
  }

  @Test("the disclosure page follows from the result: what was left out, invalid, or not known is on it")
  func disclosure() throws {
    var result = try Self.honest(Scratch())
    result.skipped = ["splice": "no such call"]
    result.rows[0].invalid = "client-bound: 99 % of a core"
    result.rows[1].warnings = "the rate changed from 1 to 2 MiB/s after 1 s (p = 0.01)"
    let disclosure = Disclosure(result)
    func statement(_ topic: String) -> String { disclosure.items.first { $0.topic == topic }?.statement ?? "" }
    #expect(statement("Arms left out") == "splice: no such call")
    #expect(statement("Rows that do not count").contains("1 × client-bound"))
    #expect(statement("Steadiness").contains("the rate of 1 changed"))
    #expect(statement("Load generator").contains("broker-sendfile"))
    #expect(statement("Ceilings, just before").contains("loopback_mb_per_s 6000"))
    #expect(statement("Self-validation of the harness") == "not run")
    #expect(statement("Rule").contains(String(result.definitionHash.prefix(16))))
    #expect(disclosure.crimes.contains { $0.crime == .armsLeftOut })
    let page = disclosure.markdown
    for text in ["splice: no such call", "## Benchmarking crimes", result.experiment.caveats[0]] {
      #expect(page.contains(text), "\(text)")
    }
  }
}
