import Foundation
import Testing

/// A campaign of one definition, run to its end in a directory that goes away, and the rows that it wrote.
struct TestCampaign {
  /// In the order of the file, by column.
  let rows: [[String: String]]
  /// The same of the runs' course over time.
  let series: [[String: String]]
  /// What the program printed.
  let printed: String

  /// - Parameter name: the definition's number and name, as its file is called: `97-beside`.
  /// - Parameter without: probes that are left out, beside the ceiling and the repeats.
  init(_ name: String, _ yaml: String, without: [String] = []) async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(name)-\(UUID().uuidString)")
      .path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path + "/experiments", withIntermediateDirectories: true)
    try Data(yaml.utf8).write(to: URL(fileURLWithPath: "\(path)/experiments/\(name).yaml"))
    let short = try #require(name.split(separator: "-", maxSplits: 1).last).description
    let outcome = try await Running(
      "millrace",
      [
        "run", short, "--seed", "3", "--experiments", path + "/experiments", "--results", path + "/results",
        "--plots", path + "/plots",
      ] + (["repeats", "ceiling-probe"] + without).flatMap { ["--without", $0] }
    ).outcome()
    printed = outcome.output + outcome.errors
    let results = "\(path)/results/\(name)"
    let result = try #require(try? FileManager.default.contentsOfDirectory(atPath: results).first, "\(printed)")
    rows = try Self.rows("\(results)/\(result)/rows.csv")
    series = try Self.rows("\(results)/\(result)/series.csv")
  }

  /// Columns by name; texts with commas are quoted.
  private static func rows(_ path: String) throws -> [[String: String]] {
    func cells(_ line: Substring) -> [String] {
      var cells = [""], isQuoted = false
      for character in line {
        switch character {
        case "\"": isQuoted.toggle()
        case "," where !isQuoted: cells.append("")
        default: cells[cells.count - 1].append(character)
        }
      }
      return cells
    }
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    let header = cells(try #require(lines.first))
    return lines.dropFirst().map { Dictionary(zip(header, cells($0)), uniquingKeysWith: { $1 }) }
  }
}
