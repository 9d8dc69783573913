/// Wall clock times as text, without a calendar of the system: the proleptic Gregorian calendar, which has no leap seconds.
package enum UTCTime {
  /// Returns `2026-01-31T12:00:00.000Z`.
  ///
  /// - Parameter ms: milliseconds since 1970.
  package static func text(ofMs ms: Int64) -> String {
    let dayMs: Int64 = 86_400_000
    var days = ms / dayMs
    var rest = ms % dayMs
    if rest < 0 {
      rest += dayMs
      days -= 1
    }
    let (year, month, day) = date(ofDay: days)
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    let time = "\(padded(rest / 3_600_000, 2)):\(padded(rest / 60_000 % 60, 2)):\(padded(rest / 1000 % 60, 2))"
    return "\(date)T\(time).\(padded(rest % 1000, 3))Z"
  }

  /// Worked case: day 0 is 1970-01-01. Counted from 0000-03-01 a leap day is the last of its year, so that months of a year have fixed lengths:
  /// 153 days are five of them, and 146,097 days are 400 years.
  private static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}
