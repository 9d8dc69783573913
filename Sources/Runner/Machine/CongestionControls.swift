import Glibc
import Results

/// Which TCP congestion controls this user may give to a socket.
///
/// The kernel lets anybody choose among the allowed ones, and only root among all that are available (tcp(7)).
package struct CongestionControls: Sendable, Equatable {
  package var available: [String]
  package var allowed: [String]
  package var isRoot: Bool

  package init(available: [String], allowed: [String], isRoot: Bool) {
    self.available = available
    self.allowed = allowed
    self.isRoot = isRoot
  }

  package static func read() -> CongestionControls {
    func names(_ file: String) -> [String] {
      (SmallFile.line("/proc/sys/net/ipv4/\(file)") ?? "").split(separator: " ").map(String.init)
    }
    return CongestionControls(
      available: names("tcp_available_congestion_control"), allowed: names("tcp_allowed_congestion_control"),
      isRoot: geteuid() == 0)
  }

  /// Why a socket cannot have it here, and what to do; nil when it can. Root has the kernel load a module that is not there yet.
  package func obstacle(to name: String) -> String? {
    guard !isRoot, !allowed.contains(name) else { return nil }
    let list = (allowed + [name]).joined(separator: " ")
    let module = available.contains(name) ? "" : "modprobe tcp_\(name) && "
    return
      "this user may not give sockets the congestion control \(name): run as root, or, as root, "
      + "\(module)sysctl -w net.ipv4.tcp_allowed_congestion_control=\"\(list)\""
  }
}
