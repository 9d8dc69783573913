import ArgumentParser
import Experiment
import Foundation
import Results
import Verdict

struct PackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pack", abstract: "Make one small file of results, to send to somebody.",
    discussion: """
      A tar archive under gzip, with everything that a report needs; `report --machine NAME=FILE` reads it as it is, and
      `tar -xzf` unpacks it. Seals are kept: a changed pack is refused as a changed result is.

      EXAMPLES
        millrace pack                                                     # the latest result of each experiment
        millrace pack results/11-zero-copy/20260101T000000Z-abc1234 --out mine.tar.gz
        millrace report --machine ours=results --machine theirs=mine.tar.gz
      """)

  @Argument(help: "Result directories; default: the latest of each experiment.") var results: [String] = []
  @OptionGroup var places: Places
  @Option(help: "The file to write; default: named after the result, or millrace-results.tar.gz for several.") var out:
    String?

  func run() throws {
    try Stop.translating {
      let paths = results.isEmpty ? try latest() : results
      guard !paths.isEmpty else { throw Stop(Exit.badData, "there is no result in \(places.results)") }
      let chosen = try paths.map { path -> (stem: String, path: String) in
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return (try StoredResult(reading: path).experiment.stem, path)
      }
      let name =
        out
        ?? (chosen.count == 1
          ? "\(chosen[0].stem)-\(chosen[0].path.split(separator: "/").last ?? "result").tar.gz"
          : "millrace-results.tar.gz")
      let bytes = try ResultPack.packed(chosen)
      try SmallFile.replace(name, bytes: bytes)
      Terminal.say("\(name): \(chosen.count) result\(chosen.count == 1 ? "" : "s"), \(bytes.count / 1000) kB")
    }
  }

  private func latest() throws -> [String] {
    (SmallFile.entries(of: places.results) ?? []).compactMap { stem in
      let paths = (SmallFile.entries(of: "\(places.results)/\(stem)") ?? []).map { "\(places.results)/\(stem)/\($0)" }
      return paths.last { FileManager.default.fileExists(atPath: "\($0)/\(ResultDirectory.Name.journal)") }
    }
  }
}
