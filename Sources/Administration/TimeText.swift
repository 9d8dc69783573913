/// Times and durations as Kafka's tools read them, without a calendar of the system.
package enum TimeText {
  /// Reads `YYYY-MM-DDThh:mm:ss.sss`, with or without fractions, and with `Z`, `+hh:mm`, `+hhmm` or nothing for UTC behind it.
  ///
  /// - Returns: milliseconds since 1970; nil for anything else.
  package static func milliseconds(datetime text: String) -> Int64? {
    var rest = Scanner(text)
    guard let year = rest.digits(4), rest.skip("-"), let month = rest.digits(2), rest.skip("-"),
      let day = rest.digits(2), rest.skip("T"), let hour = rest.digits(2), rest.skip(":"), let minute = rest.digits(2),
      rest.skip(":"), let second = rest.digits(2), let fraction = rest.fraction(), let zone = rest.zone(), rest.isAtEnd,
      year > 0, (1...12).contains(month), (1...daysIn(month, of: year)).contains(day), hour < 24, minute < 60,
      second < 60
    else { return nil }
    let days = daysBefore(year) + (1..<month).reduce(0) { $0 + daysIn($1, of: year) } + day - 1
    return ((days * 24 + hour) * 60 + minute - zone) * 60_000 + second * 1000 + fraction
  }

  /// Reads an ISO 8601 duration of days, hours, minutes and seconds: `P1DT2H3M4.5S`, `PT30M`.
  ///
  /// - Returns: milliseconds; nil for anything else, and for more than a thousand years.
  package static func milliseconds(duration text: String) -> Int64? {
    var rest = Scanner(text)
    guard rest.skip("P") else { return nil }
    var total: Int64 = 0
    var isEmpty = true
    func add(_ unit: Character, _ length: Int64) -> Bool {
      guard let (number, fraction) = rest.amount(before: unit) else { return true }
      // Only seconds have a fraction.
      guard fraction == 0 || unit == "S", number <= 1_000 * 366 * 86_400_000 / length else { return false }
      total += number * length + fraction
      isEmpty = false
      return true
    }
    guard add("D", 86_400_000) else { return nil }
    if rest.skip("T") {
      isEmpty = true
      guard add("H", 3_600_000), add("M", 60_000), add("S", 1000) else { return nil }
    }
    return isEmpty || !rest.isAtEnd ? nil : total
  }

  // MARK: The calendar

  private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  private static func daysIn(_ month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days from 1970 to a year's first day.
  private static func daysBefore(_ year: Int64) -> Int64 {
    let last = year - 1
    return last * 365 + last / 4 - last / 100 + last / 400 - 719_162
  }
}

/// Reads a short text from its front.
private struct Scanner {
  private var rest: Substring

  init(_ text: String) { rest = text[...] }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func skip(_ character: Character) -> Bool {
    guard rest.first == character else { return false }
    rest.removeFirst()
    return true
  }

  /// A number of exactly so many digits.
  mutating func digits(_ count: Int) -> Int64? {
    let digits = rest.prefix(count)
    guard digits.count == count, digits.allSatisfy(\.isASCIIDigit) else { return nil }
    rest.removeFirst(count)
    return Int64(digits)
  }

  /// Milliseconds of a point and its digits; 0 without one, nil without digits behind it.
  mutating func fraction() -> Int64? {
    guard skip(".") else { return 0 }
    let digits = rest.prefix(while: \.isASCIIDigit)
    guard !digits.isEmpty else { return nil }
    rest.removeFirst(digits.count)
    return Int64((digits + "00").prefix(3))
  }

  /// Minutes east of UTC; nil where a zone is malformed.
  mutating func zone() -> Int64? {
    if isAtEnd || skip("Z") { return 0 }
    let isWest = rest.first == "-"
    guard skip("+") || skip("-"), let hours = digits(2) else { return nil }
    _ = skip(":")
    guard let minutes = digits(2), hours < 24, minutes < 60 else { return nil }
    return (hours * 60 + minutes) * (isWest ? -1 : 1)
  }

  /// A number, with its fraction in milliseconds, where `unit` follows it; nil, and nothing is read, otherwise.
  mutating func amount(before unit: Character) -> (Int64, fraction: Int64)? {
    var ahead = self
    let digits = ahead.rest.prefix(while: \.isASCIIDigit)
    guard let number = Int64(digits) else { return nil }
    ahead.rest.removeFirst(digits.count)
    guard let fraction = ahead.fraction(), ahead.skip(unit) else { return nil }
    self = ahead
    return (number, fraction)
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { isASCII && isNumber }
}
