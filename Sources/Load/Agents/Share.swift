/// One generator's part of a run that several share: `2/5` is the second of five.
package struct Share: Sendable, Equatable, CustomStringConvertible {
  /// From 0.
  package var index: Int
  package var count: Int

  package static let whole = Share(index: 0, count: 1)

  package init(index: Int, count: Int) {
    self.index = index
    self.count = count
  }

  /// Parses `I/N` with I from 1 to N; nil for anything else.
  package init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]),
      (1...Limits.sharesMax).contains(count),
      (1...count).contains(number)
    else { return nil }
    self.init(index: number - 1, count: count)
  }

  package var description: String { "\(index + 1)/\(count)" }

  /// This share of a number of records; the first shares get one more each where it does not divide.
  func part(of total: Int) -> Int { total / count + (index < total % count ? 1 : 0) }
}
