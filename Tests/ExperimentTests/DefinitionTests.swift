import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results

@Suite("Definitions")
struct DefinitionTests {

  @Test("a definition reads back what it says")
  func reads() throws {
    let sample = try Sample.experiment()
    #expect(sample.stem == "99-sample")
    #expect(sample.factors.map(\.name) == ["size", "colour"])
    #expect(sample.arms[1].options.last == Setting(name: "colour", value: "{colour}"))
    #expect(sample.arms[2].repeats == "new")
    #expect(sample.verdicts[0].threshold == 1.5)
    #expect(sample.originals[0].value == 2)
  }

  @Test("every committed definition is accepted, under every profile")
  func committed() throws {
    let experiments = try DefinitionFiles(directory: Synthetic.directory).all()
    #expect(experiments.map(\.experiment.id).contains("E6"))
    let all = try experiments + DefinitionFiles(directory: "\(Synthetic.root)/benchmarks").all()
    for (path, experiment) in all {
      for profile in Profile.allCases {
        let under = experiment.under(profile)
        #expect(!Matrix(under).cells.isEmpty, "\(path) has no cells under \(profile)")
        #expect(!under.verdicts.isEmpty, "\(path) judges nothing under \(profile)")
        // A run over time is held against itself.
        #expect(
          under.sweepsTime || under.arms.contains { $0.role == .again }, "\(path) has no A/A arm under \(profile)")
      }
    }
  }

  @Test(
    "an unknown key is an error with its line and the key that was meant",
    arguments: [
      ("hypothesis: it is", "hypotesis: it is", "hypothesis", 11),
      ("    role: baseline", "    rule: baseline", "role", 23),
      ("    threshold: 1.5", "    treshold: 1.5", "threshold", 46),
      ("quick: {replicates", "quik: {replicates", "quick", 36),
    ])
  func unknownKey(good: String, bad: String, meant: String, line: Int) throws {
    let error = #expect(throws: DefinitionError.self) {
      try Sample.experiment { $0.replacingOccurrences(of: good, with: bad) }
    }
    let found = try #require(error)
    #expect(found.file == "sample.yaml")
    #expect(found.suggestion == meant, "\(found)")
    #expect(found.line == line, "\(found)")
  }

  @Test(
    "a level that no run has is an error with its line and the level that was meant",
    arguments: [
      ("test: {arms: [new]}", "test: {arms: [new], levels: {colour: rad}}", "red"),
      ("baseline: {arms: [old]}", "baseline: {arms: [old], levels: {size: 11}}", "1"),
      ("per: [size, colour]", "per: [size, colour]\n    only: {colour: [blu]}", "blue"),
      ("only: {size: [1]}", "only: {colour: [gren]}", "green"),
      ("series: [arm],", "series: [arm], only: {colour: [bleu]},", "blue"),
    ])
  func unknownLevel(good: String, bad: String, meant: String) throws {
    let error = #expect(throws: DefinitionError.self, "\(bad)") {
      try Sample.experiment { $0.replacingOccurrences(of: good, with: bad) }
    }
    let found = try #require(error)
    #expect(found.message.contains("is no level of the factor"), "\(found)")
    #expect(found.suggestion == meant && found.line > 0, "\(found)")
  }

  @Test(
    "a flag is true or false and nothing else", arguments: ["yes", "True", "on", "maybe", "1", "\"\""],
    [
      ("    role: baseline", "    role: baseline\n    memory_mib: 64\n    memory_full: "),
      ("    role: baseline", "    role: baseline\n    restart: "),
      ("    threshold: 1.5", "    threshold: 1.5\n    decides: "),
      ("    threshold: 1.5", "    threshold: 1.5\n    across_durability: "),
      ("replicates: 3", "replicates: 3\nminimum:\n  memory_cgroup: "),
      (
        "  - {title: A chart,",
        "  - title: B\n    x: size\n    y: mb_per_s\n    x_title: x\n    y_title: y\n    log_x: "
      ),
    ])
  func flags(value: String, place: (good: String, key: String)) throws {
    let error = #expect(throws: DefinitionError.self, "\(place.key)\(value)") {
      try Sample.experiment {
        let tail = place.key.hasSuffix("log_x: ") ? "\n  - {title: A chart," : ""
        return $0.replacingOccurrences(of: place.good, with: place.key + value + tail)
      }
    }
    #expect(try #require(error).message == "`true` or `false` is needed", "\(place.key)\(value)")
  }

  @Test("a definition runs with all others, unless it says that it does not")
  func inAll() throws {
    #expect(try Sample.experiment().isInAll)
    #expect(try !Sample.experiment { $0 + "in_all: false\n" }.isInAll)
    let named = try Sample.experiment {
      $0.replacingOccurrences(of: "factors: {size: [1]}", with: "factors: {size: [1]}, in_all: false")
    }
    #expect(!named.under(.quick).isInAll && named.under(.standard).isInAll && named.isInAll)
  }

  @Test(
    "what needs another key says which",
    arguments: [("data_write_bytes: 100", "data_mb"), ("memory_full: true", "memory_mib")])
  func needs(given: String, needed: String) throws {
    let error = #expect(throws: DefinitionError.self) {
      try Sample.experiment {
        $0.replacingOccurrences(of: "    role: baseline", with: "    role: baseline\n    \(given)")
      }
    }
    #expect("\(try #require(error))".contains("there is no `\(needed)`"))
  }

  @Test("a key given twice is an error naming its second line")
  func duplicateKey() throws {
    let error = #expect(throws: DefinitionError.self) {
      try Sample.experiment { $0.replacingOccurrences(of: "source: a page", with: "source: a page\nname: other") }
    }
    let found = try #require(error)
    #expect(found.key == "name")
    #expect(found.line == 9, "\(found)")
    #expect(found.message.contains("twice"))
  }

  @Test(
    "a name that nothing defines is an error with the nearest name",
    arguments: [
      ("metric: mb_per_s", "metric: mb_pr_s", "mb_per_s"),
      ("{arms: [old]}", "{arms: [odl]}", "old"),
      ("only: {size: [1]}", "only: {sise: [1]}", "size"),
      ("\"{colour}\"", "\"{color}\"", "colour"),
      ("repeats: new", "repeats: nwe", "new"),
      ("kind: ratio", "kind: ration", "ratio"),
      ("[mb_per_s, cpu_s_per_gb]", "[mb_per_s, cpu_s_per_bg]", "cpu_s_per_gb"),
      ("program: mechanism copy-path\n    only", "program: mechanism copy-pth\n    only", "mechanism copy-path"),
    ])
  func unknownName(good: String, bad: String, meant: String) throws {
    let error = #expect(throws: DefinitionError.self) {
      try Sample.experiment { text in
        #expect(text.contains(good))
        return text.replacingOccurrences(of: good, with: bad)
      }
    }
    #expect(error?.suggestion == meant, "\(error.map(\.description) ?? "accepted")")
  }

  @Test("text that is not YAML is an error with its line")
  func notYAML() {
    let error = #expect(throws: DefinitionError.self) {
      try Sample.experiment { $0.replacingOccurrences(of: "claims: [S1]", with: "claims: [S1") }
    }
    #expect((error?.line ?? 0) >= 5)
  }

  @Test("a ratio without a threshold, an A/A arm without its arm, a level nobody has: refused")
  func contradictions() {
    for (good, bad) in [
      ("    threshold: 1.5\n", ""), ("    repeats: new\n", ""), ("only: {size: [1]}", "only: {size: [7]}"),
      ("replicates: 3", "replicates: many"), ("size: [1, 2]", "size: [1, 1]"),
      ("metrics: [mb_per_s, cpu_s_per_gb]", ""),
    ] {
      #expect(throws: DefinitionError.self, "\(good) -> \(bad)") {
        try Sample.experiment { $0.replacingOccurrences(of: good, with: bad) }
      }
    }
  }

  @Test("a rule that compares different durability must say that it means to")
  func durability() throws {
    let mixed = { (text: String) in
      text.replacingOccurrences(of: "    role: test\n", with: "    role: test\n    durability: page cache\n")
        .replacingOccurrences(
          of: "    role: baseline\n", with: "    role: baseline\n    durability: fsync each batch\n")
    }
    let error = #expect(throws: DefinitionError.self) { try Sample.experiment(mixed) }
    #expect(error?.message.contains("`page cache` and `fsync each batch`") == true, "\(String(describing: error))")
    let meant = try Sample.experiment {
      mixed($0).replacingOccurrences(of: "threshold: 1.5", with: "threshold: 1.5\n    across_durability: true")
    }
    #expect(meant.verdicts[0].acrossDurability)
  }

  @Test("a stall needs a broker, and the client is one of two things")
  func armKeys() throws {
    for broken in ["    stall_ms: 100\n", "    client: whole\n"] {
      #expect(throws: DefinitionError.self, "\(broken)") {
        try Sample.experiment {
          $0.replacingOccurrences(of: "    role: baseline\n", with: "    role: baseline\n\(broken)")
        }
      }
    }
    let part = try Sample.experiment {
      $0.replacingOccurrences(of: "    role: baseline\n", with: "    role: baseline\n    client: part\n")
    }
    #expect(part.arms.map(\.client) == [.drives, .part, .drives])
  }

  @Test("a rule says of each factor at which level it compares, or that each level is a comparison")
  func pooledLevels() throws {
    let per = "    per: [size, colour]\n"
    let error = #expect(throws: DefinitionError.self) {
      try Sample.experiment { $0.replacingOccurrences(of: per, with: "    per: [size]\n") }
    }
    #expect("\(try #require(error))".contains("`new` runs at 3 levels of `colour`"), "\(error.map { "\($0)" } ?? "")")
    // What the test says holds for the baseline.
    let one = try Sample.experiment {
      $0.replacingOccurrences(of: per, with: "").replacingOccurrences(
        of: "    test: {arms: [new]}\n", with: "    test: {arms: [new], levels: {size: 1, colour: red}}\n")
    }
    #expect(one.verdicts[0].compared.levels.map(\.name) == ["size", "colour"])
  }

  @Test("a trend needs a factor with an order, and `around` and `over` belong to their kinds")
  func trendKeys() throws {
    func changed(_ rule: String) throws -> Experiment {
      try Sample.experiment {
        $0.replacingOccurrences(
          of: "    kind: ratio\n", with: "    kind: \(rule.replacing("; ", with: "\n    "))\n"
        )
        .replacingOccurrences(
          of: "    per: [size, colour]\n", with: "    per: [\(rule.contains("over: colour") ? "size" : "colour")]\n"
        )
        .replacingOccurrences(
          of: "    test: {arms: [new]}",
          with: rule.contains("over") ? "    test: {arms: [new]}" : "    test: {arms: [new], levels: {size: 1}}")
      }
    }
    #expect(try changed("trend; over: size").verdicts[0].over == "size")
    for broken in ["trend", "trend; over: colour", "trend; over: weight", "ratio; over: size", "ratio; around: 2"] {
      #expect(throws: DefinitionError.self, "\(broken)") { try changed(broken) }
    }
    #expect(try changed("equal; tolerance: 0.1; around: 2.5").verdicts[0].around == 2.5)
    #expect(try changed("equal; tolerance: 0.1").verdicts[0].around == 1)
  }

  @Test("a profile changes what it names and drops what it empties")
  func profiles() throws {
    let quick = try Sample.experiment().under(.quick)
    #expect(quick.replicates == 2)
    #expect(quick.factors[0].levels == ["1"])
    #expect(quick.factors[1].levels.count == 3)
    let none = try Sample.experiment {
      $0.replacingOccurrences(of: "factors: {size: [1]}", with: "factors: {size: [2]}")
    }.under(.quick)
    #expect(!none.arms.contains { $0.name == "new-again" }, "its only level is gone")
  }

  @Test("placeholders are filled, and one without a value is noticed")
  func placeholders() {
    #expect(Placeholder.fill("{a}-{b}{a}", from: ["a": "1", "b": "2"]) == "1-21")
    #expect(Placeholder.fill("plain", from: [:]) == "plain")
    #expect(Placeholder.fill("{a}", from: [:]) == nil)
    #expect(Placeholder.fill("{a*3}, {a}", from: ["a": "8"]) == "24, 8")
    #expect(Placeholder.fill("{a*3}", from: ["a": "x"]) == nil, "no number to be multiplied")
    #expect(
      Placeholder.names(in: "{a*2}{b*x}{c*-1}") == ["a", "b", "x", "c*-1"],
      "a name times a whole number or another name")
    #expect(Placeholder.fill("{a*b}", from: ["a": "8", "b": "3"]) == "24")
    #expect(
      Placeholder.fill("{a*b}", from: ["a": "8"]) == nil
        && Placeholder.fill("{a*b}", from: ["a": "8", "b": "x"]) == nil)
    #expect(Placeholder.fill("{a*b}", from: ["a": Level("\(Int.max)"), "b": "2"]) == nil, "too large")
    #expect(Placeholder.names(in: "x{a}y{b}") == ["a", "b"])
    #expect(Placeholder.fill("{a/b}", from: ["a": "1000", "b": "30"]) == "33")
    #expect(Placeholder.fill("{a/b}", from: ["a": "1", "b": "0"]) == nil, "nothing is divided by zero")
    #expect(Placeholder.names(in: "{a/b}") == ["a", "b"])
  }
}
