import Base
import Testing

@testable import Security

/// The exchange in all orders of events: nobody is let in who has not said the right thing at the right place.
@Suite struct SaslExchangeTests {
  private static let alice = ScramCredential(
    .sha256, saltedPassword: ScramHash.sha256.salted("secret", salt: [1, 2], iterations: 4096), salt: [1, 2],
    iterations: 4096)

  private static var rules: SaslRules {
    var rules = SaslRules([.plain, .scramSHA256])
    rules.users = ["bob": Secret("builder")]
    rules.credential = { hash, user in hash == .sha256 && user == "alice" ? alice : nil }
    rules.unknownUserKey = [7]
    return rules
  }

  private func step(_ exchange: inout SaslExchange, _ event: SaslExchange.Event) -> SaslExchange.Action {
    exchange.step(event, Self.rules, wallMs: 1_000, nonce: { "nonce" })
  }

  private static func plain(_ user: String, _ password: String) -> [UInt8] {
    [0] + Array(user.utf8) + [0] + Array(password.utf8)
  }

  @Test func plainTakesOneMessage() {
    var exchange = SaslExchange()
    #expect(step(&exchange, .versions) == .answerVersions)
    #expect(step(&exchange, .handshake("PLAIN", version: 1)) == .agree)
    #expect(
      step(&exchange, .authenticate(Self.plain("bob", "builder")))
        == .authenticated(
          Authentication(principal: Principal(name: "bob"), mechanism: .plain, lifetimeMs: nil), final: []))
  }

  @Test func afterVersion0MessagesAreRaw() {
    var exchange = SaslExchange()
    #expect(step(&exchange, .handshake("PLAIN", version: 0)) == .agree)
    #expect(exchange.expectsRaw)
    guard case .authenticated = step(&exchange, .raw(Self.plain("bob", "builder"))) else {
      Issue.record("the right password was refused")
      return
    }
    #expect(!exchange.expectsRaw)
  }

  @Test(arguments: [
    ("bob", "builders"), ("bob", ""), ("", "builder"), ("alice", "secret"), ("nobody", ""), ("nobody", "x"),
  ])
  func aWrongPasswordFailsAndNothingFollows(_ user: String, _ password: String) {
    var exchange = SaslExchange()
    _ = step(&exchange, .handshake("PLAIN", version: 1))
    guard case .fail(.authenticationFailed, _, _) = step(&exchange, .authenticate(Self.plain(user, password))) else {
      Issue.record("\(user) with \(password) was not refused")
      return
    }
    guard case .close = step(&exchange, .authenticate(Self.plain("bob", "builder"))) else {
      Issue.record("a second try was allowed")
      return
    }
  }

  @Test func aMechanismThatIsNotEnabledIsRefused() {
    for name in ["GSSAPI", "SCRAM-SHA-512", "plain", "", "PLAIN "] {
      var exchange = SaslExchange()
      guard case .disagree = step(&exchange, .handshake(name, version: 1)) else {
        Issue.record("\(name) was agreed to")
        continue
      }
    }
  }

  @Test func aClientThatAuthenticatesAgainKeepsItsMechanismAndItsName() {
    let before = Authentication(principal: Principal(name: "alice"), mechanism: .plain, lifetimeMs: 1)
    var exchange = SaslExchange(again: before)
    guard case .close = step(&exchange, .handshake("SCRAM-SHA-256", version: 1)) else {
      Issue.record("another mechanism")
      return
    }
    exchange = SaslExchange(again: before)
    _ = step(&exchange, .handshake("PLAIN", version: 1))
    guard case .fail(.authenticationFailed, _, _) = step(&exchange, .authenticate(Self.plain("bob", "builder"))) else {
      Issue.record("another principal")
      return
    }
  }

  @Test func theSessionEndsWithTheLimitOrTheToken() {
    var rules = Self.rules
    rules.maxReauthMs = [.plain: 5_000]
    var exchange = SaslExchange()
    _ = exchange.step(.handshake("PLAIN", version: 1), rules, wallMs: 0, nonce: { "" })
    guard
      case .authenticated(let who, _) = exchange.step(
        .authenticate(Self.plain("bob", "builder")), rules, wallMs: 0, nonce: { "" })
    else {
      Issue.record("the right password was refused")
      return
    }
    #expect(who.lifetimeMs == 5_000)
  }

  @Test(arguments: 0..<200) func nobodyIsLetInByAnyOrderOfEvents(_ seed: Int) {
    let faults = faults(seed: seed)
    #expect(faults.isEmpty, "\(faults)")
  }

  #if DEBUG
  @Test(arguments: [PlantedFault.goesOnAfterAFailure, .acceptsAnyPassword])
  func anExchangeThatLetsSomebodyInIsFound(_ fault: PlantedFault) {
    let finds = PlantedFault.planted(fault) { (0..<200).contains { !faults(seed: $0).isEmpty } }
    #expect(finds, "no seed of 200 finds \(fault)")
  }
  #endif

  /// Draws events at random, right ones often, and holds the exchange against what was said.
  ///
  /// - Returns: where it did what it must not.
  private func faults(seed: Int) -> [String] {
    var faults: [String] = []
    var random = SplitMix(seed: UInt64(seed))
    for round in 0..<50 {
      var exchange = SaslExchange()
      var said: [String] = []
      // What would be right next: the model of the exchange.
      var agreed: (mechanism: String, isRaw: Bool)?
      var client: ScramClient?
      var scramMessage: [UInt8]?
      var isOver = false
      for _ in 0..<8 {
        let isRawTurn = Bool.random(using: &random)
        let event: SaslExchange.Event
        var isRight = false
        switch Int.random(in: 0..<8, using: &random) {
        case 0: event = .versions
        case 1: event = .other
        case 2, 3:
          let name = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "x"].randomElement(using: &random)!
          event = .handshake(name, version: isRawTurn ? 0 : 1)
        case 4, 5:
          isRight = agreed?.mechanism == "PLAIN" && agreed?.isRaw == isRawTurn && !isOver
          let message = Self.plain("bob", "builder")
          event = isRawTurn ? .raw(message) : .authenticate(message)
        case 6:
          let message = scramMessage ?? Array("n,,n=alice,r=abc".utf8)
          isRight =
            agreed?.mechanism == "SCRAM-SHA-256" && agreed?.isRaw == isRawTurn && scramMessage != nil && !isOver
            && client != nil
          event = isRawTurn ? .raw(message) : .authenticate(message)
        default:
          let isNoise = Bool.random(using: &random)
          let message =
            isNoise
            ? (0..<Int.random(in: 0..<20, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            : Self.plain("bob", "wrong")
          event = isRawTurn ? .raw(message) : .authenticate(message)
        }
        said.append("\(event)".prefix(60).description)
        let wasOver = isOver
        let action = step(&exchange, event)
        switch action {
        case .answerVersions:
          if wasOver || agreed != nil { faults.append("seed \(seed) round \(round): \(said)") }
        case .agree:
          if wasOver || agreed != nil { faults.append("seed \(seed) round \(round): \(said)") }
          guard case .handshake(let name, let version) = event else { continue }
          agreed = (name, version == 0)
          if name == "SCRAM-SHA-256" {
            client = ScramClient(.sha256, user: "alice", password: Secret("secret"), nonce: "abc")
            scramMessage = client?.first
          }
        case .challenge(let bytes): scramMessage = try? client?.step(bytes)
        case .authenticated(let who, _):
          if !isRight { faults.append("seed \(seed) round \(round) let \(who.principal) in: \(said)") }
          isOver = true
        case .fail, .disagree, .close: isOver = true
        }
        if wasOver {
          var isRefusal = false
          switch action {
          case .close, .fail: isRefusal = true
          default: break
          }
          if !isRefusal { faults.append("seed \(seed) round \(round): something followed the end: \(said)") }
        }
      }
    }
    return faults
  }
}
