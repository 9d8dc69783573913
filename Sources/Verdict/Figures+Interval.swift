package import Experiment

extension Figures {
  /// `2.31 [2.20, 2.40]`.
  package static func interval(_ estimate: Estimate, suffix: String = "") -> String {
    "\(text(estimate.value))\(suffix) [\(text(estimate.low)), \(text(estimate.high))]"
  }

  /// `551 M/s` and `[540 M, 560 M]`, `0.2 ms` and `[0.1, 0.4]`: the unit once, where all three are told in the same.
  package static func amounts(_ estimate: Estimate, unit: String) -> (value: String, interval: String) {
    let all = [estimate.value, estimate.low, estimate.high].map { amount($0, unit: unit) }
    let endings = Set(all.map { $0.drop { $0 != " " } })
    let shared = endings.count == 1 ? endings.first?.count ?? 0 : 0
    return (all[0], "[\(all[1].dropLast(shared)), \(all[2].dropLast(shared))]")
  }
}
