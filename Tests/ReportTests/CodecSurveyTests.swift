import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Report
@testable import Results
@testable import Runner
@testable import Verdict

@Suite("Codec survey")
struct CodecSurveyTests {
  private typealias Case = CodecSurvey.Case

  private func sample(_ ratio: Double, _ compress: Double, _ decompress: Double) -> CodecSurvey.Sample {
    CodecSurvey.Sample(
      payloadBytes: 1_000_000, storedBytes: Int(1_000_000 / ratio), compressMBPerSecond: compress,
      decompressMBPerSecond: decompress, compressCPUSecondsPerGB: 1000 / compress,
      decompressCPUSecondsPerGB: 1000 / decompress)
  }

  /// Five codecs of which `gzip` is beaten in both directions by `zstd`, and `snappy` in one by `lz4`.
  private func survey(corpora: [String] = ["json"], batches: [Int] = [1, 100]) -> CodecSurvey {
    let figures: [(String, Int?, Double, Double, Double)] = [
      ("none", nil, 1, 9000, 9000), ("gzip", 6, 4.5, 60, 400), ("snappy", nil, 2.5, 650, 1100),
      ("lz4", 9, 2.6, 640, 2700), ("zstd", 3, 5, 280, 1050),
    ]
    var cases: [Case] = []
    var samples: [Case: [CodecSurvey.Sample]] = [:]
    for corpus in corpora {
      for batch in batches {
        for (codec, level, ratio, compress, decompress) in figures {
          let one = Case(corpus: corpus, batchRecords: batch, codec: codec, level: level)
          let saved = batch == 1 ? 1 + (ratio - 1) / 4 : ratio
          cases.append(one)
          samples[one] = [0.98, 1, 1.02, 0.99, 1.01].map { sample(saved, compress * $0, decompress * $0) }
        }
      }
    }
    return CodecSurvey(cases: cases, samples: samples, seed: 1)
  }

  @Test("the front holds what nothing beats, slowest first, and doing nothing is on it")
  func fronts() {
    let survey = survey()
    func names(_ direction: CodecSurvey.Direction) -> [String] {
      survey.front("json", 100, direction).map(\.subject.name)
    }
    #expect(names(.compress) == ["zstd:3", "lz4:9", "snappy", "none"])
    #expect(names(.decompress) == ["zstd:3", "lz4:9", "none"])
    let gzip = survey.lines("json", 100).first { $0.subject.codec == "gzip" }
    #expect(gzip?.fronts == [])
    let snappy = survey.lines("json", 100).first { $0.subject.codec == "snappy" }
    #expect(snappy?.fronts == [.compress])
  }

  @Test("two cases alike in both are both on the front")
  func ties() {
    let cases = ["lz4", "zstd"].map { Case(corpus: "c", batchRecords: 1, codec: $0, level: nil) }
    let survey = CodecSurvey(
      cases: cases, samples: [cases[0]: [sample(2, 100, 100)], cases[1]: [sample(2, 100, 100)]], seed: 1)
    #expect(survey.front("c", 1, .compress).count == 2)
  }

  @Test("figures are medians with intervals over the repetitions, and a case without any is left out")
  func medians() throws {
    let cases = ["gzip", "zstd"].map { Case(corpus: "c", batchRecords: 10, codec: $0, level: 1) }
    let survey = CodecSurvey(
      cases: cases, samples: [cases[0]: [90, 100, 300, 110, 95].map { sample(4, $0, $0) }], seed: 1)
    let line = try #require(survey.lines.first)
    #expect(survey.lines.count == 1 && line.compress.value == 100 && line.compress.count == 5)
    #expect(line.compress.low < 100 && line.compress.high > 100)
  }

  @Test("what batching wins is the ratio by the largest batch over the ratio alone")
  func gain() throws {
    let gain = try #require(survey().batchGain("json", "zstd"))
    #expect(gain.name == "zstd:3" && gain.batch == 100 && abs(gain.gain - 2.5) < 0.01)
    #expect(survey(batches: [1]).batchGain("json", "zstd") == nil)
  }

  @Test("the CSV has a line a case and a column a heading, and the fronts' corners stand in order of speed")
  func csv() throws {
    let survey = survey()
    let table = try CSV.table(reading: survey.csv, file: "codecs.csv")
    #expect(table.columns == CodecSurvey.columns && table.records.count == 10)
    let fronts = try CSV.table(reading: survey.frontsCSV, file: "fronts.csv")
    let speeds = fronts.records.filter { $0.cells[1] == "100" && $0.cells[2] == "compress" }.compactMap {
      Double($0.cells[5])
    }
    #expect(speeds.count == 4 && speeds == speeds.sorted())
  }

  @Test("files of one name in two directories get charts of their own, and odd names are made plain")
  func stems() {
    let survey = survey(corpora: ["a/events.json", "b/events.json", "access-log"])
    #expect(survey.corpora.map(survey.stem) == ["codecs-events-json", "codecs-events-json-2", "codecs-access-log"])
  }

  @Test("gnuplot draws the survey from its CSVs alone, with hover values and without a script")
  func draws() throws {
    guard Tool.path(of: "gnuplot") != nil else { return }
    let scratch = try ScratchDirectory("codecs")
    let survey = survey(corpora: ["logs/odd name.json"], batches: [1, 10, 100, 1000])
    for stem in try survey.write(into: scratch.path, runs: []) {
      try CodecSurvey.draw(stem, in: scratch.path)
      let svg = try #require(SmallFile.read("\(scratch.path)/\(stem).svg"))
      #expect(svg.contains("zstd:3: ratio 5") && !svg.contains("onmousemove"))
      #expect(scratch.exists("\(stem)-narrow.svg") && scratch.exists("\(stem).png"))
    }
  }

  @Test("the advice is the smallest, the one with least CPU that saves, and the smallest within the budget")
  func advice() throws {
    let survey = survey()
    let advice = try #require(survey.advice("json", budget: 2))
    #expect(advice.batch == 100 && advice.smallest.subject.name == "zstd:3")
    #expect(advice.fastest?.subject.name == "snappy" && advice.withinBudget?.subject.name == "lz4:9")
    #expect(survey.advice("json", budget: 100)?.withinBudget?.subject.name == "zstd:3")
    let none = try #require(survey.advice("json", budget: 0.001))
    #expect(none.withinBudget == nil && none.text.last?.contains("--cpu-budget") == true)
    #expect(advice.text.count == 3 && advice.text[2].hasPrefix("best within 2 CPU-s a GB: lz4 (default, fast): 2.6"))
    let cases = ["none", "gzip"].map { Case(corpus: "random", batchRecords: 10, codec: $0, level: nil) }
    let nothing = CodecSurvey(
      cases: cases, samples: [cases[0]: [sample(1, 9000, 9000)], cases[1]: [sample(0.99, 60, 400)]], seed: 1)
    #expect(nothing.advice("random", budget: 4)?.fastest == nil)
    #expect(nothing.advice("random", budget: 4)?.text.last?.contains("nothing saves") == true)
    #expect(CodecSurvey(cases: [], samples: [:], seed: 1).advice("json", budget: 1) == nil)
  }

  @Test("lz4's default level is named for what it is")
  func labels() {
    #expect(Case(corpus: "c", batchRecords: 1, codec: "lz4", level: 9).label == "lz4 (default, fast)")
    #expect(Case(corpus: "c", batchRecords: 1, codec: "lz4", level: 12).label == "lz4:12")
    #expect(Case(corpus: "c", batchRecords: 1, codec: "zstd", level: 9).label == "zstd:9")
  }

  @Test("labels do not overprint each other or a point, and one without a place is left out")
  func places() {
    let places = LabelPlaces(width: 200, height: 100, x: 1...100, y: 1...10)
    let apart = places.labels([("1", 2, 2), ("9", 50, 8)])
    #expect(apart.map(\.side) == ["left", "left"] && apart.map(\.point) == [0, 1])
    let near = places.labels((0..<4).map { (text: "\($0)", x: 10 + Double($0) * 0.1, y: 3) })
    #expect(Set(near.map { "\($0.x) \($0.y)" }).count == near.count && near.count >= 2)
    for one in near { for other in near where one.point < other.point { #expect(distance(one, other) >= 6) } }
    let crowd = places.labels((0..<40).map { _ in (text: "12", x: 10, y: 3) })
    #expect(crowd.count < 13, "there are so many places around a point")
    let edge = places.labels([("19", 99.9, 9.99)])
    #expect(edge.first?.side != "left", "nothing is written beyond the panel")
    #expect(places.labels([("", 2, 2)]).isEmpty)
  }

  /// In pixels of the panel of `places`, the larger of the two directions.
  private func distance(_ a: LabelPlaces.Label, _ b: LabelPlaces.Label) -> Double {
    max(200 * abs(log10(a.x / b.x)) / 2, 100 * abs(log10(a.y / b.y)))
  }
}
