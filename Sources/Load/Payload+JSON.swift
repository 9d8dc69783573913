import Base

/// Makes JSON events: the field names repeat from record to record, most values come from small sets, some are ids and
/// numbers that do not repeat. Batch compression is claimed to use this redundancy across messages.
struct JSONEvents {
  private var time = 1_763_827_200_000  // ms since 1970; events follow each other by a few ms

  /// Writes one event of exactly `out.count` bytes, with room for the stamp after its prefix.
  mutating func write(to out: UnsafeMutableRawBufferPointer, _ random: inout SplitMix) {
    time += random.below(40)
    var line = StampForm.StaticPrefix.json.bytes
    line.append(contentsOf: [UInt8](repeating: UInt8(ascii: "-"), count: StampField.size))
    line.append(UInt8(ascii: "\""))
    for field in fields(&random) {
      // The rest must still hold the closing note, or exactly the closing brace.
      guard line.count + field.utf8.count + Self.noteOverhead <= out.count else { break }
      line.append(contentsOf: field.utf8)
    }
    close(&line, at: out.count, &random)
    line.withUnsafeBytes { out.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(out.count))) }
  }

  /// `,"note":""}`
  private static let noteOverhead = 11

  private func fields(_ random: inout SplitMix) -> [String] {
    let user = 1_000_000 + random.below(9_000_000)
    return [
      ",\"event\":\"\(random.pick(Self.events))\"",
      ",\"user_id\":\(user)",
      ",\"page\":\"\(random.pick(Vocabulary.paths))\"",
      ",\"country\":\"\(random.pick(Self.countries))\"",
      ",\"duration_ms\":\(random.below(5000))",
      ",\"timestamp\":\(time)",
      ",\"device\":\"\(random.pick(Self.devices))\"",
      ",\"session_id\":\"\(hex(random.next(), 16))\"",
      ",\"referrer\":\"\(random.pick(Vocabulary.referrers))\"",
      ",\"user_agent\":\"\(random.pick(Vocabulary.userAgents))\"",
      ",\"experiment\":\"\(random.pick(Self.experiments))\"",
      ",\"cart_value_cents\":\(random.below(50_000))",
      ",\"is_logged_in\":\(random.below(3) > 0)",
      ",\"request_id\":\"\(hex(random.next(), 16))\(hex(random.next(), 16))\"",
    ]
  }

  /// Fills the event with a note of words, or, without room for one, with spaces.
  private func close(_ line: inout [UInt8], at size: Int, _ random: inout SplitMix) {
    var room = size - line.count - Self.noteOverhead
    guard room >= 0 else {
      while line.count < size - 1 { line.append(UInt8(ascii: " ")) }
      line.append(UInt8(ascii: "}"))
      return
    }
    line.append(contentsOf: #","note":""#.utf8)
    while room > 0 {
      let word = Array(random.pick(Vocabulary.words).utf8.prefix(room))
      line.append(contentsOf: word)
      room -= word.count
      if room > 0 {
        line.append(UInt8(ascii: " "))
        room -= 1
      }
    }
    line.append(contentsOf: "\"}".utf8)
  }

  private static let events = [
    "page_view", "page_view", "page_view", "click", "click", "add_to_cart", "search", "purchase", "scroll", "sign_in",
  ]
  private static let countries = ["US", "US", "DE", "GB", "IN", "BR", "FR", "JP", "CA", "NL", "SE", "AU"]
  private static let devices = ["mobile", "mobile", "desktop", "tablet"]
  private static let experiments = ["checkout-v2:a", "checkout-v2:b", "ranking-7:control", "ranking-7:treatment"]
}

/// Formats the low `4 * digits` bits in lower-case hexadecimal.
func hex(_ value: UInt64, _ digits: Int) -> String {
  let text = String(value, radix: 16)
  return text.count >= digits
    ? String(text.suffix(digits)) : String(repeating: "0", count: digits - text.count) + text
}
