import ArgumentParser
import Measure

struct MemoryAccessCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "memory-access", abstract: "Read 4-byte values of an array in memory, in order or at random.")

  @Option(help: "MiB of the array: several times the last-level cache.") var arrayMib: Int
  @Option(help: "sequential, random, chained.") var pattern: MemoryAccess.Pattern
  @Option(help: "small (4 KiB), huge (if the kernel grants them).") var pages = MemoryAccess.Pages.small
  @Option(help: "Duration in seconds.") var seconds = 1.0
  @Option(help: "Seed of the order.") var seed: UInt64 = 1
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  private enum Rates {
    /// Touching fresh memory, page by page.
    static let touchedMiBPerSecond = 1500.0
  }

  static func cost(of run: PricedRun) -> RunCost {
    RunCost(
      seconds: run.seconds + run.option("array-mib") / Rates.touchedMiBPerSecond, bytes: run.seconds * 1e9)
  }

  func measure() throws -> [String: Any] {
    var mechanism = MemoryAccess(arrayBytes: arrayMib << 20, pattern: pattern)
    mechanism.pages = pages
    mechanism.seconds = seconds
    mechanism.seed = seed
    let result = try mechanism.run()
    return [
      "seconds": result.seconds, "values_per_s": result.valuesPerSecond, "bytes": result.values * 4,
      "mb_per_s": result.valuesPerSecond * 4 / 1e6, "cpu_seconds": result.cpuSeconds,
      "huge_page_percent": result.hugeShare * 100, "rss_mib": Double(result.residentBytes) / 1_048_576,
      "checksum": String(result.sum),
    ]
  }
}

extension MemoryAccess.Pattern: ExpressibleByArgument {}
extension MemoryAccess.Pages: ExpressibleByArgument {}
