import Testing

@testable import Experiment

@Suite("Figures")
struct FiguresTests {
  @Test(
    "numbers are written with three digits, grouped, without exponents",
    arguments: [
      (0, "0"), (0.001234, "0.00123"), (1.2345, "1.23"), (12.345, "12.3"), (821_557, "822,000"), (1234, "1234"),
      (12345.6, "12,300"), (-3.14159, "−3.14"), (2_024_032, "2,020,000"), (100, "100"), (0.5, "0.500"),
    ] as [(Double, String)])
  func text(value: Double, shown: String) {
    #expect(Figures.text(value) == shown)
  }

  @Test("shares are written as per cents, with a sign on demand")
  func percent() {
    #expect(Figures.percent(0.0421) == "4.2 %" && Figures.percent(0.02, signed: true) == "+2 %")
    #expect(Figures.percent(-0.013, signed: true) == "−1.3 %" && Figures.percent(-0.0001) == "0 %")
    #expect(Figures.percent(0.0001, signed: true) == "0 %")
  }
}
