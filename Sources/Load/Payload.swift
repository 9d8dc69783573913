import Base
import CMillrace

/// Names the kind of data in a run's records.
package enum Corpus: Hashable, Sendable, CustomStringConvertible {
  /// JSON events with the same field names in every record, as services log them.
  case json
  /// Lines of a web server's log in combined format, with realistic paths, referrers and user agents.
  case accessLog
  /// Uniformly random bytes: no codec can shrink them.
  case random
  /// Independent symbols with `bits` of entropy per byte, 0 to 8.
  case entropy(bits: Double)

  package init?(_ text: String) {
    switch text {
    case "json": self = .json
    case "access-log": self = .accessLog
    case "random": self = .random
    default:
      guard text.hasPrefix("entropy:"), let bits = Double(text.dropFirst(8)), bits >= 0, bits <= 8 else { return nil }
      self = .entropy(bits: bits)
    }
  }

  package var description: String {
    switch self {
    case .json: "json"
    case .accessLog: "access-log"
    case .random: "random"
    case .entropy(let bits): bits == bits.rounded() ? "entropy:\(Int(bits))" : "entropy:\(bits)"
    }
  }

  package var stampForm: StampForm {
    switch self {
    case .json: .text(prefix: .json)
    case .accessLog: .text(prefix: .none)
    case .random, .entropy: .binary
    }
  }
}

/// Holds a pool of distinct record values of one size, made once from a seed and stamped in place for each use.
///
/// Making text costs a microsecond per record, too much at 10 million records per second. So some megabytes of values, more
/// than any codec's window, are made before the run, and each use writes a new stamp into the next value: no two records of a
/// run are equal. Owned by one event loop, as stamping writes to the pool.
final class Payload {
  let corpus: Corpus
  let recordSize: Int
  let count: Int
  private let bytes: UnsafeMutableRawPointer
  /// CRC-32C of each value without its stamp; continuing it over the stamp gives the checksum the stamp carries.
  let restCRCs: UnsafeMutablePointer<UInt32>

  /// Returns the smallest value size that can carry a stamp.
  package static func sizeMin(_ form: StampForm) -> Int {
    switch form {
    case .text(.none): StampField.size
    case .text(.json): 7 + StampField.size + 2
    case .binary: StampField.size + 8
    }
  }

  /// - Precondition: `recordSize` is at least 1. Below `sizeMin` the values carry no stamp and may not be stamped.
  init(corpus: Corpus, recordSize: Int, poolBytes: Int, seed: UInt64) {
    precondition(recordSize >= 1, "a record has at least one byte")
    self.corpus = corpus
    self.recordSize = recordSize
    count = max(Limits.poolRecordsMin, poolBytes / recordSize)
    bytes = .allocate(byteCount: count * recordSize, alignment: 64)
    restCRCs = .allocate(capacity: count)
    var random = SplitMix(seed: seed)
    fill(&random)
    let position = corpus.stampForm.position
    let isStamped = recordSize >= Self.sizeMin(corpus.stampForm)
    for index in 0..<count {
      guard isStamped else {
        restCRCs[index] = 0
        continue
      }
      let value = bytes + index * recordSize
      let after = position + StampField.size
      let before = millrace_crc32c(0, value, position)
      restCRCs[index] = millrace_crc32c(before, value + after, recordSize - after)
    }
  }

  deinit {
    bytes.deallocate()
    restCRCs.deallocate()
  }

  @inline(__always)
  func value(_ index: Int) -> UnsafeMutableRawPointer { bytes + index * recordSize }

  @inline(__always)
  func restCRC(_ index: Int) -> UInt32 { restCRCs[index] }

  /// Calls `body` with all values, one after the other.
  func withContents<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    withExtendedLifetime(self) { body(UnsafeRawBufferPointer(start: bytes, count: count * recordSize)) }
  }

  /// The Shannon entropy of the pool's bytes, in bits per byte, as a check of `entropy:BITS`.
  var entropyBitsPerByte: Double {
    var counts = [Int](repeating: 0, count: 256)
    withContents { for byte in $0 { counts[Int(byte)] += 1 } }
    let total = Double(count * recordSize)
    return counts.reduce(0) { sum, count in
      guard count > 0 else { return sum }
      let share = Double(count) / total
      return sum - share * Entropy.log2(share)
    }
  }

  private func fill(_ random: inout SplitMix) {
    let size = recordSize
    switch corpus {
    case .json:
      var maker = JSONEvents()
      for index in 0..<count {
        maker.write(to: UnsafeMutableRawBufferPointer(start: value(index), count: size), &random)
      }
    case .accessLog:
      var maker = AccessLog()
      for index in 0..<count {
        maker.write(to: UnsafeMutableRawBufferPointer(start: value(index), count: size), &random)
      }
    case .random:
      Entropy.fillUniformly(UnsafeMutableRawBufferPointer(start: bytes, count: count * size), &random)
    case .entropy(let bits):
      Entropy(bits: bits).fill(UnsafeMutableRawBufferPointer(start: bytes, count: count * size), &random)
    }
  }
}
