import Testing

/// What an experiment leaves behind: `experiments/NN-name.yaml`, `results/NN-name/<UTC>-<commit>/…`, `plots/NN-name.{gp,svg,png}`.
@Suite("Experiments")
struct ExperimentTests {
  static let definitions = SourceTree.names(in: "experiments").filter { $0.hasSuffix(".yaml") }
    .map { String($0.dropLast(".yaml".count)) }

  /// Experiments with results here. None at all is a fresh clone before its first run, and no fault.
  static let withResults = SourceTree.names(in: "results").filter { SourceTree.exists("results/\($0)/") }
    .filter { $0.first?.isNumber == true }

  /// Defined, run in the quick profile, and still to be run in the standard one on a quiet machine: the list may only shrink.
  static let awaitingStandardRun: [String] = []

  @Test("are numbered as in the list of claims")
  func names() {
    #expect(!Self.definitions.isEmpty)
    for name in Self.definitions {
      let number = name.prefix { $0.isNumber }
      #expect(number.count == 2 && name.dropFirst(2).first == "-", "experiments/\(name).yaml should be NN-name.yaml")
    }
  }

  @Test("have results, all of them, once one has")
  func results() {
    guard !Self.withResults.isEmpty else { return }
    for name in Self.awaitingStandardRun {
      #expect(
        !Self.withResults.contains(name), "results/\(name) is there: take it off the list of those that wait for it")
    }
    for name in Self.definitions where !Self.awaitingStandardRun.contains(name) {
      let runs = SourceTree.names(in: "results/\(name)")
      let complete = runs.filter { run in
        ["experiment.yaml", "machine.json", "rows.csv", "journal"].allSatisfy {
          SourceTree.exists("results/\(name)/\(run)/\($0)")
        }
      }
      #expect(!complete.isEmpty, "results/\(name) holds no complete run: `millrace run \(name)`")
    }
  }

  @Test("have a chart and the script that draws it, where they have results", arguments: Self.withResults)
  func charts(name: String) {
    for ending in ["gp", "svg", "png"] {
      #expect(
        SourceTree.exists("plots/\(name).\(ending)"), "plots/\(name).\(ending) is missing: `millrace plot \(name)`")
    }
  }

  @Test("have a definition, where they have results", arguments: Self.withResults)
  func definitions(name: String) {
    #expect(
      Self.definitions.contains(name),
      "results/\(name) belongs to no experiments/\(name).yaml: results are never orphaned")
  }
}
