import Base

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
      guard let name = SanitizedName.name(pathName) else { return nil }
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
