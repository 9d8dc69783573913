import Glibc

/// How far a finding is from failing, on scales that can be held against each other: a ratio's 1.6 and a slope's −0.3 %
/// are no two numbers of one kind.
///
/// Always of the end of the interval that is nearer to the threshold; at 0 and below the finding does not hold.
/// - Beyond a threshold: the natural logarithm of the end over the threshold, so that 0.1 is about 10 % to spare.
/// - Within a band (around an expected ratio, around no slope, "at most so much worse"): the room that is left, as a share
///   of the whole room; 1 in the band's middle.
enum Margin {
  static func beyond(_ low: Double, _ threshold: Double) -> Double? {
    low > 0 && threshold > 0 ? log(low / threshold) : nil
  }

  /// Where lower is better.
  static func below(_ high: Double, _ threshold: Double) -> Double? {
    high > 0 && threshold > 0 ? log(threshold / high) : nil
  }

  /// Of an interval around `center`, both ends counted.
  static func within(_ effect: Estimate, around center: Double = 0, reach: Double) -> Double? {
    guard reach > 0 else { return nil }
    return (reach - max(center - effect.low, effect.high - center)) / reach
  }

  /// Of what may be somewhat worse than 1, but not below `threshold`: 1 where it is not worse at all.
  static func notWorse(_ low: Double, than threshold: Double) -> Double? {
    guard threshold < 1 else { return beyond(low, threshold) }
    return (low - threshold) / (1 - threshold)
  }

  /// Of a finding of several parts; a part without one has no say.
  static func least(_ parts: [Double?]) -> Double? { parts.compactMap(\.self).min() }
}

extension Verdict {
  /// The finding that is nearest to failing, which is the one a reader should see. One without a margin (what must never
  /// happen, and did not) is near nothing.
  static func closest(_ findings: [Finding]) -> Finding? {
    findings.filter { $0.margin != nil }.min { ($0.margin ?? .infinity) < ($1.margin ?? .infinity) } ?? findings.first
  }
}
