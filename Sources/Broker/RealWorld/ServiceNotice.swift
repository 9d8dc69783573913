import Glibc

/// Tells the service manager that started this process how far it has come (sd_notify(3)): one datagram to the socket that
/// `$NOTIFY_SOCKET` names. Without one, as in a shell, nothing is sent.
struct ServiceNotice {
  /// The path of a socket; with `@` in front a name in Linux's abstract space. Nil when nobody wants to know.
  private let socketName: String?

  /// - Parameter socketName: as in `$NOTIFY_SOCKET`.
  init(socketName: String? = getenv("NOTIFY_SOCKET").map { String(cString: $0) }) {
    self.socketName = socketName.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The broker serves its listeners.
  ///
  /// - Parameter status: a line for `systemctl status`.
  func ready(status: String) { send("READY=1\nSTATUS=\(status)") }

  /// The broker has begun to stop.
  func stopping() { send("STOPPING=1\nSTATUS=stopping") }

  /// Sends the lines. A manager that is gone, or a name that is too long for a socket's address, changes nothing for the broker.
  private func send(_ text: String) {
    guard let socketName else { return }
    let name = Array(socketName.utf8)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let offset = MemoryLayout.offset(of: \sockaddr_un.sun_path) ?? 2
    // A path ends with a zero; an abstract name begins with one and has its length alone.
    guard name[0] == UInt8(ascii: "/") || name[0] == UInt8(ascii: "@"),
      name.count < MemoryLayout<sockaddr_un>.size - offset
    else { return }
    let isAbstract = name[0] == UInt8(ascii: "@")
    withUnsafeMutableBytes(of: &address) { bytes in
      for (index, byte) in name.enumerated() { bytes[offset + index] = byte }
      if isAbstract { bytes[offset] = 0 }
    }
    let length = socklen_t(offset + name.count + (isAbstract ? 0 : 1))
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    _ = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
  }
}
