import NIOCore
import Testing

@testable import Broker

/// Prometheus' text format.
@Suite("The text of a scrape")
struct ExpositionTests {
  private let family = MetricFamily("a_b", .gauge, ["topic", "partition"], "What it says.")

  @Test("has HELP and TYPE before the samples of a family, and labels in quotes")
  func shape() {
    var out = Exposition()
    out.begin(family)
    out.sample("", Exposition.Labels(family, "t", "0"), 17)
    out.single(MetricFamily("c_total", .counter, "C."), 1)
    #expect(
      String(buffer: out.bytes) == """
        # HELP a_b What it says.
        # TYPE a_b gauge
        a_b{topic="t",partition="0"} 17
        # HELP c_total C.
        # TYPE c_total counter
        c_total 1

        """)
  }

  @Test(
    "writes every number as it is", arguments: [Int64.min, -1, 0, 9, 10, 1_234_567_890, Int64.max])
  func numbers(value: Int64) {
    var out = Exposition()
    out.begin(MetricFamily("n", .gauge, "N."))
    out.sample("", .none, value)
    #expect(String(buffer: out.bytes).hasSuffix("\nn \(value)\n"))
  }

  @Test("escapes what a label's value may not have")
  func escapes() {
    var out = Exposition()
    out.begin(MetricFamily("n", .gauge, ["g"], "N."))
    out.sample("_sum", Exposition.Labels([("g", "a\"b\\c\nd")]).adding("le", "+Inf"), 0.5)
    #expect(String(buffer: out.bytes).hasSuffix("\nn_sum{g=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} 0.5\n"))
  }
}
