import CMillrace
import Client
import Glibc
import NIOCore

/// Holds a resolved address, and makes the relay's sockets from it.
struct InternetAddress {
  private let address: SocketAddress

  /// Resolves the name to its first address.
  init(_ endpoint: Endpoint) throws(RelayError) {
    do {
      address = try SocketAddress.makeAddressResolvingHost(endpoint.host, port: endpoint.port)
    } catch {
      throw .address(endpoint, "this name has no address")
    }
  }

  /// Creates a listening socket; accepted sockets have the same congestion control.
  func listen(_ congestionControl: String?, backlog: Int32) throws(RelayError) -> Int32 {
    let made = try make(congestionControl)
    Self.set(made, SOL_SOCKET, SO_REUSEADDR, 1)
    guard address.withSockAddr({ bind(made, $0, socklen_t($1)) }) == 0, Glibc.listen(made, backlog) == 0 else {
      let number = errno
      close(made)
      throw .call("listen", number)
    }
    return made
  }

  /// Creates a socket and starts connecting it, without blocking.
  func connect(_ congestionControl: String?) throws(RelayError) -> Int32 {
    try connect(make(congestionControl))
  }

  /// Starts connecting a socket made by `make`, without blocking; closes the socket on an error.
  func connect(_ made: Int32) throws(RelayError) -> Int32 {
    Self.prepare(made)
    guard address.withSockAddr({ Glibc.connect(made, $0, socklen_t($1)) }) != 0, errno != EINPROGRESS else {
      return made
    }
    let number = errno
    close(made)
    throw .call("connect", number)
  }

  /// Creates an unconnected, unbound socket.
  func make(_ congestionControl: String?) throws(RelayError) -> Int32 {
    let made = socket(address.protocol.rawValue, Int32(SOCK_STREAM.rawValue), 0)
    guard made >= 0 else { throw .call("socket", errno) }
    if let congestionControl {
      let code = congestionControl.withCString {
        setsockopt(made, Int32(IPPROTO_TCP), TCP_CONGESTION, $0, socklen_t(strlen($0)))
      }
      guard code == 0 else {
        let number = errno
        close(made)
        throw .call("TCP_CONGESTION \(congestionControl)", number)
      }
    }
    return made
  }

  /// Sets TCP_NODELAY and O_NONBLOCK.
  static func prepare(_ socket: Int32) {
    set(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    setNonBlocking(socket, 1)
  }

  static func setBlocking(_ socket: Int32) { setNonBlocking(socket, 0) }

  private static func setNonBlocking(_ socket: Int32, _ value: Int32) {
    var value = value
    _ = ioctl(socket, UInt(FIONBIO), &value)
  }

  static func port(of socket: Int32) -> Int {
    var address = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
    }
    guard code == 0 else { return 0 }
    // In both address families the port is in the two bytes behind the family.
    return withUnsafeBytes(of: &address) { Int($0[2]) << 8 | Int($0[3]) }
  }

  private static func set(_ socket: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}
