import Cluster
import Model

/// A change of configuration as clients ask for it.
package enum ConfigAlteration: Sendable {
  /// AlterConfigs: these values and no others.
  case replace([(name: String, value: String?)])
  /// IncrementalAlterConfigs.
  case incremental([(name: String, operation: Int8, value: String?)])
}

/// The operations of IncrementalAlterConfigs.
package enum ConfigOperation: Int8, Sendable {
  case set = 0, delete, append, subtract
}

extension ConfigAlteration {
  /// What a topic's own values become. Pure.
  ///
  /// - Throws: in Kafka's words; nothing is then changed.
  func applied(toTopic overrides: [String: String], broker: Config) throws(Refusal) -> [String: String] {
    let values = TopicValues(overrides: overrides, broker: broker.values)
    let changed = try applied(to: overrides) { name throws(Refusal) in
      guard let key = TopicConfigKeys.named[name] else {
        throw Refusal(.invalidConfig, "Unknown topic config name: \(name)")
      }
      return (key.key, values.text(name))
    }
    return try TopicConfig.checked(changed)
  }

  /// What a broker's dynamic values become; `isDefault` when they are those of all brokers. Pure.
  func applied(toBroker config: Config, isDefault: Bool) throws(Refusal) -> Config {
    let before = isDefault ? config.dynamicDefaults : config.dynamicOwn
    let changed = try applied(to: before) { name throws(Refusal) in
      guard let key = ConfigKeys.named[name] else {
        throw Refusal(.invalidRequest, "Unknown broker config name: \(name)")
      }
      return (key, config.values.text(name) ?? "")
    }
    var checked: [String: String] = [:]
    for (name, value) in changed.sorted(by: { $0.key < $1.key }) {
      guard let key = ConfigKeys.named[name] else {
        throw Refusal(.invalidRequest, "Unknown broker config name: \(name)")
      }
      // A value that stays what it is may stay, as in Kafka.
      if key.update == .readOnly, config.values.text(name) != value {
        throw Refusal(.invalidRequest, "Cannot update these configs dynamically: Set(\(name))")
      }
      if key.update == .perBroker, isDefault {
        throw Refusal(
          .invalidRequest,
          "Cannot update these configs at default cluster level, broker id must be specified: Set(\(name))")
      }
      do { checked[name] = try key.check(value) } catch { throw Refusal(.invalidRequest, error.description) }
    }
    do {
      return try config.changing(
        dynamicDefaults: isDefault ? checked : config.dynamicDefaults,
        dynamicOwn: isDefault ? config.dynamicOwn : checked)
    } catch { throw Refusal(.invalidRequest, error.description) }
  }

  /// - Parameter known: a key and its effective value, which lists are appended to.
  private func applied(
    to before: [String: String], known: (String) throws(Refusal) -> (ConfigKey, String)
  ) throws(Refusal) -> [String: String] {
    switch self {
    case .replace(let entries):
      try Self.checkNulls(entries.filter { $0.value == nil }.map(\.name))
      return Dictionary(entries.map { ($0.name, $0.value ?? "") }) { _, last in last }
    case .incremental(let entries):
      let names = entries.map(\.name)
      guard Set(names).count == names.count else {
        let twice = Dictionary(grouping: names) { $0 }.filter { $0.value.count > 1 }.keys.sorted()
        throw Refusal(.invalidRequest, "Error due to duplicate config keys : \(twice.joined(separator: ","))")
      }
      try Self.checkNulls(
        entries.filter { $0.value == nil && $0.operation != ConfigOperation.delete.rawValue }.map(\.name))
      var values = before
      for entry in entries { try Self.apply(entry, to: &values, known: known) }
      return values
    }
  }

  private static func checkNulls(_ names: [String]) throws(Refusal) {
    guard names.isEmpty else {
      throw Refusal(.invalidRequest, "Null value not supported for : \(names.joined(separator: ","))")
    }
  }

  private static func apply(
    _ entry: (name: String, operation: Int8, value: String?), to values: inout [String: String],
    known: (String) throws(Refusal) -> (ConfigKey, String)
  ) throws(Refusal) {
    guard let operation = ConfigOperation(rawValue: entry.operation) else {
      throw Refusal(.invalidRequest, "Unknown operation \(entry.operation) for config key: \(entry.name)")
    }
    switch operation {
    case .set: values[entry.name] = entry.value ?? ""
    case .delete: values[entry.name] = nil
    case .append, .subtract:
      let (key, effective) = try known(entry.name)
      guard key.kind == .list else {
        throw Refusal(.invalidConfig, "Config value \(operation) is not allowed for config key: \(entry.name)")
      }
      let old = ConfigKey.elements(values[entry.name] ?? effective)
      let given = ConfigKey.elements(entry.value ?? "")
      let new = operation == .append ? old + given.filter { !old.contains($0) } : old.filter { !given.contains($0) }
      values[entry.name] = new.joined(separator: ",")
    }
  }
}
