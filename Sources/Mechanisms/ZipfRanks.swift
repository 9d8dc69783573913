import Base
import Glibc

/// Ranks 1...count with the probability of rank k in proportion to k^-exponent, by rejection-inversion (Hörmann and
/// Derflinger 1996): no table, so that a trace over millions of blocks costs no memory of the cache it tests.
struct ZipfRanks: Sendable {
  let count: Int
  let exponent: Double
  private let low: Double
  private let high: Double
  /// Within this of its rank a point is accepted without looking closer.
  private let shortcut: Double

  init(count: Int, exponent: Double) {
    precondition(count > 0 && exponent > 0 && exponent != 1, "Zipf of \(count) ranks with exponent \(exponent)")
    self.count = count
    self.exponent = exponent
    low = Self.integral(1.5, exponent) - 1
    high = Self.integral(Double(count) + 0.5, exponent)
    shortcut = 2 - Self.inverse(Self.integral(2.5, exponent) - pow(2, -exponent), exponent)
  }

  /// 1 is the most frequent.
  func next(_ random: inout SplitMix) -> Int {
    while true {
      let share = Double(random.next() >> 11) * 0x1p-53
      let area = high + share * (low - high)
      let x = Self.inverse(area, exponent)
      let rank = min(max(x.rounded(), 1), Double(count))
      if rank - x <= shortcut || area >= Self.integral(rank + 0.5, exponent) - pow(rank, -exponent) {
        return Int(rank)
      }
    }
  }

  /// The antiderivative of x^-s that is 0 at 1, and its inverse.
  private static func integral(_ x: Double, _ s: Double) -> Double { (pow(x, 1 - s) - 1) / (1 - s) }
  private static func inverse(_ y: Double, _ s: Double) -> Double { pow(max(0, 1 + y * (1 - s)), 1 / (1 - s)) }
}
