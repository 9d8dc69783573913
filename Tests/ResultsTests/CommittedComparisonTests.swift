import Experiment
import Foundation
import Measure
import Results
import Testing
import Verdict

@testable import LabFixtures

/// Compare, over every result that the repository holds.
@Suite("Compare of committed results")
struct CommittedComparisonTests {
  /// The directories of all committed results.
  static let paths: [String] = {
    let root = Synthetic.root + "/results"
    let names = { (path: String) in ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
    return names(root).flatMap { experiment in
      names("\(root)/\(experiment)").map { "\(root)/\(experiment)/\($0)" }
        .filter { FileManager.default.fileExists(atPath: $0 + "/rows.csv") }
    }
  }()

  @Test("of each with itself exits with 0: nothing is worse, and nothing better", arguments: paths)
  func same(path: String) throws {
    let result = try StoredResult(reading: path)
    let comparison = try Comparison(result, result)
    let told = "\(comparison.summary)\n\(comparison.effects.map(\.sentence).joined(separator: "\n"))"
    #expect(comparison.exitCode == 0, "\(told)")
    #expect(comparison.effects.allSatisfy { $0.change == .same || $0.change == .inconclusive }, "\(told)")
  }

  @Test("of message size with halved rates of the broker is worse in every line of them")
  func halved() throws {
    let path = try #require(Self.paths.first { $0.contains("/08-message-size/") })
    let first = try StoredResult(reading: path)
    var second = first
    let arms = Set(first.experiment.arms.filter { $0.tier == .endToEnd }.map(\.name))
    for index in second.rows.indices where arms.contains(second.rows[index].arm) {
      for (name, value) in second.rows[index].metrics where Metric.named(name)?.kind == .rate {
        second.rows[index].metrics[name] = value / 2
      }
    }
    let comparison = try Comparison(first, second)
    let rates = comparison.effects.filter { arms.contains($0.arm) && Metric.named($0.metric)?.kind == .rate }
    #expect(!rates.isEmpty)
    for effect in rates { #expect(effect.change == .worse, "\(effect.sentence)") }
    #expect(comparison.exitCode == 1)
    #expect(comparison.effects.allSatisfy { arms.contains($0.arm) || $0.change != .worse })
  }
}
