import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results

@Suite("Journal")
struct JournalTests {
  static let entries: [JournalEntry] = [
    .begin(.init(experiment: "99-sample", definition: "ab", profile: "quick", seed: .max, runs: 2, startedAt: "now")),
    .pilot(arm: "new", mibPerSecond: 1.5), .finished(order: 0, rowsBytes: 10, seriesBytes: 20),
    .disturbed(order: 1, reason: "stolen"), .skipped(arm: "old", reason: "no root"), .resumed(at: "later"),
    .end(complete: true, at: "now"),
  ]

  @Test("cut at any byte, the journal keeps the entries that were whole and can be appended to")
  func cut() throws {
    let scratch = try Scratch()
    let lines = try Self.entries.map { try Journal.line($0, path: "") }
    let bytes = lines.flatMap { $0 }
    let path = scratch.path + "/journal"
    for cut in 0...bytes.count {
      try Data(bytes[..<cut]).write(to: URL(filePath: path))
      let (journal, entries) = try Journal.open(path)
      var ends = 0
      let whole = lines.prefix { line in
        ends += line.count
        return ends <= cut
      }.count
      #expect(entries == Array(Self.entries[..<whole]), "cut at \(cut)")
      try journal.append(.resumed(at: "again"))
      #expect(try Journal.read(path) == entries + [.resumed(at: "again")], "cut at \(cut)")
    }
  }

  @Test("damage before the last line is refused, not skipped")
  func damage() throws {
    var bytes = try Self.entries.flatMap { try Journal.line($0, path: "") }
    bytes[20] ^= 1
    #expect(throws: Journal.Failure.self) { try Journal.read(bytes, path: "journal") }
  }

  @Test("SHA-256 gives the standard's digests")
  func sha256() {
    #expect(Fingerprint.of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(Fingerprint.of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      Fingerprint.of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    #expect(
      Fingerprint.of(String(repeating: "a", count: 1000))
        == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3")
  }
}
