import Foundation
import TestSupport
import Testing

/// Results that leave the directory they were made in.
extension HarnessTests {
  @Test(
    "prune keeps the latest standard result in few files, pack makes one of it, and report puts two machines side by side"
  )
  func sent() async throws {
    let place = try Place(bytes: 1 << 16, replicates: 1)
    let run = ["run", "appending", "--without", "ceiling-probe"] + place.arguments
    _ = try await Running("millrace", run).outcome()
    let first = try #require(place.result)
    let pack = "\(place.path)/theirs.tar.gz"
    let packed = try await Running("millrace", ["pack", first, "--out", pack] + place.places).outcome()
    #expect(packed.status == 0 && packed.output.contains("1 result,"), "\(packed.output)\(packed.errors)")

    // A name of its own second.
    try FileManager.default.moveItem(atPath: first, toPath: "\(place.path)/results/98-appending/20000101T000000Z-older")
    _ = try await Running("millrace", run).outcome()
    let dry = try await Running("millrace", ["prune", "--dry-run"] + place.places).outcome()
    #expect(dry.output.contains("would remove") && dry.output.contains("20000101T000000Z-older"), "\(dry.output)")
    let pruned = try await Running("millrace", ["prune"] + place.places).outcome()
    #expect(
      pruned.status == 0 && pruned.output.contains("removed 1, packed 1"), "\(pruned.output)\(pruned.errors)")
    let kept = try #require(place.result)
    let files = try FileManager.default.contentsOfDirectory(atPath: kept).sorted()
    #expect(files == ["journal", "packed.tar.gz", "rows.csv", "verdict.json"])
    let lint = try await Running("millrace", ["lint-results"] + place.places).outcome()
    #expect(!lint.output.contains("not sealed") && lint.status != 65, "\(lint.output)\(lint.errors)")

    let page = "\(place.path)/machines.html"
    let machines = ["--machine", "ours=\(place.path)/results", "--machine", "theirs=\(pack)", "--out", page]
    let both = try await Running("millrace", ["report"] + machines + place.places).outcome()
    #expect(
      both.status == 0 && both.output.contains("E98") && both.output.contains("theirs"), "\(both.output)\(both.errors)")
    let html = try String(contentsOfFile: page, encoding: .utf8)
    #expect(html.contains("<th>ours</th><th>theirs</th>") && html.contains("Kafka's claims on 2 machines"))
    for wrong in [
      ["--machine", "ours"], ["--machine", "a=b", "--machine", "a=c"], ["--machine", "a=b", "--markdown"],
    ] {
      #expect(try await Running("millrace", ["report"] + wrong).outcome().status == 64, "\(wrong)")
    }
    let missing = try await Running("millrace", ["report", "--machine", "a=\(place.path)/nothing"] + place.places)
      .outcome()
    #expect(missing.status == 65 && missing.errors.contains("cannot be read"), "\(missing.errors)")
  }
}
