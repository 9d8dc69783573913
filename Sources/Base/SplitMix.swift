/// A small seeded generator (SplitMix64, Steele, Lea and Flood 2014): the same seed gives the same numbers on every
/// machine, which the standard library's generator does not promise. Not for secrets.
package struct SplitMix: RandomNumberGenerator, Sendable {
  @usableFromInline var state: UInt64

  @inlinable
  package init(seed: UInt64) { state = seed }

  @inlinable
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mixed(state)
  }

  /// SplitMix64's finaliser: each bit of the result depends on each bit of `value`.
  @inlinable @inline(__always)
  package static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number below `bound`, without the division of `Int.random`; the bias is below bound / 2^64.
  @inlinable
  package mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

  @inlinable
  package mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }
}
