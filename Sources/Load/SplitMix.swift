/// A small seeded generator (SplitMix64, Steele, Lea and Flood 2014): the same seed gives the same records on every
/// machine, which the standard library's generator does not promise.
package struct SplitMix: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mixed(state)
  }

  /// SplitMix64's finaliser: each bit of the result depends on each bit of `value`.
  @inline(__always)
  static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number below `bound`. The bias of the multiplication is below 2^-32 for the bounds used here.
  mutating func below(_ bound: Int) -> Int {
    Int((next() >> 32 &* UInt64(bound)) >> 32)
  }

  mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }
}
