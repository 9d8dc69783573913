import Base

/// 0..<count in an order that looks random, each number once, without a table: place i is asked for by number, so many
/// threads can share one cursor. The same seed gives the same order.
///
/// Four Feistel rounds permute the smallest even number of bits that holds `count`; a result beyond `count` is permuted
/// again until it falls inside, which ends because the permutation is a cycle through `count`'s own numbers.
package struct ScatteredOrder: Sendable {
  package let count: Int
  private let half: UInt64
  private let mask: UInt64
  private let seed: UInt64

  package init(count: Int, seed: UInt64) {
    precondition(count > 0, "an order of \(count) places")
    self.count = count
    self.seed = seed
    let bits = 64 - UInt64(count - 1).leadingZeroBitCount
    half = UInt64(max(1, (bits + 1) / 2))
    mask = (1 << half) - 1
  }

  package subscript(place: Int) -> Int {
    precondition(place >= 0 && place < count, "place \(place) of \(count)")
    var value = UInt64(place)
    repeat { value = permuted(value) } while value >= UInt64(count)
    return Int(value)
  }

  private func permuted(_ value: UInt64) -> UInt64 {
    var (left, right) = (value >> half, value & mask)
    for round in 0..<4 as Range<UInt64> {
      (left, right) = (right, left ^ (SplitMix.mixed(right &+ seed &+ round << 56) & mask))
    }
    return left << half | right
  }
}
