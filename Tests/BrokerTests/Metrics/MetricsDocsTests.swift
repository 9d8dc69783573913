import Foundation
import Testing

@testable import Broker

/// docs/metrics.md is written from the table of metrics.
@Suite("docs/metrics.md")
struct MetricsDocsTests {
  /// `MILLRACE_WRITE_DOCS=1 swift test --filter MetricsDocsTests` writes the page.
  @Test("the page says what the table says")
  func page() throws {
    let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    let path = "/\(root)/docs/metrics.md"
    let written = Self.written
    if ProcessInfo.processInfo.environment["MILLRACE_WRITE_DOCS"] != nil {
      try written.write(toFile: path, atomically: true, encoding: .utf8)
    }
    let page = try String(contentsOfFile: path, encoding: .utf8)
    #expect(page == written, "write it anew: MILLRACE_WRITE_DOCS=1 swift test --filter MetricsDocsTests")
  }

  @Test("names are those that Prometheus allows, each once, and counters end in _total")
  func names() {
    let families = Metrics.sections.flatMap(\.families)
    #expect(Set(families.map(\.name)).count == families.count)
    for family in families {
      #expect(family.name.wholeMatch(of: #/[a-z_][a-z0-9_]*/#) != nil, "\(family.name)")
      #expect((family.kind == .counter) == family.name.hasSuffix("_total"), "\(family.name)")
      #expect(family.help.hasSuffix("."), "\(family.name)")
    }
  }

  private static var written: String {
    let sections = Metrics.sections.map { title, families in
      let rows = families.map { family in
        let labels = family.labels.map { "`\($0)`" }.joined(separator: ", ")
        return "| `\(family.name)` | \(family.kind.rawValue) | \(labels) | \(family.help) |"
      }
      return
        "## \(title)\n\n| metric | type | labels | what it says |\n|---|---|---|---|\n\(rows.joined(separator: "\n"))\n"
    }
    return """
      # Metrics

      `millrace.metrics.listener=HOST:PORT` has a broker answer Prometheus at `http://HOST:PORT/metrics`, in its text format. Names
      are those under which the usual configuration of Prometheus' JMX exporter shows the metrics of Apache Kafka, so that its
      dashboards and alerts find them; the offsets of groups have the names of kafka_exporter. What Kafka does not have begins with
      `millrace_`. [Operations](operations.md) says how to use them.

      A histogram has `_bucket`, `_sum` and `_count`, a summary `_sum` and `_count` without quantiles. Counters begin at the start of
      the process. A metric with labels has no line for what never happened.

      This page is written from the tables in `Sources/Broker/Metrics/Metrics.swift` (`MILLRACE_WRITE_DOCS=1 swift test --filter
      MetricsDocsTests`); a test keeps it true, and another that a scrape has every metric and no other.

      \(sections.joined(separator: "\n"))
      """
  }
}
