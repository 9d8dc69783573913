import Glibc
import NIOCore
import Testing
import Wire

@testable import Broker

@Suite("A listener's address")
struct ListenerAddressTests {
  private static let hasIPv6 = fopen("/proc/net/if_inet6", "r").map { file in
    defer { fclose(file) }
    return fgetc(file) != EOF
  }

  /// Checks the host that a client is told to connect to.
  private func expect(_ host: String, toldBy broker: TestBroker, isIPv6: Bool) throws {
    let answer = try TestClient(port: broker.port, isIPv6: isIPv6).ask(MetadataRequest(), version: 5)
    #expect(answer.brokers.first?.host == host)
  }

  @Test("without a host takes both IP families, and tells each of its own", .enabled(if: hasIPv6 == true))
  func everyAddress() throws {
    try withBroker(["listeners": "PLAINTEXT://:0"]) { broker in
      try expect("127.0.0.1", toldBy: broker, isIPv6: false)
      try expect("::1", toldBy: broker, isIPv6: true)
    }
  }

  @Test("of all IPv6 addresses tells an IPv4 client of an IPv4 address", .enabled(if: hasIPv6 == true))
  func mapped() throws {
    try withBroker(["listeners": "PLAINTEXT://[::]:0"]) { broker in
      try expect("127.0.0.1", toldBy: broker, isIPv6: false)
      try expect("::1", toldBy: broker, isIPv6: true)
    }
  }

  @Test("of all IPv4 addresses takes no IPv6 client", .enabled(if: hasIPv6 == true))
  func fourOnly() throws {
    try withBroker(["listeners": "PLAINTEXT://0.0.0.0:0"]) { broker in
      try expect("127.0.0.1", toldBy: broker, isIPv6: false)
      #expect(throws: (any Error).self) { try TestClient(port: broker.port, isIPv6: true) }
    }
  }

  @Test("that is taken is named with its listener and the system's words, and the other listeners are given back")
  func taken() throws {
    try withBroker { first in
      try withDirectory { directory in
        let error = #expect(throws: ListenError.self) {
          try TestBroker.start(
            in: directory,
            [
              "listeners": "INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:\(first.port)",
              "listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT",
            ])
        }
        #expect(
          error?.description
            == "listener OUTSIDE cannot listen on 127.0.0.1:\(first.port): Address already in use")
        // Nothing is held: the same directory starts at another port.
        try TestBroker.start(in: directory).running.stop()
      }
    }
  }

  @Test("as a client is told of it is plain")
  func plain() throws {
    for (address, told) in [("::ffff:127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("10.1.2.3", "10.1.2.3")] {
      let plain = try SocketAddress(ipAddress: address, port: 1).plainIPAddress
      #expect(plain == told)
    }
  }
}
