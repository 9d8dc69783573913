import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Verdict

@Suite("Journal")
struct JournalTests {
  static let entries: [JournalEntry] = [
    .begin(.init(experiment: "99-sample", definition: "ab", profile: "quick", seed: .max, runs: 2, startedAt: "now")),
    .pilot(arm: "new", mibPerSecond: 1.5), .searched(arm: "search", recordsPerSecond: 84_000),
    .finished(order: 0, rowsBytes: 10, seriesBytes: 20),
    .finished(order: 1, rowsBytes: 20, seriesBytes: 30, seal: RunSeal(rows: "a", series: "b")),
    .noise(NoiseHistory(of: [], profile: .quick, on: Fixture.machine())),
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

  @Test("a journal of before there were seals is read, and its result is told as not sealed and no worse")
  func unsealed() throws {
    let json = #"{"finished":{"order":0,"rowsBytes":519,"seriesBytes":88}}"#
    let entry = try JSONDecoder().decode(JournalEntry.self, from: Data(json.utf8))
    #expect(entry == .finished(order: 0, rowsBytes: 519, seriesBytes: 88))

    let scratch = try Scratch()
    let sealed = try Synthetic.store("11-zero-copy", .quick, in: scratch.path)
    #expect(sealed.isSealed)
    let journal = sealed.path + "/journal"
    let entries = try Journal.read(journal).map { entry -> JournalEntry in
      switch entry {
      case .begin(var begin):
        begin.files = nil
        return .begin(begin)
      case .finished(let order, let rows, let series, _, _):
        return .finished(order: order, rowsBytes: rows, seriesBytes: series)
      default: return entry
      }
    }
    let lines = try entries.flatMap { try Journal.line($0, path: journal) }
    try Data(lines).write(to: URL(filePath: journal))
    let old = try StoredResult(reading: sealed.path)
    #expect(!old.isSealed)
    #expect(CrimeLint.unmade(old).contains { $0.sentence.contains("not sealed") })
    #expect(CrimeLint.findings(beside: old).map(\.weight) == [.remark])
    #expect(CrimeLint.findings(beside: sealed).map(\.weight) == [.crime])
  }

  @Test(
    "a journal whose lengths go back or beyond the file is refused, whatever they are", arguments: [-1, 0, 10, .max])
  func lengths(rowsBytes: Int) throws {
    let scratch = try Scratch()
    let result = try Synthetic.store("11-zero-copy", .quick, in: scratch.path)
    let journal = result.path + "/journal"
    for place in [2, 5] {
      var entries = try Journal.read(journal)
      guard case .finished(let order, _, let series, let seal, _) = entries[place] else {
        Issue.record("entry \(place) is \(entries[place])")
        return
      }
      entries[place] = .finished(order: order, rowsBytes: rowsBytes, seriesBytes: series, seal: seal)
      if rowsBytes < 0 { entries.removeSubrange((place + 1)...) }
      let good = try Data(contentsOf: URL(filePath: journal))
      try Data(try entries.flatMap { try Journal.line($0, path: journal) }).write(to: URL(filePath: journal))
      #expect(throws: (any Error).self, "run \(order) ends at \(rowsBytes)") { try StoredResult(reading: result.path) }
      try good.write(to: URL(filePath: journal))
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
