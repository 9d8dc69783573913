package import Experiment

extension Figures {
  /// `2.31 [2.20, 2.40]`.
  package static func interval(_ estimate: Estimate, suffix: String = "") -> String {
    "\(text(estimate.value))\(suffix) [\(text(estimate.low)), \(text(estimate.high))]"
  }
}
