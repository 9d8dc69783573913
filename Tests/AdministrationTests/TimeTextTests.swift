import Testing

@testable import Administration

struct TimeTextTests {
  @Test(
    "times are UTC unless a zone follows, with or without fractions",
    arguments: [
      ("1970-01-01T00:00:00", 0), ("1970-01-01T00:00:00.5Z", 500), ("2024-02-29T12:34:56.789Z", 1_709_210_096_789),
      ("2000-03-01T00:00:00.123456", 951_868_800_123), ("1970-01-01T02:30:00+02:30", 0),
      ("1969-12-31T19:00:00-0500", 0), ("1969-12-31T23:59:59", -1000), ("2100-01-01T00:00:00", 4_102_444_800_000),
    ] as [(String, Int64)])
  func datetime(text: String, milliseconds: Int64) {
    #expect(TimeText.milliseconds(datetime: text) == milliseconds)
  }

  @Test(
    "what is no time is refused",
    arguments: [
      "", "2024-02-30T00:00:00", "2023-02-29T00:00:00", "2024-13-01T00:00:00", "2024-01-01", "2024-01-01T24:00:00",
      "2024-01-01T00:00:00.", "2024-01-01T00:00:00+2", "2024-01-01T00:00:00Zx", "0000-01-01T00:00:00",
      "2024-01-01 00:00:00", "２024-01-01T00:00:00",
    ])
  func noDatetime(text: String) { #expect(TimeText.milliseconds(datetime: text) == nil) }

  @Test(
    "durations are days, hours, minutes and seconds",
    arguments: [
      ("P7D", 604_800_000), ("PT1H30M", 5_400_000), ("P1DT2H3M4.5S", 93_784_500), ("PT0S", 0), ("PT90M", 5_400_000),
    ] as [(String, Int64)])
  func duration(text: String, milliseconds: Int64) {
    #expect(TimeText.milliseconds(duration: text) == milliseconds)
  }

  @Test(
    "what is no duration is refused",
    arguments: ["", "P", "PT", "P1", "1D", "P1H", "PT1D", "PT1M1H", "P1DT", "P1.5D", "PT-1S", "P99999999999999999D"])
  func noDuration(text: String) { #expect(TimeText.milliseconds(duration: text) == nil) }
}
