import ArgumentParser
import Foundation
import Results
import Verdict

struct PruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Keep the latest standard result of each experiment, in few files.",
    discussion: """
      Removes the results that a later complete one of the standard (or full) profile replaces, and quick ones beside it. Of
      what stays, rows, verdict and journal remain as they are; definition, machine, ceilings, schema and series go
      into packed.tar.gz beside them, where every command finds them; the disclosure page, which lint-results prints again, goes.
      Results that cannot be read are left alone. Where no result is complete and standard, all stay.

      EXAMPLES
        millrace prune --dry-run
        millrace prune
      """)

  @OptionGroup var places: Places
  @Flag(help: "Say what would be removed and packed, and do nothing.") var dryRun = false

  func run() throws {
    try Stop.translating {
      let stems = SmallFile.entries(of: places.results) ?? []
      var (removed, packed) = (0, 0)
      for stem in stems {
        let retention = Retention(Retention.candidates(in: "\(places.results)/\(stem)"))
        for path in retention.removed {
          Terminal.say("\(dryRun ? "would remove" : "removed") \(path)")
          if !dryRun { try FileManager.default.removeItem(atPath: path) }
          removed += 1
        }
        for path in retention.kept where !dryRun && isComplete(path) {
          // Whoever cannot read it back has lost nothing: packing happens to a result that is whole.
          _ = try StoredResult(reading: path)
          if try !ResultPack.tidy(path).isEmpty { packed += 1 }
          _ = try StoredResult(reading: path)
        }
      }
      Terminal.say("\(dryRun ? "would remove" : "removed") \(removed), packed \(packed)")
    }
  }

  private func isComplete(_ path: String) -> Bool {
    guard let entries = try? Journal.read("\(path)/\(ResultDirectory.Name.journal)") else { return false }
    return ResultDirectory.History(entries).isComplete
  }
}
