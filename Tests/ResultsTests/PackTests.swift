import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Verdict

@Suite("Packs")
struct PackTests {
  @Test("a tar archive gives its files back, and tar itself unpacks it")
  func tar() throws {
    let long = String(repeating: "a-directory/", count: 9) + "file.csv"
    let files = [
      Tar.File(path: "01-x/one/rows.csv", bytes: Array("a,b\n1,2\n".utf8)), Tar.File(path: "empty", bytes: []),
      Tar.File(path: long, bytes: [UInt8](repeating: 7, count: 1025)),
    ]
    let archive = try Tar.archive(files)
    #expect(try Tar.files(in: archive) == files && archive.count % 512 == 0)
    let scratch = try ScratchDirectory("tar")
    try SmallFile.replace("\(scratch.path)/a.tar", bytes: archive)
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = ["tar", "-C", scratch.path, "-xf", "\(scratch.path)/a.tar"]
    try tar.run()
    tar.waitUntilExit()
    #expect(tar.terminationStatus == 0)
    for file in files { #expect(SmallFile.bytes("\(scratch.path)/\(file.path)") == file.bytes, "\(file.path)") }
  }

  @Test("an archive that is cut off, damaged or leads out of its directory is refused, whatever byte it is")
  func damaged() throws {
    let archive = try Tar.archive([Tar.File(path: "a/b", bytes: Array("content".utf8))])
    for length in 0..<1024 { #expect(throws: Tar.Failure.cutOff) { try Tar.files(in: Array(archive[..<length])) } }
    for place in 0..<512 {
      var changed = archive
      changed[place] ^= 0x41
      let read = try? Tar.files(in: changed)
      // The byte behind the checksum's end says nothing.
      #expect(read == nil || place == 155, "byte \(place)")
    }
    for path in ["../a", "/a", "a//b", "", "a/../b", String(repeating: "x", count: 300)] {
      #expect(throws: Tar.Failure.badPath(path)) { try Tar.archive([Tar.File(path: path, bytes: [])]) }
    }
  }

  private func isSame(_ a: StoredResult, _ b: StoredResult) -> Bool {
    a.experiment == b.experiment && a.rows == b.rows && a.series == b.series && a.machine == b.machine
      && a.verdict == b.verdict && a.ceiling == b.ceiling && a.seed == b.seed && a.finishedRuns == b.finishedRuns
  }

  @Test("a packed result is the same result, and a changed pack is refused")
  func packed() throws {
    let scratch = try ScratchDirectory("packed")
    let result = try Synthetic.store("11-zero-copy", .quick, in: "\(scratch.path)/results")
    let bytes = try ResultPack.packed([("11-zero-copy", result.path)])
    let pack = "\(scratch.path)/a.tar.gz"
    try SmallFile.replace(pack, bytes: bytes)
    let (read, failures) = StoredResult.latest(at: pack)
    #expect(failures.isEmpty && read.count == 1)
    #expect(isSame(try #require(read.first), result))
    #expect(read.first?.name == result.name && read.first?.path == "\(pack)/11-zero-copy/\(result.name)")
    #expect(try ResultPack.packed([("11-zero-copy", result.path)]) == bytes, "the same bytes for the same result")
    var changed = bytes
    changed[bytes.count / 2] ^= 1
    try SmallFile.replace(pack, bytes: changed)
    #expect(StoredResult.latest(at: pack).results.isEmpty && StoredResult.latest(at: pack).failures.count == 1)
    #expect(StoredResult.latest(at: "\(scratch.path)/nothing").failures.count == 1)
    for place in ["\(scratch.path)/results", result.path] {
      let read = StoredResult.latest(at: place).results
      #expect(read.count == 1, "\(place)")
      #expect(isSame(try #require(read.first), result), "\(place)")
    }
  }

  @Test("a tidied result has four files, is the same result, and tidying it again changes nothing")
  func tidied() throws {
    let scratch = try ScratchDirectory("tidied")
    let result = try Synthetic.store("06-throughput-over-volume", .quick, in: "\(scratch.path)/results")
    try SmallFile.replace("\(result.path)/\(ResultDirectory.Name.disclosure)", "derived")
    try SmallFile.replace("\(result.path)/\(ResultDirectory.Name.told)", ToldVerdict(result.verdict, runs: 1).json())
    let gone = try ResultPack.tidy(result.path)
    #expect(gone.contains(ResultDirectory.Name.series) && gone.contains(ResultDirectory.Name.disclosure))
    #expect(
      SmallFile.entries(of: result.path) == ["journal", "packed.tar.gz", "rows.csv", "verdict.json"])
    #expect(isSame(try StoredResult(reading: result.path), result))
    #expect(try ResultPack.tidy(result.path).isEmpty)
    // A file that somebody unpacked goes before the archive, and back into it.
    try SmallFile.replace("\(result.path)/\(ResultDirectory.Name.series)", CSV.seriesHeader(of: result.experiment))
    #expect(try ResultPack.tidy(result.path) == [ResultDirectory.Name.series])
    let archive = "\(result.path)/\(ResultDirectory.Name.packed)"
    try SmallFile.replace(archive, "no archive")
    #expect(throws: StoredResult.Failure.self) { try StoredResult(reading: result.path) }
  }

  private func candidate(_ path: String, _ profile: Profile = .standard, complete: Bool = true) -> Retention.Candidate {
    Retention.Candidate(path: path, profile: profile, isComplete: complete)
  }

  @Test("the latest complete standard result is kept, and what began after it and may go on; without one all stay")
  func retention() {
    let all = Retention([
      candidate("a"), candidate("b", .quick), candidate("c"), candidate("d", complete: false), candidate("e", .quick),
    ])
    #expect(all.kept == ["c", "d"] && all.removed == ["a", "b", "e"])
    let none = Retention([candidate("a", .quick), candidate("b", complete: false)])
    #expect(none.kept == ["a", "b"] && none.removed.isEmpty)
    #expect(Retention([candidate("a", .full), candidate("b", complete: false)]).removed.isEmpty)
    #expect(Retention([]).kept.isEmpty)
  }
}
