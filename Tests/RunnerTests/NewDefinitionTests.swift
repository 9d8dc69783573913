import Base
import Testing

@testable import Experiment
@testable import Mechanisms
@testable import Runner

@Suite("A new definition")
struct NewDefinitionTests {
  private let text = NewDefinition.text(number: 7, name: "group-commit")

  @Test("is accepted as it stands, under every profile, and costs little")
  func accepted() throws {
    let experiment = try Experiment(file: "07-group-commit.yaml", yaml: text, mechanisms: MechanismList.descriptions)
    #expect(experiment.stem == "07-group-commit" && experiment.id == "E7")
    for profile in Profile.allCases {
      let changed = experiment.under(profile)
      var generator = SplitMix(seed: 1)
      let runs = Matrix(changed).order(using: &generator)
      #expect(runs.count >= 15 && Plan(changed, runs: runs).diskBytes < 1e9)
    }
  }

  @Test("explains itself: every section has its comment")
  func commented() {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    for section in ["arms:", "metrics:", "profiles:", "verdicts:", "factors:", "minimum:", "caveats:"] {
      let place = lines.firstIndex { $0.hasPrefix(section) }
      #expect(place.map { lines[$0 - 1].hasPrefix("#") } ?? false, "\(section)")
    }
  }

  @Test(
    "has a name that can be typed and is a file's name",
    arguments: [("group-commit", true), ("e14", true), ("Group", false), ("a--b", false), ("../x", false), ("", false)])
  func names(name: String, isGood: Bool) { #expect(NewDefinition.isName(name) == isGood) }

  @Test(
    "whose names do not fit says line, column and what was meant",
    arguments: [
      ("repeats: small-writes", "repeats: small-write", "small-writes"),
      ("metrics: [seconds, bytes, mib_per_s,", "metrics: [seconds, bytes, mib_per_s, cpu_s_pr_gb,", "cpu_s_per_gb"),
      ("baseline: {arms: [small-writes]}", "baseline: {arms: [smal-writes]}", "small-writes"),
      ("    y: mib_per_s", "    y: mib_per_ss", "mib_per_s"),
    ])
  func located(good: String, bad: String, meant: String) throws {
    let spoilt = text.replacing(good, with: bad, maxReplacements: 1)
    let error = #expect(throws: DefinitionError.self) {
      try Experiment(file: "x.yaml", yaml: spoilt, mechanisms: MechanismList.descriptions)
    }
    let found = try #require(error)
    let lines = spoilt.split(separator: "\n", omittingEmptySubsequences: false)
    let line = try #require(lines.firstIndex { $0.contains(bad) }) + 1
    #expect(found.line == line && found.column > 1 && found.suggestion == meant, "\(found)")
  }
}
