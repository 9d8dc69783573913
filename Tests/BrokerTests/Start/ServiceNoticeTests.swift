import Glibc
import TestSupport
import Testing

@testable import Broker

/// What the service manager is told, by a process and its socket.
@Suite("A service manager", .serialized)
struct ServiceNoticeTests {
  @Test(
    "is told when the broker serves and when it stops, by a socket's path or abstract name", arguments: [false, true])
  func told(isAbstract: Bool) throws {
    try withDirectory { directory in
      let name = isAbstract ? "@millrace-\(getpid())-notify" : "\(directory)/notify"
      let socket = try #require(Datagrams(name))
      let broker = try BrokerProcess.start(in: directory, environment: ["NOTIFY_SOCKET=\(name)"])
      let ready = socket.receive()
      #expect(
        ready?.hasPrefix("READY=1\nSTATUS=serving PLAINTEXT://127.0.0.1:\(broker.port)") == true, "\(ready ?? "")")
      #expect(try broker.end(by: SIGTERM) == 0)
      #expect(socket.receive()?.hasPrefix("STOPPING=1\n") == true)
    }
  }

  @Test(
    "that is not there, or has a senseless name, changes nothing",
    arguments: ["/nowhere/at/all", "x", String(repeating: "/a", count: 100)])
  func absent(name: String) {
    ServiceNotice(socketName: name).ready(status: "")
    ServiceNotice(socketName: nil).stopping()
  }
}

/// A socket that a service manager would have.
private final class Datagrams {
  private let descriptor: Int32

  init?(_ name: String) {
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let offset = MemoryLayout.offset(of: \sockaddr_un.sun_path) ?? 2
    let isAbstract = name.hasPrefix("@")
    withUnsafeMutableBytes(of: &address) { bytes in
      for (index, byte) in name.utf8.enumerated() { bytes[offset + index] = byte }
      if isAbstract { bytes[offset] = 0 }
    }
    let length = socklen_t(offset + name.utf8.count + (isAbstract ? 0 : 1))
    let code = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    guard code == 0 else {
      close(descriptor)
      return nil
    }
    var patience = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(descriptor) }

  /// The next datagram; nil when none comes.
  func receive() -> String? {
    var bytes = [UInt8](repeating: 0, count: 1024)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
  }
}
