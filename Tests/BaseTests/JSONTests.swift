import Testing

@testable import Base

@Suite("JSON")
struct JSONTests {
  @Test(
    "what is read is written as it was, without its spaces",
    arguments: [
      (#"{"version":1,"a":[1,-2,3],"b":{},"c":[],"d":null,"e":true,"f":false}"#, nil),
      (#" { "a" : [ 1 , 2 ] } "#, #"{"a":[1,2]}"#),
      (#""é\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\""#, #""éé😀/\b\f\n\r\t\"\\""#),
      (#""\u0001""#, nil), ("0", nil), ("-0", "0"), ("9223372036854775807", nil), ("1.5", nil), ("1e3", "1000.0"),
    ] as [(String, String?)])
  func roundTrip(text: String, written: String?) throws {
    #expect(String(decoding: try JSON(Array(text.utf8)).encoded, as: UTF8.self) == written ?? text)
  }

  @Test(
    "what is not JSON is refused",
    arguments: [
      "", " ", "{", "[", "[1,", "[1,]", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, "{1:2}", "tru", "nul", "01", "+1",
      ".5",
      "-", "1 2", "NaN", "Infinity", "0x10", #""a"#, #""\x""#, #""\u12""#, #""\ud800""#, #""\ud800\u0041""#,
      #""\u+123""#,
      "\"\u{1}\"", "'a'", "1e999", String(repeating: "[", count: 100_000),
    ])
  func refused(text: String) {
    #expect(throws: JSONError.self, "\(text.prefix(40))") { try JSON(Array(text.utf8)) }
  }

  @Test("arbitrary bytes are read or refused, never a trap", arguments: 1...10)
  func arbitrary(seed: UInt64) {
    var random = Numbers(state: seed)
    let alphabet = Array(#"{}[]",:\u01e-.truefalsn "#.utf8) + [0xFF, 0xC3, 0]
    var read = 0
    for _ in 0..<2000 {
      let bytes = (0..<Int(random.next() % 24)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
      if let value = try? JSON(bytes) {
        read += 1
        #expect((try? JSON(value.encoded)) == value, "seed \(seed): \(bytes)")
      }
    }
    #expect(read > 0)
  }
}

/// Knuth's 64-bit linear congruential generator, its upper half.
struct Numbers: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 32
  }
}
