import ArgumentParser
import Runner

/// Counts false positives of A/A comparisons, as part of the harness's self-validation (experiment E14).
struct FalsePositivesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "false-positives", abstract: "Compare samples of one thing with each other, and count the differences."
  )

  @Option(help: "synthetic, measured.") var source = FalsePositives.Source.synthetic
  @Option(help: "Values per sample.") var replicates = 7
  @Option(help: "Seed of samples and intervals.") var seed: UInt64 = 1
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  func run() throws {
    guard (2...1000).contains(replicates) else { throw ValidationError("--replicates: 2 to 1000") }
    let start = Uptime.seconds
    let result = FalsePositives(replicates: replicates, seed: seed).run(source)
    try MechanismCommand.report([
      "comparisons": result.comparisons, "false_positives": result.falsePositives, "seconds": Uptime.seconds - start,
    ])
  }
}

extension FalsePositives.Source: ExpressibleByArgument {}
