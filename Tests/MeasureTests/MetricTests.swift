import Foundation
import Testing

@testable import Measure

@Suite("Metrics")
struct MetricTests {
  @Test("every constant is in the catalogue, once")
  func catalogue() throws {
    let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources/Measure")
    let constants = try ["Metric+Catalogue", "Metric+Cluster"].reduce(0) { count, name in
      let text = try String(contentsOf: directory.appending(path: "\(name).swift"), encoding: .utf8)
      return count
        + text.split(separator: "\n").count { $0.hasPrefix("  package static let ") && $0.contains("= Metric(") }
    }
    #expect(constants == Metric.catalogue.count)
    #expect(Set(Metric.catalogue.map(\.name)).count == Metric.catalogue.count)
  }

  @Test("more is better of a rate, less of a latency, a cost and a fault, and neither of what a run was given")
  func directions() {
    for metric in Metric.catalogue {
      switch metric.kind {
      case .rate: #expect(metric.direction == .more, "\(metric)")
      case .latency, .cost, .fault: #expect(metric.direction == .less, "\(metric)")
      case .amount: #expect(metric.direction == .neither, "\(metric)")
      case .quality, .circumstance: break
      }
    }
    #expect(Metric.named("hit_ratio")?.direction == .more)
    #expect(Metric.named("mb_per_second") == nil)
  }

  @Test("a figure that is missing is an error, and not 0")
  func missing() {
    let figures: [String: Double] = ["bytes": 0]
    #expect(throws: Never.self) { try #expect(figures.required(.bytes) == 0) }
    #expect(throws: MissingFigure(metric: .seconds)) { try figures.required(.seconds) }
  }
}
