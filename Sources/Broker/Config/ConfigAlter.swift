import Cluster
import Model

/// A change to the configuration of a topic or broker, as a request states it.
package enum ConfigAlteration: Sendable {
  /// Replaces all values that are set by these (AlterConfigs).
  case replace([(name: String, value: String?)])
  /// Changes single values (IncrementalAlterConfigs).
  case incremental([(name: String, operation: Int8, value: String?)])
}

/// The operations of IncrementalAlterConfigs, by their number on the wire.
package enum ConfigOperation: Int8, Sendable {
  case set = 0, delete, append, subtract
}

extension ConfigAlteration {
  /// Returns the values that are set for a topic after the change.
  ///
  /// - Parameter overrides: the values that are set for it before.
  /// - Throws: with Kafka's code and message.
  func applied(toTopic overrides: [String: String], broker: Config) throws(ApiError) -> [String: String] {
    let values = TopicValues(overrides: overrides, broker: broker.values)
    let changed = try applied(to: overrides) { name throws(ApiError) in
      guard let key = TopicConfigKeys.named[name] else {
        throw ApiError(.invalidConfig, "Unknown topic config name: \(name)")
      }
      return (key.key, values.text(name))
    }
    return try TopicConfig.checked(changed)
  }

  /// Returns the broker's configuration after the change.
  ///
  /// - Parameter isDefault: whether the change is to the dynamic defaults of all brokers, not to the values of this one.
  /// - Throws: with Kafka's code and message.
  func applied(toBroker config: Config, isDefault: Bool) throws(ApiError) -> Config {
    let before = isDefault ? config.dynamicDefaults : config.dynamicOwn
    let changed = try applied(to: before) { name throws(ApiError) in
      guard let key = ConfigKeys.named[name] else {
        throw ApiError(.invalidRequest, "Unknown broker config name: \(name)")
      }
      return (key, config.values.text(name) ?? "")
    }
    var checked: [String: String] = [:]
    for (name, value) in changed.sorted(by: { $0.key < $1.key }) {
      guard let key = ConfigKeys.named[name] else {
        throw ApiError(.invalidRequest, "Unknown broker config name: \(name)")
      }
      // As in Kafka, a read-only key may be given with the value that it has.
      if key.update == .readOnly, config.values.text(name) != value {
        throw ApiError(.invalidRequest, "Cannot update these configs dynamically: Set(\(name))")
      }
      if key.update == .perBroker, isDefault {
        throw ApiError(
          .invalidRequest,
          "Cannot update these configs at default cluster level, broker id must be specified: Set(\(name))")
      }
      do { checked[name] = try key.check(value) } catch { throw ApiError(.invalidRequest, error.description) }
    }
    do {
      return try config.changing(
        dynamicDefaults: isDefault ? checked : config.dynamicDefaults,
        dynamicOwn: isDefault ? config.dynamicOwn : checked)
    } catch { throw ApiError(.invalidRequest, error.description) }
  }

  /// - Parameters:
  ///   - before: the values that are set before the change.
  ///   - known: returns the key of a name, and its effective value, to which a list is appended when none is set.
  private func applied(
    to before: [String: String], known: (String) throws(ApiError) -> (ConfigKey, String)
  ) throws(ApiError) -> [String: String] {
    switch self {
    case .replace(let entries):
      try Self.checkNulls(entries.filter { $0.value == nil }.map(\.name))
      return Dictionary(entries.map { ($0.name, $0.value ?? "") }) { _, last in last }
    case .incremental(let entries):
      let names = entries.map(\.name)
      guard Set(names).count == names.count else {
        let twice = Dictionary(grouping: names) { $0 }.filter { $0.value.count > 1 }.keys.sorted()
        throw ApiError(.invalidRequest, "Error due to duplicate config keys : \(twice.joined(separator: ","))")
      }
      try Self.checkNulls(
        entries.filter { $0.value == nil && $0.operation != ConfigOperation.delete.rawValue }.map(\.name))
      var values = before
      for entry in entries { try Self.apply(entry, to: &values, known: known) }
      return values
    }
  }

  private static func checkNulls(_ names: [String]) throws(ApiError) {
    guard names.isEmpty else {
      throw ApiError(.invalidRequest, "Null value not supported for : \(names.joined(separator: ","))")
    }
  }

  private static func apply(
    _ entry: (name: String, operation: Int8, value: String?), to values: inout [String: String],
    known: (String) throws(ApiError) -> (ConfigKey, String)
  ) throws(ApiError) {
    guard let operation = ConfigOperation(rawValue: entry.operation) else {
      throw ApiError(.invalidRequest, "Unknown operation \(entry.operation) for config key: \(entry.name)")
    }
    switch operation {
    case .set: values[entry.name] = entry.value ?? ""
    case .delete: values[entry.name] = nil
    case .append, .subtract:
      let (key, effective) = try known(entry.name)
      guard key.kind == .list else {
        throw ApiError(.invalidConfig, "Config value \(operation) is not allowed for config key: \(entry.name)")
      }
      let old = ConfigKey.elements(values[entry.name] ?? effective)
      let given = ConfigKey.elements(entry.value ?? "")
      let new = operation == .append ? old + given.filter { !old.contains($0) } : old.filter { !given.contains($0) }
      values[entry.name] = new.joined(separator: ",")
    }
  }
}
