package import Experiment
import Glibc

extension Target {
  /// Whether every address of the list is one of this machine's: only those can be bound to.
  package static func isLocal(_ address: String) -> Bool {
    let hosts = address.split(separator: ",").map { entry -> String in
      let host = entry.lastIndex(of: ":").map { entry[..<$0] } ?? entry
      return String(host.drop { $0 == "[" }.prefix { $0 != "]" })
    }
    return !hosts.isEmpty && hosts.allSatisfy(canBind)
  }

  private static func canBind(_ host: String) -> Bool {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, &hints, &found) == 0, let first = found else { return false }
    defer { freeaddrinfo(found) }
    let descriptor = socket(first.pointee.ai_family, Int32(SOCK_DGRAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return bind(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0
  }
}
