import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Verdict

@Suite("Stored histograms")
struct LatencyFileTests {
  private func bucket(_ order: Int, _ count: Double, from low: Double = 1, to high: Double = 1023) -> LatencyBucket {
    LatencyBucket(
      order: order, arm: "sendfile", replicate: 1, kind: "response", lowNs: low, highNs: high, count: count)
  }

  @Test("have 32 buckets for each doubling at most, no count lost, and the smallest and largest latency")
  func merged() {
    // As fine as the generator's, from 1 µs to a second.
    var fine: [LatencyBucket] = []
    var low = 1_000.0
    while low < 1e9 {
      let high = (low * 1.0007).rounded(.up)
      fine.append(bucket(0, Double(fine.count % 7 + 1), from: low, to: high))
      low = high + 1
    }
    let merged = LatencyBucket.merged(fine.reversed())
    #expect(merged.count <= 20 * 32 + 1 && merged.count < fine.count / 20, "\(merged.count) of \(fine.count)")
    #expect(merged.reduce(0) { $0 + $1.count } == fine.reduce(0) { $0 + $1.count })
    #expect(merged.first?.lowNs == fine.first?.lowNs && merged.last?.highNs == fine.last?.highNs)
    #expect(merged.allSatisfy { $0.highNs / $0.lowNs < 1.034 })
    #expect(zip(merged, merged.dropFirst()).allSatisfy { $0.highNs < $1.lowNs })
    #expect(LatencyBucket.merged(merged) == merged && LatencyBucket.merged([]).isEmpty)
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
