import NIOCore

extension SocketAddress {
  /// The IP address as text. An IPv4 client of an IPv6 socket has its IPv4 address, and not `::ffff:192.0.2.1`.
  var plainIPAddress: String? {
    guard let address = ipAddress else { return nil }
    let mapped = "::ffff:"
    guard case .v6 = self, address.lowercased().hasPrefix(mapped), address.contains(".") else { return address }
    return String(address.dropFirst(mapped.utf8.count))
  }
}
