extension Statistics {
  /// When a series of interval rates counts as settled, after SNIA's Performance Test Specification (rolling window;
  /// excursion and slope against the window's average). The slope is robust; the deviation is not meant to be: a
  /// median of deviations would call a series that swings between two levels steady.
  package struct SteadinessLimits: Sendable, Equatable {
    /// Intervals in a window.
    package var window: Int
    /// The most a straight line through the window may climb or fall over its length, as a share of its median.
    package var slopeMax: Double
    /// The most the values may scatter: their mean distance from the median, as a share of it.
    package var deviationMax: Double

    package init(window: Int = 5, slopeMax: Double = 0.10, deviationMax: Double = 0.20) {
      precondition(window >= 3, "a window of \(window) shows no slope")
      self.window = window
      self.slopeMax = slopeMax
      self.deviationMax = deviationMax
    }
  }

  /// The first interval of the first settled window; nil when no window ever settles (or the series is too short).
  package static func settles(_ rates: [Double], limits: SteadinessLimits = SteadinessLimits()) -> Int? {
    guard rates.count >= limits.window else { return nil }
    return (0...(rates.count - limits.window)).first { start in
      isSettled(rates[start..<(start + limits.window)], limits: limits)
    }
  }

  private static func isSettled(_ window: ArraySlice<Double>, limits: SteadinessLimits) -> Bool {
    let values = Array(window)
    guard let center = median(values), center > 0 else { return false }
    guard let deviation = mean(values.map { abs($0 - center) }) else { return false }
    guard let slope = theilSen(values.enumerated().map { (x: Double($0.offset), y: $0.element) }) else { return false }
    guard abs(slope.value) * Double(values.count - 1) <= limits.slopeMax * center else { return false }
    return deviation <= limits.deviationMax * center
  }
}
