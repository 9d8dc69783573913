/// What a quota can limit, by Kafka's names of the keys.
package enum QuotaKey: String, CaseIterable, Sendable {
  /// Bytes of Produce requests a second.
  case producerByteRate = "producer_byte_rate"
  /// Bytes of Fetch responses a second.
  case consumerByteRate = "consumer_byte_rate"
  /// Time of event loops in percent of one of them.
  case requestPercentage = "request_percentage"
  /// Partitions that are created or deleted a second.
  case controllerMutationRate = "controller_mutation_rate"
  /// New connections a second from an address.
  case connectionCreationRate = "connection_creation_rate"

  /// Whether the value is a whole number.
  package var isWhole: Bool {
    switch self {
    case .producerByteRate, .consumerByteRate, .connectionCreationRate: true
    case .requestPercentage, .controllerMutationRate: false
    }
  }

  /// The value as z-nodes have it: `1024` or `12.5`.
  package func text(_ value: Double) -> String {
    isWhole ? Int64(exactly: value).map { "\($0)" } ?? "\(value)" : "\(value)"
  }

  /// Reads a z-node's value; nil for one that limits nothing or is no number.
  package func value(_ text: String) -> Double? {
    guard let value = Double(text), value.isFinite, value >= 0 else { return nil }
    return value
  }
}

/// Whom a quota is for: a user, a client id, both, or an address; each by its name, or all that have no quota of their own.
package struct QuotaEntity: Hashable, Sendable {
  package enum Part: Hashable, Sendable {
    case named(String)
    case byDefault

    /// nil: the default.
    package var name: String? { if case .named(let name) = self { name } else { nil } }

    package init(_ name: String?) { self = name.map { .named($0) } ?? .byDefault }

    /// As a part of a z-node's path.
    var pathName: String {
      switch self {
      case .named(let name): SanitizedName.of(name)
      case .byDefault: Self.defaultName
      }
    }

    static let defaultName = "<default>"

    init?(pathName: Substring) {
      guard pathName != Self.defaultName else {
        self = .byDefault
        return
      }
      guard let name = SanitizedName.read(pathName) else { return nil }
      self = .named(name)
    }
  }

  package var user: Part?
  package var clientID: Part?
  package var ip: Part?

  package init(user: Part? = nil, clientID: Part? = nil, ip: Part? = nil) {
    self.user = user
    self.clientID = clientID
    self.ip = ip
  }

  /// Where its values are below `/config`, and as change notifications name it: `users/alice/clients/c`.
  package var path: String {
    if let ip { return "ips/\(ip.pathName)" }
    let clients = clientID.map { "clients/\($0.pathName)" }
    guard let user else { return clients ?? "" }
    return "users/\(user.pathName)" + (clients.map { "/\($0)" } ?? "")
  }

  /// Reads a path below `/config`; nil for one of anything else, such as a topic.
  package init?(path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    switch (parts.first, parts.count) {
    case ("users", 2):
      guard let user = Part(pathName: parts[1]) else { return nil }
      self.init(user: user)
    case ("users", 4) where parts[2] == "clients":
      guard let user = Part(pathName: parts[1]), let client = Part(pathName: parts[3]) else { return nil }
      self.init(user: user, clientID: client)
    case ("clients", 2):
      guard let client = Part(pathName: parts[1]) else { return nil }
      self.init(clientID: client)
    case ("ips", 2):
      guard let ip = Part(pathName: parts[1]) else { return nil }
      self.init(ip: ip)
    default: return nil
    }
  }

  /// The keys that it can have.
  package var keys: [QuotaKey] {
    ip == nil
      ? [.producerByteRate, .consumerByteRate, .requestPercentage, .controllerMutationRate] : [.connectionCreationRate]
  }
}

/// Names of users and clients as parts of z-node paths, in the encoding of Kafka's Sanitizer: that of URLs, with a space as %20 and a star as
/// %2A.
package enum SanitizedName {
  package static func of(_ name: String) -> String {
    var out = ""
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
        out.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        out += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return out
  }

  /// - Returns: nil for text that is no encoded name.
  package static func read(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
        return nil
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
