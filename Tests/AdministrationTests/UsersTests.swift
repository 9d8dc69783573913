import Security
import Testing

@testable import Administration

@Suite("SCRAM credentials of users")
struct UsersTests {
  @Test("are set with a mechanism in any case, and Kafka's bounds of iterations")
  func accepted() throws {
    let setting = try ScramSetting(mechanism: "scram-sha-512", iterations: 4096, password: "a secret")
    #expect(setting.mechanism == .sha512 && setting.iterations == 4096)
    #expect(try ScramSetting(mechanism: "SCRAM-SHA-256", iterations: 16_384, password: "x").mechanism == .sha256)
    #expect("\(setting)".contains("a secret") == false, "a password is in no description")
  }

  @Test(
    "that no broker would take are refused before it is asked",
    arguments: [
      ("SCRAM-SHA-1", 4096, "x", "--mechanism SCRAM-SHA-1"), ("PLAIN", 4096, "x", "SCRAM-SHA-256 or SCRAM-SHA-512"),
      ("SCRAM-SHA-256", 4095, "x", "--iterations 4095: 4096 to 16384"),
      ("SCRAM-SHA-256", 16_385, "x", "--iterations 16385"), ("SCRAM-SHA-256", 4096, "", "the password is empty"),
    ])
  func refused(mechanism: String, iterations: Int, password: String, words: String) {
    let error = #expect(throws: AdministrationError.self) {
      try ScramSetting(mechanism: mechanism, iterations: iterations, password: password)
    }
    #expect(error?.isOfArguments == true && "\(error as Any)".contains(words), "\(error as Any)")
  }
}
