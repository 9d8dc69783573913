import Model
import NIOCore
import Security
import Testing
import Wire

@testable import Broker

/// Credentials of SCRAM by their two requests, and a client that logs in with one.
@Suite("SCRAM credentials")
struct ScramCredentialTests {
  private typealias Alter = AlterUserScramCredentialsRequest

  private static func upsertion(
    _ user: String, _ hash: ScramHash, iterations: Int = 4096, password: String = "secret", mechanism: Int8? = nil
  ) -> Alter.Upsertion {
    .with {
      $0.name = user
      $0.mechanism = mechanism ?? hash.rawValue
      $0.iterations = Int32(iterations)
      $0.salt = ByteBuffer(bytes: [1, 2, 3])
      $0.saltedPassword = ByteBuffer(bytes: hash.salted(password, salt: [1, 2, 3], iterations: iterations))
    }
  }

  private static func altered(
    _ client: TestClient, _ upsertions: [Alter.Upsertion], deleting: [(String, Int8)] = []
  ) throws -> [String: ErrorCode] {
    let response = try client.ask(
      Alter.with {
        $0.upsertions = upsertions
        $0.deletions = deleting.map { deletion in .with { ($0.name, $0.mechanism) = deletion } }
      }, version: 0)
    return Dictionary(response.results.map { ($0.user, $0.errorCode) }) { first, _ in first }
  }

  private static func described(_ client: TestClient, _ users: [String]?) throws -> [String: [Int8]] {
    let response = try client.ask(
      DescribeUserScramCredentialsRequest.with { $0.users = users?.map { name in .with { $0.name = name } } },
      version: 0)
    return Dictionary(
      response.results.map { ($0.user, $0.errorCode == .none ? $0.credentialInfos.map(\.mechanism) : []) }
    ) { first, _ in first }
  }

  @Test("are set, listed, kept over a restart and removed")
  func life() throws {
    try withBroker { broker in
      let client = try broker.connect()
      #expect(
        try Self.altered(
          client, [Self.upsertion("a b", .sha256), Self.upsertion("a b", .sha512), Self.upsertion("c", .sha256)])
          == ["a b": .none, "c": .none])
      #expect(try Self.described(client, nil) == ["a b": [1, 2], "c": [1]])
      #expect(try Self.described(client, ["a b", "nobody"]) == ["a b": [1, 2], "nobody": []])
      #expect(try Self.altered(client, [], deleting: [("a b", 1), ("c", 1)]) == ["a b": .none, "c": .none])
      #expect(try Self.described(client, nil) == ["a b": [2]])
      #expect(try Self.altered(client, [], deleting: [("a b", 1)]) == ["a b": .resourceNotFound])
    }
  }

  @Test("that make no sense are refused, and none of their user's is set")
  func refused() throws {
    try withBroker { broker in
      let client = try broker.connect()
      #expect(
        try Self.altered(
          client,
          [
            Self.upsertion("few", .sha256, iterations: 4095), Self.upsertion("many", .sha256, iterations: 16_385),
            Self.upsertion("", .sha256), Self.upsertion("unknown", .sha256, mechanism: 7),
            Self.upsertion("twice", .sha256), Self.upsertion("twice", .sha256), Self.upsertion("half", .sha512),
            Self.upsertion("half", .sha256, iterations: 1), Self.upsertion("short", .sha256, mechanism: 2),
            Self.upsertion("good", .sha256),
          ])
          == [
            "few": .unacceptableCredential, "many": .unacceptableCredential, "": .unacceptableCredential,
            "unknown": .unsupportedSaslMechanism, "twice": .duplicateResource, "half": .unacceptableCredential,
            "short": .unacceptableCredential, "good": .none,
          ])
      #expect(try Self.described(client, nil) == ["good": [1]])
    }
  }

  @Test("let their user in at once, on another listener")
  func login() throws {
    try withBroker([
      "listeners": "PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "SCRAM-SHA-512",
      "inter.broker.listener.name": "PLAINTEXT",
    ]) { broker in
      let admin = try broker.connect()
      #expect(try Self.altered(admin, [Self.upsertion("alice", .sha512)]) == ["alice": .none])
      let port = try #require(broker.running.listeners.first { $0.name == "SASL_PLAINTEXT" }).port
      for (password, isRight) in [("secret", true), ("Secret", false)] {
        let client = try TestClient(port: port)
        let begun = try client.ask(SaslHandshakeRequest.with { $0.mechanism = "SCRAM-SHA-512" }, version: 1)
        #expect(begun.errorCode == .none && begun.mechanisms == ["SCRAM-SHA-512"])
        var scram = ScramClient(.sha512, user: "alice", password: Secret(password), nonce: "n")
        let first = try client.ask(
          SaslAuthenticateRequest.with { $0.authBytes = ByteBuffer(bytes: scram.first) }, version: 2)
        let final = try #require(try scram.step(Array(first.authBytes.readableBytesView)))
        let last = try client.ask(SaslAuthenticateRequest.with { $0.authBytes = ByteBuffer(bytes: final) }, version: 2)
        guard isRight else {
          #expect(last.errorCode == .saslAuthenticationFailed)
          #expect(try client.isClosed())
          continue
        }
        #expect(try scram.step(Array(last.authBytes.readableBytesView)) == nil)
        #expect(try client.ask(MetadataRequest(), version: 9).brokers.count == 1)
        #expect(
          try client.ask(SaslHandshakeRequest.with { $0.mechanism = "PLAIN" }, version: 1).errorCode
            == .illegalSaslState)
      }
    }
  }
}
