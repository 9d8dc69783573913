import ArgumentParser
import Base
import Foundation
import Measure

/// Counts false positives of A/A comparisons, as part of the harness's self-validation (experiment E14).
struct FalsePositivesCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "false-positives", abstract: "Compare samples of one thing with each other, and count the differences."
  )

  @Option(help: "synthetic, pairs.") var source = FalsePositives.Source.synthetic
  @Option(help: "A JSON list of pairs {name, values, again}, for `--source pairs`.") var pairs: String?
  @Option(help: "Values per sample.") var replicates = 7
  @Option(help: "Seed of samples and intervals.") var seed: UInt64 = 1
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    RunCost(seconds: 0.3)
  }

  func measure() throws -> [String: Any] {
    guard (2...1000).contains(replicates) else { throw ValidationError("--replicates: 2 to 1000") }
    let start = Double(Clocks.monotonicNs()) * 1e-9
    let comparison = FalsePositives(replicates: replicates, seed: seed)
    let result =
      switch source {
      case .synthetic: comparison.synthetic()
      case .pairs: comparison.run(on: try readPairs())
      }
    return [
      "comparisons": result.comparisons, "false_positives": result.falsePositives,
      "false_positive_percent": result.comparisons > 0
        ? 100 * Double(result.falsePositives) / Double(result.comparisons) : 0,
      "false_positive_chance": result.chance, "called": result.called,
      "seconds": Double(Clocks.monotonicNs()) * 1e-9 - start,
    ]
  }

  private func readPairs() throws -> [FalsePositives.Pair] {
    guard let pairs else { throw ValidationError("--source pairs needs --pairs FILE") }
    let size = try FileManager.default.attributesOfItem(atPath: pairs)[.size] as? Int ?? 0
    guard size <= FalsePositives.Limits.fileBytesMax else {
      throw ValidationError("\(pairs): \(size) bytes, at most \(FalsePositives.Limits.fileBytesMax) are read")
    }
    do {
      return try JSONDecoder().decode([FalsePositives.Pair].self, from: Data(contentsOf: URL(filePath: pairs)))
    } catch {
      throw ValidationError("\(pairs) is no JSON list of pairs {name, values, again}: \(error)")
    }
  }
}

extension FalsePositives.Source: ExpressibleByArgument {}
