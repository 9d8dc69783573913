import ArgumentParser
import Base
import Measure

/// Counts false positives of A/A comparisons, as part of the harness's self-validation (experiment E14).
struct FalsePositivesCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "false-positives", abstract: "Compare samples of one thing with each other, and count the differences."
  )

  @Option(help: "synthetic, measured.") var source = FalsePositives.Source.synthetic
  @Option(help: "Values per sample.") var replicates = 7
  @Option(help: "Seed of samples and intervals.") var seed: UInt64 = 1
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    RunCost(seconds: 0.3)
  }

  func measure() throws -> [String: Any] {
    guard (2...1000).contains(replicates) else { throw ValidationError("--replicates: 2 to 1000") }
    let start = Double(Clocks.monotonicNs()) * 1e-9
    let result = FalsePositives(replicates: replicates, seed: seed).run(source)
    return [
      "comparisons": result.comparisons, "false_positives": result.falsePositives,
      "seconds": Double(Clocks.monotonicNs()) * 1e-9 - start,
    ]
  }
}

extension FalsePositives.Source: ExpressibleByArgument {}
