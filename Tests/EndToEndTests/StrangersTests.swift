import Foundation
import Synchronization
import TestSupport
import Testing

/// A client that connects anew while strangers connect as fast as they can, through the programs.
@Suite("Beside strangers", .serialized)
struct StrangersTests {
  private enum Limits {
    /// Takes a second or so: the strangers must come to connect meanwhile.
    static let connections = 300
    /// An order above what is seen on two cores that others use, too (docs/security.md has the figures); a client whose SYN is dropped waits for
    /// a second at least.
    static let medianMs = 500.0
    static let longestMs = 5_000.0
    /// A stranger has so many connections open at a time; more makes room for itself by closing his oldest.
    static let strangersOpen = 2_000
    /// As many as the broker keeps of all strangers.
    static let crowd = 1_000
    /// Connections that could not be made, after which a stranger goes.
    static let failuresMax = 10_000
  }

  /// What strangers say when they have connected.
  private enum Words: CaseIterable {
    case nothing, garbage, handshake

    var bytes: [UInt8] {
      switch self {
      case .nothing: []
      case .garbage: [UInt8](repeating: 0x7F, count: 200)
      // The header of a TLS record that never comes whole.
      case .handshake: [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC]
      }
    }
  }

  /// Opens connections from an address of his own until he is let go, and closes none before he has too many.
  private final class Stranger: Sendable {
    private let isOver = Atomic(false)
    private let made = Atomic(0)
    private let crowd: AsyncStream<Void>

    init(port: UInt16, address: String) {
      let (crowd, hasCrowd) = AsyncStream<Void>.makeStream()
      self.crowd = crowd
      // A thread of its own: connecting blocks.
      Thread { [self] in
        var open: [RawSocket] = []
        var failures = 0
        while !isOver.load(ordering: .relaxed), failures < Limits.failuresMax {
          let words = Words.allCases[made.load(ordering: .relaxed) % Words.allCases.count]
          guard let socket = try? RawSocket(port: port, patienceSeconds: 1, from: address) else {
            failures += 1
            continue
          }
          words.bytes.withUnsafeBytes { _ = socket.send($0) }
          open.append(socket)
          if made.add(1, ordering: .relaxed).newValue == Limits.crowd { hasCrowd.finish() }
          if open.count > Limits.strangersOpen { open.removeFirst() }
        }
        hasCrowd.finish()
      }.start()
    }

    /// Returns when he has made `Limits.crowd` connections, or cannot make any.
    func comesInCrowds() async { for await _ in crowd {} }

    var connections: Int { made.load(ordering: .relaxed) }
    func end() { isOver.store(true, ordering: .relaxed) }
  }

  @Test(
    "a client that is known is served by each new connection, whatever strangers do",
    arguments: ["SASL_PLAINTEXT", "SASL_SSL"])
  func served(by listener: String) async throws {
    let keys = try await Keys()
    let port = try BrokerProcess.freePort()
    let name = listener.lowercased()
    let overrides = [
      "listeners=PLAINTEXT://127.0.0.1:0,\(listener)://127.0.0.1:\(port)", "ssl.keystore.type=PEM",
      "ssl.keystore.location=\(keys.path("broker.pem"))", "sasl.enabled.mechanisms=PLAIN",
      "listener.name.\(name).plain.sasl.jaas.config="
        + #"org.apache.kafka.common.security.plain.PlainLoginModule required user_bob="builder";"#,
    ]
    let config = keys.path("client.properties")
    try """
    security.protocol=\(listener)
    ssl.truststore.type=PEM
    ssl.truststore.location=\(keys.path("ca.pem"))
    sasl.mechanism=PLAIN
    sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="bob" password="builder";

    """.write(toFile: config, atomically: true, encoding: .utf8)
    try await withBroker(overrides) { _ in
      let strangers = (2...3).map { Stranger(port: port, address: "127.0.0.\($0)") }
      defer { for stranger in strangers { stranger.end() } }
      for stranger in strangers { await stranger.comesInCrowds() }
      let before = strangers.map(\.connections)
      let outcome = try await Programs.load([
        "connect", "--bootstrap-server", "127.0.0.1:\(port)", "--num-connections", "\(Limits.connections)",
        "--concurrency", "1", "--command-config", config, "--json",
      ])
      let after = strangers.map(\.connections)
      let report = try outcome.json()
      let seen = "\(report) beside \(zip(before, after).map { "\($0) to \($1)" }) connections of strangers"
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(before.allSatisfy { $0 >= Limits.crowd } && before.reduce(0, +) < after.reduce(0, +), "\(seen)")
      #expect(report["connections_made"] as? Int == Limits.connections, "\(seen)")
      #expect(try #require(report["connect_p50_ms"] as? Double) < Limits.medianMs, "\(seen)")
      #expect(try #require(report["connect_max_ms"] as? Double) < Limits.longestMs, "\(seen)")
    }
  }

  /// A broker's key and certificate, and the authority's, in a directory that goes away.
  private final class Keys: Sendable {
    private let directory: String

    init() async throws {
      directory =
        FileManager.default.temporaryDirectory.appendingPathComponent("millrace-keys-\(UUID().uuidString)").path
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      let made = try await Running(
        command: "/bin/sh",
        [
          "-c",
          """
          set -e; cd '\(directory)'
          curve='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
          openssl req -x509 $curve -days 2 -subj '/CN=authority' -keyout ca.key -out ca.pem
          openssl req $curve -subj '/CN=localhost' -keyout broker.key -out broker.csr
          echo 'subjectAltName=IP:127.0.0.1' > broker.ext
          openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile broker.ext -out broker.crt
          cat broker.key broker.crt > broker.pem
          """,
        ]
      ).outcome()
      try #require(made.status == 0, "\(made.errors)")
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func path(_ name: String) -> String { "\(directory)/\(name)" }
  }
}
