import Base
import Glibc

/// Makes independent symbols with a chosen Shannon entropy.
///
/// `n` symbols, all equally likely but one, whose share is found by bisection so that the entropy is exactly `bits`.
/// Unlike "some random bytes, then zeros", the redundancy is spread evenly: codecs without an entropy coder
/// (LZ4, snappy) rightly gain nothing from it.
struct Entropy {
  private let table: [UInt8]

  init(bits: Double) {
    precondition(bits >= 0 && bits <= 8, "entropy is 0 to 8 bits per byte, not \(bits)")
    let symbolCount = max(1, Int(exp2(bits).rounded(.up)))
    let rare = Self.rareShare(symbolCount, bits: bits)
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let symbols =
      symbolCount <= letters.count ? Array(letters.prefix(symbolCount)) : (0..<symbolCount).map { UInt8($0) }
    let rareEnd = Int((rare * 65536).rounded())
    table = (0..<65536).map { slot in
      if slot < rareEnd || symbolCount == 1 { return symbols[0] }
      return symbols[1 + (slot - rareEnd) * (symbolCount - 1) / (65536 - rareEnd)]
    }
  }

  func fill(_ out: UnsafeMutableRawBufferPointer, _ random: inout SplitMix) {
    table.withUnsafeBufferPointer { table in
      var index = 0
      while index < out.count {
        var word = random.next()
        for _ in 0..<min(4, out.count - index) {
          out[index] = table[Int(word & 0xFFFF)]
          word >>= 16
          index += 1
        }
      }
    }
  }

  static func fillUniformly(_ out: UnsafeMutableRawBufferPointer, _ random: inout SplitMix) {
    var index = 0
    while index + 8 <= out.count {
      out.storeBytes(of: random.next(), toByteOffset: index, as: UInt64.self)
      index += 8
    }
    var word = random.next()
    while index < out.count {
      out[index] = UInt8(truncatingIfNeeded: word)
      word >>= 8
      index += 1
    }
  }

  static func log2(_ value: Double) -> Double { Glibc.log2(value) }

  /// Returns the share of the rare symbol among `count`, at most 1/count, that gives `bits`.
  private static func rareShare(_ count: Int, bits: Double) -> Double {
    guard count > 1 else { return 1 }
    func entropy(_ rare: Double) -> Double {
      let other = (1 - rare) / Double(count - 1)
      return (rare > 0 ? -rare * log2(rare) : 0) - Double(count - 1) * other * log2(other)
    }
    var low = 0.0
    var high = 1 / Double(count)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if entropy(middle) < bits { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}
