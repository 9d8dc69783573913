package import Security

/// An element of `listeners`, on which connections are accepted, or of `advertised.listeners`, which is reported to clients.
package struct Listener: Sendable, Equatable {
  /// The listener's name, in upper case, as in Kafka.
  package var name: String
  /// The host name or IP address. Nil in `listeners` stands for every address, in `advertised.listeners` for the address by which
  /// the client came.
  package var host: String?
  /// The port; 0 in `listeners` stands for any free port, in `advertised.listeners` for the port that the listener got.
  package var port: UInt16
  /// How its connections are secured (`listener.security.protocol.map`).
  package var security = SecurityProtocol.plaintext

  package init(name: String, host: String?, port: UInt16, security: SecurityProtocol = .plaintext) {
    self.name = name
    self.host = host
    self.port = port
    self.security = security
  }

  /// Parses `NAME://host:port`, with an IPv6 address in brackets; nil when `text` has another form.
  package init?(_ text: String) {
    guard let scheme = text.firstIndex(of: ":") else { return nil }
    var rest = text[text.index(after: scheme)...]
    guard rest.hasPrefix("//") else { return nil }
    rest = rest.dropFirst(2)
    guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]) else { return nil }
    var host = rest[..<colon]
    if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    name = text[..<scheme].uppercased()
    guard !name.isEmpty, name.utf8.allSatisfy(Self.isOfName) else { return nil }
    self.host = host.isEmpty ? nil : String(host)
    self.port = port
  }

  private static func isOfName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): true
    default: false
    }
  }
}

extension Listener: CustomStringConvertible {
  package var description: String {
    let host = host.map { $0.contains(":") ? "[\($0)]" : $0 } ?? ""
    return "\(name)://\(host):\(port)"
  }
}

extension Listener {
  /// Parses the listeners of `key`.
  ///
  /// - Throws: when there is none, one has no protocol, or two have one name.
  static func parse(_ values: ConfigValues, _ key: String) throws(ConfigError) -> [Listener] {
    let protocols = try protocolMap(values)
    var listeners: [Listener] = []
    for element in ConfigKey.elements(values.text(key) ?? "") {
      guard var listener = Listener(element) else {
        throw ConfigError("\(key): \(element) is not NAME://host:port")
      }
      guard let security = protocols[listener.name] else {
        throw ConfigError("\(key): no security protocol is defined for listener \(listener.name)")
      }
      listener.security = security
      guard !listeners.contains(where: { $0.name == listener.name }) else {
        throw ConfigError("\(key): each listener must have a different name; \(listener.name) is there twice")
      }
      listeners.append(listener)
    }
    guard !listeners.isEmpty else { throw ConfigError("\(key) must name at least one listener") }
    return listeners
  }

  /// Returns the advertised listeners: those of `advertised.listeners`, or `listeners` when that is not set. A listener that binds
  /// every address is advertised with the address by which the client came, the one address known to be routable for it.
  static func advertised(_ values: ConfigValues, listeners: [Listener]) throws(ConfigError) -> [Listener] {
    guard values[Keys.server.advertisedListeners] != nil else {
      return listeners.map { listener in
        let isEveryAddress = listener.host == "0.0.0.0" || listener.host == "::"
        return Listener(
          name: listener.name, host: isEveryAddress ? nil : listener.host, port: listener.port,
          security: listener.security)
      }
    }
    let advertised = try parse(values, Keys.server.advertisedListeners.name)
    for listener in advertised {
      guard listener.host != "0.0.0.0" else {
        throw ConfigError(
          "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.")
      }
      guard listeners.contains(where: { $0.name == listener.name }) else {
        throw ConfigError("advertised.listeners names \(listener.name), which is not in listeners")
      }
    }
    return advertised
  }

  private static func protocolMap(_ values: ConfigValues) throws(ConfigError) -> [String: SecurityProtocol] {
    let key = Keys.server.listenerSecurityProtocolMap
    let known = SecurityProtocol.allCases.map(\.rawValue)
    var map: [String: SecurityProtocol] = [:]
    for element in ConfigKey.elements(values[key]) {
      let parts = element.split(separator: ":", omittingEmptySubsequences: false).map {
        $0.trimmingSpaces().uppercased()
      }
      guard parts.count == 2, let security = SecurityProtocol(rawValue: parts[1]) else {
        throw ConfigError(
          "\(key.name): \(element) is not NAME:protocol with a protocol of \(known.joined(separator: ", "))")
      }
      map[parts[0]] = security
    }
    return map
  }
}
