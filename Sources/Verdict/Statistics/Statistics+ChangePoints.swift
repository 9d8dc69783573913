import Base
import Glibc

extension Statistics {
  /// When a change of level is believed.
  package struct ChangePointLimits: Sendable, Equatable {
    /// Values on each side of a change, at the least.
    package var segmentMin = 4
    /// Permutations a split is held against; the smallest p is one over one more.
    package var permutations = 199
    package var p = 0.02
    /// A change smaller than this share of the level before is not worth a word, however sure.
    package var sizeMin = 0.05
    /// Longer series are averaged down to this many values first: the search is of the square of it.
    package var valuesMax = 240

    package init() {}
  }

  /// A change of level within a series.
  package struct ChangePoint: Sendable, Equatable {
    /// The first index of the new level.
    package var index: Int
    /// Medians before and after.
    package var before: Double
    package var after: Double
    /// The share of permutations that have a split as good.
    package var p: Double
  }

  /// Every change of level in a series, first to last: hierarchical splitting by the energy statistic, each split held
  /// against seeded permutations of its own segment (Matteson and James, 2014: E-divisive, here with the absolute
  /// difference as the distance). No distribution is assumed, and the same seed gives the same answer.
  package static func changePoints(
    _ values: [Double], seed: UInt64, limits: ChangePointLimits = ChangePointLimits()
  ) -> [ChangePoint] {
    let size = max(1, (values.count + limits.valuesMax - 1) / limits.valuesMax)
    let merged = stride(from: 0, to: values.count, by: size).compactMap {
      mean(Array(values[$0..<min($0 + size, values.count)]))
    }
    var generator = SplitMix(seed: seed)
    var borders: [(index: Int, p: Double)] = []
    var open = [0..<merged.count]
    while let segment = open.popLast() {
      guard let split = split(merged[segment], limits, &generator) else { continue }
      borders.append((segment.lowerBound + split.index, split.p))
      open.append(segment.lowerBound..<(segment.lowerBound + split.index))
      open.append((segment.lowerBound + split.index)..<segment.upperBound)
    }
    borders.sort { $0.index < $1.index }
    let edges = [0] + borders.map(\.index) + [merged.count]
    return borders.enumerated().compactMap { place, border in
      guard let before = median(Array(merged[edges[place]..<border.index])),
        let after = median(Array(merged[border.index..<edges[place + 2]])),
        abs(after - before) >= limits.sizeMin * abs(before)
      else { return nil }
      return ChangePoint(index: border.index * size, before: before, after: after, p: border.p)
    }
  }

  /// The likeliest split of a segment, when few permutations of it have one as good.
  private static func split(
    _ segment: ArraySlice<Double>, _ limits: ChangePointLimits, _ generator: inout SplitMix
  ) -> (index: Int, p: Double)? {
    guard segment.count >= 2 * limits.segmentMin else { return nil }
    var values = Array(segment)
    let best = likeliest(values, limits.segmentMin)
    guard best.energy > 0 else { return nil }
    var asGood = 0
    // Enough as good ones, and the rest cannot make it believable any more.
    let most = Int(limits.p * Double(limits.permutations + 1))
    for _ in 0..<limits.permutations where asGood < most {
      values.shuffle(using: &generator)
      if likeliest(values, limits.segmentMin).energy >= best.energy { asGood += 1 }
    }
    let p = Double(asGood + 1) / Double(limits.permutations + 1)
    return p <= limits.p ? (best.index, p) : nil
  }

  /// Energy of a split in n and m values: n m / (n + m) times (twice the mean distance across, less the mean distances
  /// within). Moving the border on by one changes each of the three sums by the distances of one value.
  private static func likeliest(_ values: [Double], _ segmentMin: Int) -> (index: Int, energy: Double) {
    let count = values.count
    var across = 0.0, left = 0.0, right = 0.0
    for (index, value) in values.enumerated() {
      for other in values[(index + 1)...] { right += abs(value - other) }
    }
    var best = (index: segmentMin, energy: -Double.infinity)
    for border in 1..<count {
      let moved = values[border - 1]
      var toLeft = 0.0, toRight = 0.0
      for other in values[..<(border - 1)] { toLeft += abs(moved - other) }
      for other in values[border...] { toRight += abs(moved - other) }
      left += toLeft
      right -= toRight
      across += toRight - toLeft
      guard border >= segmentMin, count - border >= segmentMin else { continue }
      let (n, m) = (Double(border), Double(count - border))
      let energy = n * m / (n + m) * (2 * across / (n * m) - 2 * left / (n * n) - 2 * right / (m * m))
      if energy > best.energy { best = (border, energy) }
    }
    return best
  }
}
