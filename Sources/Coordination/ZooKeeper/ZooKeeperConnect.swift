/// A `zookeeper.connect`: the servers of an ensemble, and the node under which a cluster keeps its own.
///
///     host:port,host:port/chroot
package struct ZooKeeperConnect: Equatable {
  /// As the C client takes them: each with its port.
  var servers: String
  /// A path, or empty for the root.
  var chroot: String

  /// - Throws: `.badArguments` when it names no server, or a path that is none.
  package init(_ text: String) throws(ZNodeError) {
    func refused(_ why: String) -> ZNodeError {
      ZNodeError(.badArguments, "", detail: "zookeeper.connect=\(text): \(why)")
    }
    let slash = text.firstIndex(of: "/") ?? text.endIndex
    let path = String(text[slash...])
    chroot = path == "/" ? "" : path
    if !chroot.isEmpty, let problem = ZNodePath.problem(with: chroot) { throw refused(problem) }
    var hosts: [String] = []
    for part in text[..<slash].split(separator: ",") {
      let host = String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
      guard !host.isEmpty else { continue }
      guard !host.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else { throw refused("\(host) is no host") }
      // What follows the last colon is a port, unless it stands inside of an IPv6 address's brackets.
      if let colon = host.lastIndex(of: ":"), !host[colon...].contains("]") {
        let port = UInt16(host[host.index(after: colon)...]) ?? 0
        guard port > 0, colon > host.startIndex else { throw refused("\(host) is no host and port") }
        hosts.append(host)
      } else {
        hosts.append("\(host):\(Self.defaultPort)")
      }
    }
    guard !hosts.isEmpty else { throw refused("no server is named") }
    servers = hosts.joined(separator: ",")
  }

  private static let defaultPort = 2181

  /// A path of the cluster as the ensemble knows it, and back.
  func outside(_ path: String) -> String { chroot.isEmpty ? path : path == "/" ? chroot : chroot + path }

  func inside(_ path: String) -> String {
    guard !chroot.isEmpty, path.hasPrefix(chroot) else { return path }
    let rest = path.dropFirst(chroot.count)
    return rest.isEmpty ? "/" : String(rest)
  }
}
