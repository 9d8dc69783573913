internal import CMillrace
import Glibc

/// A connected pair of TCP sockets on 127.0.0.1, both with the same congestion control.
///
/// The kernel's default may pace loopback (bbr does: 2 GB/s where cubic gives 6), so it is set and read back.
struct Loopback {
  let sender: Int32
  let receiver: Int32
  /// As the kernel reports it of the sending socket.
  let congestionControl: String

  enum Limits {
    /// A transfer that stands still this long has failed.
    static let stallSeconds = 30
  }

  init(congestionControl: String?) throws(MechanismError) {
    let listener = try Self.tcpSocket(congestionControl)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    try Self.withSocketAddress(&address) { (pointer) throws(MechanismError) in
      try check("bind") { bind(listener, pointer, length) }
      try check("listen") { listen(listener, 1) }
      try check("getsockname") { getsockname(listener, pointer, &length) }
    }
    sender = try Self.tcpSocket(congestionControl)
    do throws(MechanismError) {
      let sender = sender
      try Self.withSocketAddress(&address) { (pointer) throws(MechanismError) in
        try check("connect") { connect(sender, pointer, length) }
      }
      receiver = try check("accept") { accept(listener, nil, nil) }
    } catch {
      close(sender)
      throw error
    }
    self.congestionControl = Self.congestionControl(of: sender)
    for socket in [sender, receiver] {
      Self.set(socket, Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
      Self.set(socket, SOL_SOCKET, SO_RCVTIMEO, timeval(tv_sec: Limits.stallSeconds, tv_usec: 0))
      Self.set(socket, SOL_SOCKET, SO_SNDTIMEO, timeval(tv_sec: Limits.stallSeconds, tv_usec: 0))
    }
  }

  func closeBoth() {
    close(sender)
    close(receiver)
  }

  private static func tcpSocket(_ congestionControl: String?) throws(MechanismError) -> Int32 {
    let made = try check("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
    guard let congestionControl else { return made }
    do throws(MechanismError) {
      try check("setsockopt TCP_CONGESTION \(congestionControl)") {
        congestionControl.withCString {
          setsockopt(made, Int32(IPPROTO_TCP), TCP_CONGESTION, $0, socklen_t(strlen($0)))
        }
      }
      return made
    } catch {
      close(made)
      throw error
    }
  }

  private static func congestionControl(of socket: Int32) -> String {
    var name = [CChar](repeating: 0, count: 17)
    var length = socklen_t(16)
    guard getsockopt(socket, Int32(IPPROTO_TCP), TCP_CONGESTION, &name, &length) == 0 else { return "unknown" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func set<Value: BitwiseCopyable>(_ socket: Int32, _ level: Int32, _ option: Int32, _ value: Value) {
    var value = value
    setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Value>.size))
  }

  private static func withSocketAddress(
    _ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>) throws(MechanismError) -> Void
  ) throws(MechanismError) {
    try withUnsafeMutablePointer(to: &address) { (pointer) throws(MechanismError) in
      try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { (pointer) throws(MechanismError) in
        try body(pointer)
      }
    }
  }
}
