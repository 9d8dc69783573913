import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Verdict

@Suite("Committed results")
struct CommittedResultTests {
  static let directories: [String] = {
    let top = "\(Synthetic.root)/results"
    return (SmallFile.entries(of: top) ?? []).flatMap { experiment in
      (SmallFile.entries(of: "\(top)/\(experiment)") ?? []).map { "\(top)/\(experiment)/\($0)" }
    }.filter { FileManager.default.fileExists(atPath: "\($0)/\(ResultDirectory.Name.journal)") }
  }()

  @Test("are read, whatever version of the program stored them, and every valid row says what limited it")
  func read() throws {
    for directory in Self.directories {
      let result = try StoredResult(reading: directory)
      #expect(!result.rows.isEmpty, "\(directory)")
      #expect(result.rows.allSatisfy { !$0.isValid || $0.limitation != nil }, "\(directory)")
    }
  }
}
