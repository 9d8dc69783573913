import Base
import Testing

@testable import Security

/// SCRAM against the vector of RFC 7677, and against itself.
@Suite struct ScramTests {
  private static let password = Secret("pencil")
  private static let clientNonce = "rOprNGfwEbeRWgbNEkqO"
  private static let serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
  private static let salt = Base64.decode("W22ZaJ0SNY7soEsUEjb6gQ==")!

  private static func credential(_ hash: ScramHash, _ password: String = "pencil") -> ScramCredential {
    ScramCredential(
      hash, saltedPassword: hash.salted(password, salt: salt, iterations: 4096), salt: salt, iterations: 4096)
  }

  @Test func bothSidesSayWhatRFC7677Has() throws {
    var client = ScramClient(.sha256, user: "user", password: Self.password, nonce: Self.clientNonce)
    var server = ScramServer(.sha256, nonce: Self.serverNonce, unknownUserKey: [])
    #expect(client.first == Array("n,,n=user,r=rOprNGfwEbeRWgbNEkqO".utf8))
    guard case .challenge(let challenge) = server.step(client.first, { _ in Self.credential(.sha256) }) else {
      Issue.record("no challenge")
      return
    }
    #expect(
      String(decoding: challenge, as: UTF8.self)
        == "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    let final = try #require(try client.step(challenge))
    #expect(
      String(decoding: final, as: UTF8.self)
        == "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    guard case .authenticated("user", let last) = server.step(final, { _ in nil }) else {
      Issue.record("not authenticated")
      return
    }
    #expect(String(decoding: last, as: UTF8.self) == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    #expect(try client.step(last) == nil)
  }

  /// The outcome of a login, by the server.
  private func login(
    _ hash: ScramHash, user: String, with password: String, known: [String: ScramCredential],
    changing: (inout [UInt8]) -> Void = { _ in }
  ) throws -> ScramServer.Outcome {
    var client = ScramClient(hash, user: user, password: Secret(password), nonce: "abc")
    var server = ScramServer(hash, nonce: "def", unknownUserKey: [1, 2, 3])
    guard case .challenge(let challenge) = server.step(client.first, { known[$0] }) else { return .failed }
    guard var final = try client.step(challenge) else { return .failed }
    changing(&final)
    return server.step(final, { known[$0] })
  }

  @Test(arguments: ScramHash.allCases) func theRightPasswordIsKnownAndEveryOtherIsNot(_ hash: ScramHash) throws {
    let known = ["a,b=c": Self.credential(hash)]
    guard case .authenticated("a,b=c", _) = try login(hash, user: "a,b=c", with: "pencil", known: known) else {
      Issue.record("the right password of a name with a comma was refused")
      return
    }
    #expect(try login(hash, user: "a,b=c", with: "pencils", known: known) == .failed)
    #expect(try login(hash, user: "a,b=c", with: "", known: known) == .failed)
    #expect(try login(hash, user: "b", with: "pencil", known: known) == .failed)
  }

  @Test func aStrangerIsChallengedLikeAUserAndAlwaysTheSame() {
    func challenge(_ nonce: String) -> [UInt8] {
      var server = ScramServer(.sha256, nonce: nonce, unknownUserKey: [9])
      guard case .challenge(let bytes) = server.step(Array("n,,n=nobody,r=x".utf8), { _ in nil }) else { return [] }
      return bytes
    }
    #expect(!challenge("a").isEmpty)
    #expect(challenge("a") == challenge("a"))
  }

  @Test func noChangedMessageAuthenticates() throws {
    let known = ["user": Self.credential(.sha256)]
    var random = SplitMix(seed: 5)
    for round in 0..<500 {
      var isChanged = false
      let outcome = try login(.sha256, user: "user", with: "pencil", known: known) { message in
        let before = message
        let place = Int.random(in: 0..<message.count, using: &random)
        message[place] = UInt8.random(in: .min ... .max, using: &random)
        isChanged = before != message
      }
      guard isChanged, case .authenticated = outcome else { continue }
      Issue.record("round \(round): a changed message authenticated")
    }
  }

  @Test(arguments: [
    "", "n,,", "n,,n=user", "p=tls-unique,,n=user,r=x", "n,a=other,n=user,r=x", "n,,m=1,n=user,r=x", "n,,n=us=er,r=x",
    "n,,n=,r=x", "n,,n=user,r=", "n,,n=user,r=x,tokenauth=true", "\u{0}",
  ])
  func whatIsNoFirstMessageFails(_ message: String) {
    var server = ScramServer(.sha256, nonce: "x", unknownUserKey: [])
    #expect(server.step(Array(message.utf8), { _ in Self.credential(.sha256) }) == .failed)
    #expect(server.step(Array("n,,n=user,r=x".utf8), { _ in Self.credential(.sha256) }) == .failed, "it goes on")
  }

  /// The proof of a final message, by hand.
  private func outcome(ofNonce nonce: String) -> ScramServer.Outcome {
    let hash = ScramHash.sha256
    var server = ScramServer(hash, nonce: "def", unknownUserKey: [])
    guard
      case .challenge(let challenge) = server.step(Array("n,,n=user,r=abc".utf8), { _ in Self.credential(hash) })
    else { return .failed }
    let salted = hash.salted("pencil", salt: Self.salt, iterations: 4096)
    let key = hash.code(salted, Array("Client Key".utf8))
    let start = "c=biws,r=\(nonce)"
    let said = "n=user,r=abc,\(String(decoding: challenge, as: UTF8.self)),\(start)"
    let signature = hash.code(hash.hash(key), Array(said.utf8))
    let proof = Base64.encode(zip(key, signature).map { $0 ^ $1 })
    return server.step(Array("\(start),p=\(proof)".utf8), { _ in nil })
  }

  @Test func theServersNonceMustComeBackAndOldLibrdkafkasDoubledOneMay() {
    for nonce in ["abcdef", "abcabcdef"] {
      guard case .authenticated = outcome(ofNonce: nonce) else {
        Issue.record("\(nonce) was refused")
        continue
      }
    }
    for nonce in ["abc", "abcdeg", "abcabcdefg", "", "abcdefabcdef"] { #expect(outcome(ofNonce: nonce) == .failed) }
  }

  @Test func aServerThatDoesNotKnowThePasswordIsFoundOut() throws {
    var client = ScramClient(.sha256, user: "user", password: Self.password, nonce: "abc")
    let challenge = "r=abcdef,s=\(Base64.encode(Self.salt)),i=4096"
    _ = try client.step(Array(challenge.utf8))
    #expect(throws: SecurityError.self) { try client.step(Array("v=\(Base64.encode([1, 2, 3]))".utf8)) }
  }

  @Test(arguments: [
    "r=xyz,s=AA==,i=4096", "r=abc,s=AA==,i=4096", "r=abcd,s=AA==,i=999999999", "r=abcd,s=AA==,i=0", "e=no",
  ])
  func aChallengeThatIsNotAnAnswerIsRefused(_ challenge: String) {
    var client = ScramClient(.sha256, user: "user", password: Self.password, nonce: "abc")
    #expect(throws: SecurityError.self) { try client.step(Array(challenge.utf8)) }
  }

  @Test func aCredentialIsKeptInKafkasText() throws {
    for hash in ScramHash.allCases {
      let credential = Self.credential(hash)
      #expect(ScramCredential(hash, text: credential.text) == credential)
      #expect(credential.text.hasPrefix("salt=W22ZaJ0SNY7soEsUEjb6gQ==,stored_key="))
      #expect(credential.text.hasSuffix(",iterations=4096"))
    }
    #expect(ScramCredential(.sha512, text: Self.credential(.sha256).text) == nil)
    #expect(ScramCredential(.sha256, text: "salt=AA==,stored_key=AA==,server_key=AA==,iterations=4096") == nil)
    #expect(ScramCredential(.sha256, text: "nonsense") == nil)
  }
}
