import Glibc

/// A blocking TCP connection to an IPv4 address, or to ::1, for bytes that are nobody's protocol.
package final class RawSocket: Sendable {
  package let descriptor: Int32

  /// Connects.
  ///
  /// - Parameter patienceSeconds: a call that would block for longer fails with EAGAIN.
  /// - Parameter receiveBufferBytes: SO_RCVBUF; a small one soon holds back a peer whose bytes are not read.
  /// - Parameter isIPv6: connects to ::1 instead of `host`.
  /// - Parameter source: the IPv4 address to connect from; nil leaves it to the kernel.
  package init(
    host: String = "127.0.0.1", port: UInt16, patienceSeconds: Int, receiveBufferBytes: Int32? = nil,
    isIPv6: Bool = false, from source: String? = nil
  ) throws {
    let descriptor = socket(
      isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    self.descriptor = descriptor
    guard descriptor >= 0 else { throw BrokerProcess.Failure("no socket: \(errnoText)") }
    if let receiveBufferBytes { Self.set(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBufferBytes) }
    if let source, Self.at(source, 0, { bind(descriptor, $0, $1) }) != 0 {
      throw BrokerProcess.Failure("cannot bind to \(source): \(errnoText)")
    }
    let connected =
      isIPv6
      ? Self.atLoopback6(port, { connect(descriptor, $0, $1) })
      : Self.at(host, port, { connect(descriptor, $0, $1) })
    guard connected == 0 else {
      throw BrokerProcess.Failure("cannot connect to \(host), port \(port): \(errnoText)")
    }
    let patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
    Self.set(descriptor, SOL_SOCKET, SO_RCVTIMEO, patience)
    Self.set(descriptor, SOL_SOCKET, SO_SNDTIMEO, patience)
    Self.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
  }

  deinit { close(descriptor) }

  /// The connection will end as that of a process that dies: with RST, whatever was still under way.
  package func resetAtEnd() {
    Self.set(descriptor, SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
  }

  /// Sends until the kernel takes no more or all is sent; returns how many bytes it took, and leaves why in `errno`.
  package func send(_ bytes: UnsafeRawBufferPointer, flags: Int32 = 0) -> Int {
    var sent = 0
    while sent < bytes.count {
      let count = Glibc.send(
        descriptor, bytes.baseAddress?.advanced(by: sent), bytes.count - sent, flags | Int32(MSG_NOSIGNAL))
      guard count > 0 else { break }
      sent += count
    }
    return sent
  }

  /// Bytes that came: none at the peer's orderly end, negative with `errno` otherwise.
  package func receive(_ room: UnsafeMutableRawBufferPointer, flags: Int32 = 0) -> Int {
    recv(descriptor, room.baseAddress, room.count, flags)
  }

  private static func set<T: BitwiseCopyable>(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: T) {
    var value = value
    setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<T>.size))
  }

  private static func atLoopback6(_ port: UInt16, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = port.bigEndian
    address.sin6_addr = in6addr_loopback
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
    }
  }

  static func atLoopback(_ port: UInt16, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    at("127.0.0.1", port, call)
  }

  private static func at(
    _ host: String, _ port: UInt16, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr(host)
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}
