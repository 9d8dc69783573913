/// Kafka's `uuid`: 16 raw bytes on the wire, 22 characters of unpadded base64url in text. Topic ids and the cluster id are such.
package struct UUID128: Hashable, Sendable {
  package var high: UInt64
  package var low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// All zero bits: "no id".
  package static let zero = UUID128(high: 0, low: 0)

  /// A random version 4 uuid. The caller brings the randomness, so that a simulation can own it.
  ///
  /// Kafka never hands out an id whose text starts with a dash, because command lines would take it for a flag; nor do we.
  package static func random(using generator: inout some RandomNumberGenerator) -> UUID128 {
    while true {
      let high = (generator.next() & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000
      let low = (generator.next() & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
      let id = UUID128(high: high, low: low)
      if !id.description.hasPrefix("-") { return id }
    }
  }
}

extension UUID128 {
  /// The form that Java prints, for example `ffffffff-0000-4000-8000-000000000000`: member ids end with it.
  package var hexadecimal: String {
    func digits(_ value: UInt64, _ range: Range<Int>) -> Substring {
      let text = String(value, radix: 16)
      let padded = String(repeating: "0", count: 16 - text.count) + text
      return padded.prefix(range.upperBound).suffix(range.count)
    }
    return [
      digits(high, 0..<8), digits(high, 8..<12), digits(high, 12..<16), digits(low, 0..<4), digits(low, 4..<16),
    ].joined(separator: "-")
  }
}

extension UUID128: CustomStringConvertible {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  /// Unpadded base64url, 22 characters.
  package var description: String {
    var out: [UInt8] = []
    out.reserveCapacity(22)
    // 128 bits are 21 groups of six and one of two, the last padded with zero bits.
    for index in 0..<22 {
      let value: UInt64
      let end = (index + 1) * 6
      switch end {
      case ...64: value = high >> UInt64(64 - end)
      case ..<70: value = high << UInt64(end - 64) | low >> UInt64(128 - end)
      case ...128: value = low >> UInt64(128 - end)
      default: value = low << UInt64(end - 128)
      }
      out.append(Self.alphabet[Int(value & 63)])
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// Reads what `description` writes; nil for anything else.
  package init?(_ text: some StringProtocol) {
    let characters = Array(text.utf8)
    guard characters.count == 22 else { return nil }
    var bits: (high: UInt64, low: UInt64) = (0, 0)
    for (index, character) in characters.enumerated() {
      guard let position = Self.alphabet.firstIndex(of: character) else { return nil }
      let width: UInt64 = index == 21 ? 2 : 6
      let value = index == 21 ? UInt64(position) >> 4 : UInt64(position)
      bits.high = bits.high << width | bits.low >> (64 - width)
      bits.low = bits.low << width | value
    }
    self.init(high: bits.high, low: bits.low)
  }
}

package typealias TopicID = UUID128
