import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures

@Suite("Definitions of heat maps and exponents")
struct HeatMapDefinitionTests {
  private func chart(_ text: String) throws -> Experiment {
    try Sample.experiment {
      $0.replacingOccurrences(of: "{title: A chart, x: size, y: mb_per_s, series: [arm],", with: text)
    }
  }

  @Test("a heat map needs two arms and two factors, and says so")
  func heatMap() throws {
    let read = try chart(
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, series: [colour], arms: [new, old],")
    #expect(read.charts[0].kind == .heatmap && read.charts[0].arms == ["new", "old"])
    for wrong in [
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, series: [colour], arms: [new],",
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, series: [size], arms: [new, old],",
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, arms: [new, old],",
      "{title: A chart, kind: heatmap, x: size, y: mb_per_s, series: [colour], panels: arm, arms: [new, old],",
    ] {
      let error = #expect(throws: DefinitionError.self, "\(wrong)") { try chart(wrong) }
      #expect(error?.message.contains("heat map") == true)
    }
  }

  @Test("an exponent needs a sweep, and a tolerance or a threshold but not both")
  func exponent() throws {
    func experiment(_ rule: String, sweep: Bool = true) throws -> Experiment {
      try Sample.experiment {
        $0.replacingOccurrences(of: "    kind: ratio\n", with: "    kind: exponent\n")
          .replacingOccurrences(of: "    threshold: 1.5\n", with: rule)
          .replacingOccurrences(of: "fixed:\n", with: (sweep ? "sweep: {stored: [1, 2, 4]}\n" : "") + "fixed:\n")
      }
    }
    #expect(try experiment("    tolerance: 0.02\n").verdicts[0].kind == .exponent)
    #expect(try experiment("    threshold: 0\n").verdicts[0].threshold == 0)
    for (rule, sweep) in [
      ("", true), ("    tolerance: 0.02\n    threshold: 0\n", true), ("    tolerance: 0.02\n", false),
    ] {
      #expect(throws: DefinitionError.self, "\(rule)") { try experiment(rule, sweep: sweep) }
    }
  }
}
