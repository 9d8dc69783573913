import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Report
@testable import Results
@testable import Verdict

@Suite("Benchmarking crimes")
struct CrimeTests {
  /// A result without anything to hold against it: every check begins from here.
  static func honest(_ scratch: Scratch) throws -> StoredResult {
    var result = try Synthetic.store("11-zero-copy", .standard, in: scratch.path)
    result.ceiling = Fixture.ceiling
    for index in result.rows.indices { result.rows[index].invalid = "" }
    return result
  }

  private func found(_ result: StoredResult, verdict: Verdict? = nil) -> Set<Crime> {
    var result = result
    if let verdict { result.told = ToldVerdict(verdict, runs: result.finishedRuns) }
    return Set(CrimeLint.findings(result).map(\.crime))
  }

  @Test("an honest result has none of them, and telling it as it is adds none")
  func none() throws {
    let honest = try Self.honest(Scratch())
    #expect(CrimeLint.findings(honest) == [])
    #expect(found(honest, verdict: honest.verdict) == [])
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
    told = honest.verdict
    told.findings[0].effect?.low *= 1.1
    #expect(found(honest, verdict: told) == [.effectNotFromRows], "an interval that is told narrower")
    told = honest.verdict
    told.findings[0].outcome = told.findings[0].outcome == .supported ? .notSupported : .supported
    #expect(found(honest, verdict: told) == [.effectNotFromRows], "an outcome that is told otherwise")
    told = honest.verdict
    told.findings[0].rule = "invented"
    #expect(found(honest, verdict: told) == [.effectNotFromRows])
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
      mixed.rows[index].durability = .syncedBatch
    }
    #expect(found(mixed).contains(.mixedDurability))
    var bound = honest
    for index in bound.experiment.arms.indices { bound.experiment.arms[index].client = .drives }
    for index in bound.rows.indices {
      bound.rows[index].limitation = Limitation(.generator, of: .broker, [.clientCPU: 0.99])
    }
    #expect(found(bound).contains(.throughputAsOverhead))
    var bare = honest
    bare.rows.removeAll { $0.tier == .endToEnd }
    #expect(found(bare).contains(.microbenchmarkOnly))
  }

  @Test("what is told lies in a file: rows or figures edited afterwards no longer agree, and the lint reads both")
  func toldFile() throws {
    let scratch = try Scratch()
    let stored = try Synthetic.store("11-zero-copy", .standard, in: scratch.path)
    let path = "\(stored.path)/verdict.json"
    #expect(stored.told == nil && CrimeLint.unmade(stored).contains { $0.crimes.contains(.effectNotFromRows) })
    let told = ToldVerdict(stored.verdict, runs: stored.finishedRuns)
    #expect(try ToldVerdict(json: told.json()) == told)
    try SmallFile.replace(path, told.json())
    let beside = try StoredResult(reading: stored.path)
    #expect(!found(beside).contains(.effectNotFromRows))
    #expect(!CrimeLint.unmade(beside).contains { $0.crimes.contains(.effectNotFromRows) })
    var edited = told
    edited.findings[0].effect?.value *= 2
    try SmallFile.replace(path, edited.json())
    #expect(found(try StoredResult(reading: stored.path)).contains(.effectNotFromRows))
    // Told in the middle of the campaign: of other rows, so nothing is held against it, and that is said.
    edited.runs -= 1
    try SmallFile.replace(path, edited.json())
    let early = try StoredResult(reading: stored.path)
    #expect(!found(early).contains(.effectNotFromRows))
    #expect(CrimeLint.unmade(early).contains { $0.reason.contains("verdict.json is of \(edited.runs) runs") })
    try SmallFile.replace(path, "{}")
    #expect(throws: StoredResult.Failure.self) { try StoredResult(reading: stored.path) }
  }

  @Test("a table of verdicts that tells something else than the rows give is found, and says where")
  func toldTable() throws {
    let honest = try Self.honest(Scratch())
    let marks = "\(VerdictTable.begin)\n\(VerdictTable.end)\n"
    let table = try VerdictTable([honest]).replaced(in: marks)
    func findings(_ text: String) throws -> [CrimeFinding] {
      try CrimeLint.findings(table: text, named: "README.md", of: [honest])
    }
    #expect(try findings(table) == [])
    #expect(try findings(marks) == [], "no row tells nothing")
    let wrong = try findings(table.replacing("×", with: "0×", maxReplacements: 1))
    #expect(wrong.map(\.crime) == [.effectNotFromRows])
    #expect(wrong.first?.detail.hasPrefix("README.md on E11, original: ") == true, "\(wrong)")
    #expect(throws: VerdictTable.MarksMissing.self) { try findings("no table") }
  }

  @Test("checks from which nothing can come are named with the reason and not counted as passed")
  func unmade() throws {
    let honest = try Self.honest(Scratch())
    let alone = CrimeLint.unmade(honest)
    #expect(
      Set(alone.flatMap(\.crimes))
        == [.noInterval, .effectNotFromRows, .meanOfRatios, .differentMachines, .missingUnits, .rowsChanged])
    #expect(CrimeLint.made(alone) == Crime.allCases.count - 6)
    let page = Disclosure(honest).markdown
    #expect(page.contains("None of the \(Crime.allCases.count - 7) that can be looked for here."))
    for one in alone { #expect(page.contains("Not looked for: \(one.sentence).")) }
    var older = honest
    older.path = honest.path + "-older"
    var told = honest
    told.told = ToldVerdict(honest.verdict, runs: honest.finishedRuns)
    #expect(CrimeLint.unmade(told, beside: [older]).flatMap(\.crimes) == [.rowsChanged, .missingUnits])
    // Another profile is drawn in no line with it.
    older.profile = .quick
    #expect(
      CrimeLint.unmade(told, beside: [older]).flatMap(\.crimes) == [.differentMachines, .rowsChanged, .missingUnits])
    let html = try Report(entries: [Report.Entry(result: honest, charts: [])], writtenAt: "now").html()
    #expect(
      html.contains(
        "\(Crime.allCases.count - 7) of the \(Crime.allCases.count) known crimes of benchmarking can be looked"))
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
    silent.rows[0].limitation = nil
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
    #expect(Disclosure(honest, beside: [other]).crimes.map(\.crime) == [.differentMachines])
    let page = try Report(
      entries: [Report.Entry(result: honest, charts: [], history: [other])], writtenAt: "now"
    ).html()
    #expect(page.contains("\(Crime.differentMachines.rawValue)</summary>") && page.contains("<li><b>E11</b> "))
    other.profile = .quick
    #expect(CrimeLint.findings(across: [other, honest]).isEmpty, "drawn in no line with it")
  }

  @Test("every crime has a reason of its own")
  func complete() {
    #expect(Set(Crime.allCases.map(\.meaning)).count == Crime.allCases.count)
  }

  @Test("the disclosure page follows from the result: what was left out, invalid, or not known is on it")
  func disclosure() throws {
    var result = try Self.honest(Scratch())
    result.skipped = ["splice": "no such call"]
    result.rows[0].invalid = "client-bound: 99 % of a core"
    for index in result.experiment.arms.indices where result.experiment.arms[index].name == "broker-sendfile" {
      result.experiment.arms[index].client = .part
    }
    result.series = (0..<40).map { place in
      SeriesPoint(
        order: 4, arm: "splice", replicate: 1, seconds: Double(place), storedMiB: 0,
        mibPerSecond: place < 20 ? 100 : 40, recordsPerSecond: 0)
    }
    let disclosure = Disclosure(result)
    func statement(_ topic: String) -> String { disclosure.items.first { $0.topic == topic }?.statement ?? "" }
    #expect(statement("Arms left out") == "splice: no such call")
    #expect(statement("Rows that do not count").contains("1 × client-bound"))
    #expect(statement("Steadiness").contains("the rate of 1 runs changed"))
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
