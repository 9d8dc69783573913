import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Verdict

@Suite("Stored histograms")
struct LatencyFileTests {
  private func bucket(_ order: Int, _ count: Double) -> LatencyBucket {
    LatencyBucket(order: order, arm: "sendfile", replicate: 1, kind: "response", lowNs: 1, highNs: 1023, count: count)
  }

  @Test("come back as they were recorded, are cut to what the journal vouches for, and refused when changed")
  func stored() throws {
    let scratch = try ScratchDirectory("histograms")
    let experiment = try Synthetic.experiment("11-zero-copy").under(.quick)
    let yaml = try String(contentsOfFile: "\(Synthetic.directory)/11-zero-copy.yaml", encoding: .utf8)
    let rows = Synthetic.rows(of: experiment).sorted { $0.order < $1.order }
    let path = "\(scratch.path)/11-zero-copy/a"
    let machine = try Synthetic.store("11-zero-copy", .quick, in: "\(scratch.path)/other").machine.json()
    let begin = JournalEntry.Begin(
      experiment: experiment.stem, definition: Fingerprint.of(yaml), profile: "quick", seed: 1, runs: 4, startedAt: "")
    func run(_ order: Int) -> PlannedRun {
      PlannedRun(order: order, replicate: 1, cell: Matrix(experiment).cells[0])
    }
    do {
      let directory = try ResultDirectory(
        creating: path, experiment: experiment, definition: yaml, begin: begin, machineJSON: machine)
      try directory.record(run(0), rows: [rows[0]], series: [])
      #expect(SmallFile.bytes("\(path)/latency.csv") == nil, "made by the first run that has some")
      try directory.record(run(1), rows: [rows[1]], series: [], latency: [bucket(1, 5), bucket(1, 6)])
      try directory.record(run(2), rows: [rows[2]], series: [])
    }
    // A crash between the file and the journal.
    let file = try FileHandle(forWritingTo: URL(filePath: "\(path)/latency.csv"))
    try file.seekToEnd()
    try file.write(contentsOf: Data("9,torn".utf8))
    try file.close()
    #expect(try StoredResult(reading: path).latency == [bucket(1, 5), bucket(1, 6)])
    do {
      let resumed = try ResultDirectory(resuming: path, experiment: experiment, at: "")
      try resumed.record(run(3), rows: [rows[3]], series: [], latency: [bucket(3, 7)])
    }
    #expect(try StoredResult(reading: path).latency == [bucket(1, 5), bucket(1, 6), bucket(3, 7)])
    let text = try #require(SmallFile.read("\(path)/latency.csv"))
    try SmallFile.replace("\(path)/latency.csv", text.replacing("1023,6", with: "1023,8"))
    let failure = #expect(throws: StoredResult.Failure.self) { try StoredResult(reading: path) }
    #expect(failure?.description.contains("latency.csv: was changed after the run: the lines of run 1 ") == true)
  }
}
