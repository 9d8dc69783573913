import Glibc
import TestSupport
import Testing

@Suite("The relay as a program", .serialized)
struct RelayProgramTests {
  /// An even and an odd number are left for its connections, which take two each.
  @Test(
    "with too few descriptors serves whom it can, tells why others wait, and serves them later", arguments: [12, 13])
  func descriptors(limit: Int) async throws {
    try await withBroker { broker in
      let port = try BrokerProcess.freePort()
      let relay = try Programs.started(
        load: ["relay", "--listen", "127.0.0.1:\(port)", "--to", broker.address], descriptorsMax: limit)
      // The first to get through is one of them.
      var clients: [RawSocket] = []
      try await relay.wait {
        // Asked again after it held, too.
        if clients.isEmpty, let first = try? RawSocket(port: port, patienceSeconds: 60) { clients = [first] }
        return !clients.isEmpty
      }
      while clients.count < limit { clients.append(try RawSocket(port: port, patienceSeconds: 60)) }
      try await relay.wait { relay.printed.contains("Too many open files") }
      var room: [UInt8] = [0]
      for client in clients {
        let count = room.withUnsafeMutableBytes { client.receive($0, flags: Int32(MSG_DONTWAIT)) }
        #expect(count == -1 && errno == EAGAIN, "nobody is sent away")
      }
      let last = clients.removeLast()
      clients = []
      // No frame has this length: a broker that it reaches ends the connection.
      #expect([255, 255, 255, 255].withUnsafeBytes { last.send($0) } > 0)
      let count = room.withUnsafeMutableBytes { last.receive($0) }
      #expect(count == 0 || errno == ECONNRESET, "\(count), errno \(errno)")
      relay.send(SIGINT)
      let outcome = try await relay.outcome()
      #expect(outcome.status == 0)
      let lines = outcome.errors.split(separator: "\n")
      #expect(lines.count == 1 && lines[0].contains("raise the limit on open files"), "\(outcome.errors)")
    }
  }
}
