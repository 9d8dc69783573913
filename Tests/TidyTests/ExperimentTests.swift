import Foundation
import Testing

/// What an experiment leaves behind: `experiments/NN-name.yaml`, `results/NN-name/<UTC>-<commit>/…`, and the charts that documents show.
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

  @Test("have results, all of them that `run --all` runs, once one has")
  func results() throws {
    guard !Self.withResults.isEmpty else { return }
    for name in Self.awaitingStandardRun {
      #expect(
        !Self.withResults.contains(name), "results/\(name) is there: take it off the list of those that wait for it")
    }
    let inAll = try Self.definitions.filter {
      !(try SourceTree.text("experiments/\($0).yaml")).contains("\nin_all: false")
    }
    for name in inAll where !Self.awaitingStandardRun.contains(name) {
      let runs = SourceTree.names(in: "results/\(name)")
      let complete = runs.filter { run in
        func has(_ file: String) -> Bool { SourceTree.exists("results/\(name)/\(run)/\(file)") }
        return ["rows.csv", "journal"].allSatisfy(has)
          && (["experiment.yaml", "machine.json"].allSatisfy(has) || has("packed.tar.gz"))
      }
      #expect(!complete.isEmpty, "results/\(name) holds no complete run: `millrace run \(name)`")
    }
  }

  private enum Limits {
    /// Of results and charts together, tracked.
    static let files = 120, bytes = 4_000_000
  }

  @Test("come to at most 120 files and 4 MB, charts and all: the latest standard result of each, in few files")
  func few() throws {
    let directory = SourceTree.root.appendingPathComponent("results")
    let enumerator = FileManager.default.enumerator(atPath: directory.path)
    let results = (enumerator?.allObjects ?? []).compactMap { $0 as? String }
      // What .gitignore leaves out.
      .filter { !$0.hasPrefix("scratch") && !$0.hasSuffix(".html") }.map { directory.appendingPathComponent($0) }
    let charts = try Self.trackedCharts().map { SourceTree.root.appendingPathComponent("plots/\($0)") }
    let sizes = try (results + charts).compactMap { url -> Int? in
      let values = try url.resourceValues(forKeys: [.fileSizeKey, .isRegularFileKey])
      return values.isRegularFile == true ? values.fileSize : nil
    }
    #expect(sizes.count <= Limits.files, "\(sizes.count) files: `millrace prune`")
    #expect(sizes.reduce(0, +) <= Limits.bytes, "\(sizes.reduce(0, +)) bytes: `millrace prune`")
  }

  /// Those that `.gitignore` does not leave out.
  private static func trackedCharts() throws -> [String] {
    try SourceTree.text(".gitignore").split(separator: "\n").filter { $0.hasPrefix("!/plots/") }
      .map { String($0.dropFirst("!/plots/".count)) }
  }

  @Test("have those charts tracked that a document shows, and no other")
  func charts() throws {
    let documents = ["README.md"] + SourceTree.names(in: "docs").filter { $0.hasSuffix(".md") }.map { "docs/\($0)" }
    let shown = try documents.flatMap { document in
      try SourceTree.text(document).matches(of: #/\((?:\.\.\/)?plots\/([^)]+)\)/#).map { String($0.output.1) }
    }
    #expect(Set(shown) == Set(try Self.trackedCharts()), "`!/plots/NAME` in .gitignore for each, and for no other")
    for chart in shown { #expect(SourceTree.exists("plots/\(chart)"), "plots/\(chart) is missing: `millrace report`") }
  }

  @Test("are told of in a README of at most 120 lines, and documented in an index that has every page")
  func documents() throws {
    #expect(try SourceTree.text("README.md").split(separator: "\n", omittingEmptySubsequences: false).count <= 121)
    let index = try SourceTree.text("docs/README.md")
    for page in SourceTree.names(in: "docs").filter({ $0.hasSuffix(".md") && $0 != "README.md" }) {
      #expect(index.contains("(\(page))"), "docs/README.md does not name \(page)")
    }
  }

  @Test("have a definition, where they have results", arguments: Self.withResults)
  func definitions(name: String) {
    #expect(
      Self.definitions.contains(name),
      "results/\(name) belongs to no experiments/\(name).yaml: results are never orphaned")
  }
}
