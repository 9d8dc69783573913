extension Level {
  private static let units = [
    "bytes": "B", "kib": "KiB", "mib": "MiB", "gib": "GiB", "mb": "MB", "gb": "GB", "ms": "ms", "s": "s",
    "percent": "%",
  ]

  /// A level as a legend names it: `batch 64 KiB` of `batch_bytes` 65536, `round trip 1 ms`, `4 partitions`, `queue depth 8`. A level that is a
  /// word says itself what it is.
  package func words(of factor: String) -> String {
    guard let number else { return text }
    var parts = factor.split(separator: "_").map(String.init)
    guard let last = parts.last else { return text }
    if parts.count > 1, let unit = Self.units[last] {
      parts.removeLast()
      let amount = unit == "B" ? Self.binary(number) : "\(text) \(unit)"
      return "\(parts.joined(separator: " ")) \(amount)"
    }
    // A plural counts: it stands behind its number.
    guard parts.count == 1, last.hasSuffix("s"), number >= 0, number == number.rounded() else {
      return "\(parts.joined(separator: " ")) \(text)"
    }
    return "\(text) \(number == 1 ? String(last.dropLast()) : last)"
  }

  /// Powers of two in units of 1024, others as they are: 128,000 was meant as that.
  private static func binary(_ bytes: Double) -> String {
    let isPower = bytes >= 1 && bytes.significand == 1
    for (unit, size) in [("GiB", 1_073_741_824.0), ("MiB", 1_048_576), ("KiB", 1024)] where isPower && bytes >= size {
      return "\(Figures.text(bytes / size)) \(unit)"
    }
    return "\(Figures.text(bytes)) B"
  }
}
