import Testing

@testable import Load

@Suite("Numbers for people")
struct NumberTests {
  @Test("a rate is never cut off, and has decimals where they matter")
  func rate() {
    let shown: [(Double, String)] = [
      (0, "0.00"), (0.5, "0.50"), (1.99998, "2.00"), (2.999, "3.00"), (99.994, "99.99"), (99.996, "100"), (100, "100"),
      (1999.6, "2,000"), (1_234_567.8, "1,234,568"), (1e300, "\(1e300)"), (.infinity, "-"), (.nan, "-"),
    ]
    for (value, text) in shown { #expect(Number.rate(value) == text, "\(value)") }
  }
}
