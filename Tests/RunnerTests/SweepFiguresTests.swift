import Testing

@testable import Experiment
@testable import Runner

@Suite("Figures of a sweep")
struct SweepFiguresTests {
  @Test("what a program says of each level is found under that level, and nothing else")
  func levels() throws {
    let output = #"{"at":{"1000":{"records_per_s":5,"oddity":1},"10":{"records_per_s":7}},"records_per_s":6}"#
    let figures = try #require(ReportedFigures(output: output))
    #expect(figures.metrics(at: "1000") == ["records_per_s": 5])
    #expect(figures.metrics(at: "10") == ["records_per_s": 7] && figures.metrics(at: "100").isEmpty)
    #expect(figures.metrics["records_per_s"] == 6)
  }

  @Test("a latency under its own name is kept, and one under the generator's is found")
  func latencies() throws {
    let own = try #require(ReportedFigures(output: #"{"service_p99_ms":3}"#))
    #expect(own.metrics == ["service_p99_ms": 3])
    let generator = try #require(ReportedFigures(output: #"{"service_latency_ms":{"p99":4}}"#))
    #expect(generator.metrics["service_p99_ms"] == 4)
  }

  @Test("cold data that the kernel did not charge for make a run invalid")
  func cold() {
    var check = Reconciliation()
    check.coldReads(charged: 95, of: 100, expectsCold: true)
    check.coldReads(charged: 10, of: 100, expectsCold: false)
    check.coldReads(charged: nil, of: 100, expectsCold: true)
    #expect(check.faults.isEmpty)
    check.coldReads(charged: 10, of: 100, expectsCold: true)
    #expect(check.faults.count == 1 && check.faults[0].contains("cold"))
  }
}
