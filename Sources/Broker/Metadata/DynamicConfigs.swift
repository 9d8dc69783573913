import Cluster
import Model
import Synchronization

/// The broker's configuration for what the tree has of dynamic values. Reading all keys takes a while, so the last is kept.
final class DynamicConfigs: Sendable {
  /// The configuration with which the broker started.
  let base: Config
  private let brokerID: BrokerID
  private let last: Mutex<(values: BrokerValues, config: Config)>

  /// - Throws: when the tree's values contradict each other.
  init(_ base: Config, brokerID: BrokerID, _ values: BrokerValues) throws {
    self.base = base
    self.brokerID = brokerID
    last = Mutex((values, try Self.config(base, brokerID, values)))
  }

  /// Returns the configuration with these dynamic values. They were checked before they were written; where they
  /// contradict each other all the same, the last configuration stays.
  func config(_ values: BrokerValues) -> Config {
    last.withLock { last in
      if last.values == values { return last.config }
      if let config = try? Self.config(base, brokerID, values) { last = (values, config) }
      return last.config
    }
  }

  /// Returns what a broker's dynamic values are checked against: this broker's configuration, with the dynamic values of that one.
  func config(_ values: BrokerValues, of broker: BrokerID) -> Config {
    guard broker != brokerID else { return config(values) }
    return (try? Self.config(base, broker, values)) ?? base
  }

  /// The configuration with the tree's dynamic values; what has since become unknown or not allowed is left out.
  private static func config(_ base: Config, _ brokerID: BrokerID, _ values: BrokerValues) throws -> Config {
    let (defaults, own) = (known(values.defaults), known(values.own[brokerID] ?? [:]))
    guard !defaults.isEmpty || !own.isEmpty else { return base }
    return try base.changing(dynamicDefaults: defaults, dynamicOwn: own)
  }

  private static func known(_ values: [String: String]) -> [String: String] {
    values.filter { name, value in
      guard let key = ConfigKeys.named[name] else { return false }
      return (try? key.check(value)) != nil
    }
  }
}
