import Foundation
import TestSupport
import Testing

/// `millrace faults` as a user runs it, for a quarter of a minute.
@Suite("Faults", .serialized)
struct FaultsTests {
  @Test(
    "a broker that is killed, stopped for longer than its clients' timeouts, and killed again keeps all its promises")
  func keepsPromises() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("faults-\(UUID().uuidString)").path
    // The seed's first faults are those, within 13 seconds.
    let outcome = try await Running(
      "millrace", ["faults", "--minutes", "0.25", "--seed", "386", "--directory", directory, "--json"]
    ).outcome()
    let report = try outcome.json()
    #expect(outcome.status == 0, "\(report["anomalies"] ?? "") \(report["findings"] ?? "") \(outcome.errors)")
    #expect(outcome.errors.contains("killed, and started again after 1829 ms"), "\(outcome.errors)")
    #expect(outcome.errors.contains("stopped for 3534 ms"), "\(outcome.errors)")
    for figure in ["acknowledged_records", "transactions_committed", "assignments", "commits"] {
      #expect(report[figure] as? Int ?? 0 > 0, "\(figure) in \(report)")
    }
    #expect(!FileManager.default.fileExists(atPath: directory), "nothing was found, so nothing is kept")
  }

  @Test("a directory that holds files is refused")
  func full() async throws {
    let directory = FileManager.default.temporaryDirectory.path
    let outcome = try await Running("millrace", ["faults", "--directory", directory + "/.."]).outcome()
    #expect(outcome.status == 64 && outcome.errors.contains("is not empty"), "\(outcome.errors)")
  }
}
