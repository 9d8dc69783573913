import Base
import Glibc

/// A seed and the numbers that follow from it, so that a failure prints what reproduces it.
package struct Seed: RandomNumberGenerator, CustomStringConvertible, Sendable {
  package let value: UInt64
  private var random: SplitMix

  package init(_ value: UInt64) {
    self.value = value
    random = SplitMix(seed: value)
  }

  /// A seed that no run had before; the environment's `MILLRACE_SEED`, if it is set, to see a failure again.
  package static var fresh: Seed {
    if let given = getenv("MILLRACE_SEED").flatMap({ UInt64(String(cString: $0)) }) { return Seed(given) }
    return Seed(UInt64.random(in: 1...999_999_999))
  }

  package static func some(_ count: UInt64) -> [Seed] { (1...count).map { Seed($0) } }

  package mutating func next() -> UInt64 { random.next() }

  package var description: String { "seed \(value)" }
}

extension Seed {
  package mutating func bytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { out, filled in
      for at in stride(from: 0, to: count, by: 8) {
        withUnsafeBytes(of: next()) { word in
          let part = min(8, count - at)
          UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(out)[at..<at + part])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: word.prefix(part)))
        }
      }
      filled = count
    }
  }

  /// `count` bytes between noise and one repeated word: what codecs meet.
  package mutating func payload(_ count: Int) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(count + 64)
    let word = bytes(Int.random(in: 1...40, using: &self))
    let noise = Double.random(in: 0...1, using: &self)
    while out.count < count {
      // Runs of some words each, so that there are fewer steps than words.
      if Double.random(in: 0...1, using: &self) < noise {
        out += bytes(32)
      } else {
        for _ in 0..<8 { out += word }
      }
    }
    return Array(out.prefix(count))
  }
}

extension Seed {
  /// Changes up to three places: a byte replaced, put in, taken out, or a bit turned over.
  package mutating func damage(_ bytes: inout [UInt8]) {
    for _ in 0..<Int.random(in: 0...3, using: &self) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &self)
      switch Int.random(in: 0...3, using: &self) {
      case 0: bytes[at] = UInt8.random(in: 0...255, using: &self)
      case 1: bytes.insert(UInt8.random(in: 0...255, using: &self), at: at)
      case 2: bytes.remove(at: at)
      default: bytes[at] ^= 1 << UInt8.random(in: 0...7, using: &self)
      }
    }
  }
}
