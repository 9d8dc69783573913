import Testing

@testable import Load

@Suite("A row of an interval")
struct IntervalTests {
  private func interval(samples: Int, lag: Int? = 12) -> Run.Interval {
    var (latency, response) = (Latency(), Latency())
    for index in 1...max(1, samples) where index <= samples {
      latency.record(from: 0, to: UInt64(index) * 2_000_000)
      response.record(from: 0, to: UInt64(index) * 1_000_000)
    }
    return Run.Interval(
      endSeconds: 1.5, seconds: 0.5, records: 100, bytes: 1_048_576, cumulativeBytes: 3_145_728, errors: 2,
      latency: latency, response: response, produced: 110, lagRecords: lag)
  }

  private func cells(_ interval: Run.Interval) -> [String: String] {
    let header = Output.intervalsHeader.dropLast().split(separator: ",").map(String.init)
    let row = Output.intervalRow(interval).dropLast().split(separator: ",", omittingEmptySubsequences: false)
    return Dictionary(uniqueKeysWithValues: zip(header, row.map(String.init)))
  }

  @Test("has a cell for each column: what was consumed and what was produced, and both latencies")
  func columns() {
    let row = cells(interval(samples: 20_000))
    #expect(row.count == 17)
    #expect(row["records_per_s"] == "200" && row["produced_records_per_s"] == "220" && row["mib_per_s"] == "2")
    #expect(row["lag_records"] == "12" && row["errors"] == "2")
    let (both, response) = (row["p99_ms"].flatMap(Double.init) ?? 0, row["response_p99_ms"].flatMap(Double.init) ?? 0)
    #expect(abs(both / 39_600 - 1) < 0.002 && abs(response / 19_800 - 1) < 0.002, "\(row)")
    #expect(row["p99_9_ms"]?.isEmpty == false && row["response_p99_9_ms"]?.isEmpty == false)
    #expect(abs((row["response_max_ms"].flatMap(Double.init) ?? 0) / 20_000 - 1) < 0.002, "\(row)")
  }

  @Test("a percentile with fewer than ten samples beyond it is an empty cell, and so is the lag where nobody consumes")
  func few() {
    let row = cells(interval(samples: 100, lag: nil))
    #expect(row["p50_ms"]?.isEmpty == false && row["p99_ms"] == "" && row["response_p99_9_ms"] == "")
    #expect(row["response_max_ms"]?.isEmpty == false && row["lag_records"] == "")
    let none = cells(interval(samples: 0))
    #expect(none["p50_ms"] == "" && none["response_max_ms"] == "" && none["max_ms"] == "")
  }
}
