/// Names a broker's address, as `--bootstrap-server` and metadata do.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
  package var host: String
  package var port: Int

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// Parses `host:port` or `[v6]:port`; nil for anything else.
  package init?(_ text: some StringProtocol) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      port > 0, port < 65536
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty else { return nil }
    self.init(host: String(host), port: port)
  }

  /// Parses a comma-separated list; nil when an element is not an address.
  package static func list(_ text: String) -> [Endpoint]? {
    let parsed = text.split(separator: ",").map { Endpoint($0) }
    guard !parsed.isEmpty else { return nil }
    var endpoints: [Endpoint] = []
    for endpoint in parsed {
      guard let endpoint else { return nil }
      endpoints.append(endpoint)
    }
    return endpoints
  }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
