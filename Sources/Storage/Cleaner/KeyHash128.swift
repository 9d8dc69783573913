/// Hashes record keys to 128 bits: SipHash-2-4 with 128 bits of output (Aumasson and Bernstein 2012, and their reference code).
///
/// Compaction takes two keys with the same hash for one, and removes records of one of them; so that must not happen. Kafka uses MD5,
/// of which anybody can find two inputs with the same hash since 2004. SipHash is keyed: each cleaning draws its own 128 random bits,
/// and who does not know them can do no better than chance. Chance is small: of the 5 million keys that a buffer of 128 MiB has room
/// for, two have the same hash with a probability of 2^-84.
package struct KeyHash128: Sendable {
  /// A hash.
  package struct Digest: Hashable, Sendable {
    package var first: UInt64
    package var second: UInt64
  }

  private let key: (UInt64, UInt64)

  package init(key first: UInt64, _ second: UInt64) { key = (first, second) }

  package init(using random: inout some RandomNumberGenerator) { self.init(key: random.next(), random.next()) }

  /// Hashes `bytes`, which may be empty.
  package func digest(_ bytes: UnsafeRawBufferPointer) -> Digest {
    var state = State(key)
    let whole = bytes.count & ~7
    var at = 0
    while at < whole {
      state.take(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
      at += 8
    }
    // The last word has the bytes that are left, and the count of all in its top byte.
    var last = UInt64(truncatingIfNeeded: bytes.count) << 56
    while at < bytes.count {
      last |= UInt64(bytes[at]) << UInt64(8 * (at - whole))
      at += 1
    }
    state.take(last)
    return state.finish()
  }

  private struct State {
    var v0: UInt64, v1: UInt64, v2: UInt64, v3: UInt64

    init(_ key: (UInt64, UInt64)) {
      v0 = key.0 ^ 0x736F_6D65_7073_6575
      v1 = key.1 ^ 0x646F_7261_6E64_6F6D ^ 0xEE
      v2 = key.0 ^ 0x6C79_6765_6E65_7261
      v3 = key.1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always) mutating func take(_ word: UInt64) {
      v3 ^= word
      round()
      round()
      v0 ^= word
    }

    @inline(__always) mutating func finish() -> Digest {
      v2 ^= 0xEE
      fourRounds()
      let first = v0 ^ v1 ^ v2 ^ v3
      v1 ^= 0xDD
      fourRounds()
      return Digest(first: first, second: v0 ^ v1 ^ v2 ^ v3)
    }

    @inline(__always) private mutating func fourRounds() {
      round()
      round()
      round()
      round()
    }

    @inline(__always) private mutating func round() {
      v0 &+= v1
      v1 = v1 << 13 | v1 >> 51
      v1 ^= v0
      v0 = v0 << 32 | v0 >> 32
      v2 &+= v3
      v3 = v3 << 16 | v3 >> 48
      v3 ^= v2
      v0 &+= v3
      v3 = v3 << 21 | v3 >> 43
      v3 ^= v0
      v2 &+= v1
      v1 = v1 << 17 | v1 >> 47
      v1 ^= v2
      v2 = v2 << 32 | v2 >> 32
    }
  }
}
