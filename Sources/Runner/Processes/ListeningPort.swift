import Glibc
import NIOCore
import Results
import Wire

/// Whether somebody listens at a port of this machine, and speaks Kafka's protocol.
enum ListeningPort {
  private enum Limits {
    /// A broker that accepts a connection and says nothing for so long is asked again.
    static let answerSeconds = 2
    static let answerBytes = 1 << 20
    /// Of ports that are free: below are those of well-known services.
    static let lowest = 10_000
    /// Ports that are tried before the kernel is asked for one.
    static let tries = 100
  }

  /// As the kernel's table says. No connection is tried: one to a port without a listener can come to sit on that very port.
  static func isOpen(_ port: Int) -> Bool {
    ["/proc/net/tcp", "/proc/net/tcp6"].contains { isListed(port, in: SmallFile.read($0) ?? "") }
  }

  /// A line is `0: 0100007F:2384 00000000:0000 0A …`: the local address, the remote one, the state; 0A is LISTEN.
  static func isListed(_ port: Int, in table: String) -> Bool {
    let digits = String(port, radix: 16, uppercase: true)
    let suffix = ":" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    return table.split(separator: "\n").contains { line in
      let fields = line.split(separator: " ", maxSplits: 4)
      return fields.count > 3 && fields[1].hasSuffix(suffix) && fields[3] == "0A"
    }
  }

  /// Whether a broker at 127.0.0.1 answers ApiVersions, in the version that every broker knows.
  static func answers(_ port: Int) -> Bool {
    guard isOpen(port), let descriptor = connect(to: port) else { return false }
    defer { close(descriptor) }
    let request = Frame.request(ApiVersionsRequest(), version: 0, correlationID: 1, clientID: "millrace")
    let bytes = request.joined.map { Array($0.readableBytesView) } ?? []
    guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return false }
    var received = ByteBuffer()
    while true {
      if let frame = try? Frame.next(in: &received, limit: Limits.answerBytes) { return isAnswer(frame) }
      var chunk = [UInt8](repeating: 0, count: 65_536)
      let count = recv(descriptor, &chunk, chunk.count, 0)
      guard count > 0, received.readableBytes < Limits.answerBytes else { return false }
      received.writeBytes(chunk[..<count])
    }
  }

  private static func isAnswer(_ frame: ByteBuffer) -> Bool {
    var body = frame
    guard (try? ResponseHeader(reading: &body, version: 0))?.correlationID == 1,
      let answer = try? ApiVersionsResponse(reading: &body, version: 0)
    else { return false }
    return !answer.apiKeys.isEmpty
  }

  private static func connect(to port: Int) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var patience = timeval(tv_sec: Limits.answerSeconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    if !connected { close(descriptor) }
    return connected ? descriptor : nil
  }

  /// One that was free a moment ago. It is none of those that the kernel gives outgoing connections, as far as there are others: one of these could have
  /// it before its listener has, also while a broker restarts.
  static func free() throws(RunError) -> Int {
    let range = SmallFile.line("/proc/sys/net/ipv4/ip_local_port_range")?.split { $0 == " " || $0 == "\t" } ?? []
    let end = range.first.flatMap { Int($0) } ?? Limits.lowest
    if end > Limits.lowest {
      for _ in 0..<Limits.tries {
        if let port = try bound(to: Int.random(in: Limits.lowest..<min(end, 65_536))) { return port }
      }
    }
    guard let port = try bound(to: 0) else { throw .failed("no free port: \(String(cString: strerror(errno)))") }
    return port
  }

  /// Binds to a port (0: any), gives it back, and returns it; nil where it is taken.
  private static func bound(to port: Int) throws(RunError) -> Int? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw .failed("no socket: \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
      }
    }
    return bound ? Int(UInt16(bigEndian: address.sin_port)) : nil
  }

  /// So many different ones, none of which is `taken`: that one is promised to somebody who does not listen yet.
  static func free(count: Int, besides taken: Int) throws(RunError) -> [Int] {
    var ports: [Int] = []
    while ports.count < count {
      let port = try free()
      if port != taken, !ports.contains(port) { ports.append(port) }
    }
    return ports
  }
}
