/// A key as DescribeConfigs reports it.
package struct DescribedConfig: Sendable, Equatable {
  /// The source of a value, by its number in DescribeConfigs.
  package enum Source: Int8, Sendable {
    case topic = 1, dynamicBroker = 2, dynamicDefaultBroker = 3, staticBroker = 4, defaultValue = 5
  }

  package struct Synonym: Sendable, Equatable {
    package var name: String
    package var value: String?
    package var source: Source
  }

  package var name: String
  /// The effective value; nil when it is not set, or not reported because the key is sensitive.
  package var value: String?
  package var source: Source
  package var isReadOnly: Bool
  package var isSensitive: Bool
  /// Every value of the key and of the keys from which it inherits, the effective one first.
  package var synonyms: [Synonym]
  package var kind: ConfigKey.Kind
  package var documentation: String

  package var isDefault: Bool { source == .defaultValue }
}

extension TopicConfig {
  /// Describes the topic's keys in the order of their names; with `only`, those that are in `names`.
  package func describe(over broker: Config, only names: Set<String>? = nil) -> [DescribedConfig] {
    let values = TopicValues(overrides: overrides, broker: broker.values)
    return TopicConfigKeys.all.filter { names?.contains($0.name) ?? true }.map { key in
      var synonyms = key.synonyms.isEmpty ? [] : broker.values.synonyms(of: key.synonyms.map(\.name))
      if let value = overrides[key.name] { synonyms.insert(.init(name: key.name, value: value, source: .topic), at: 0) }
      return DescribedConfig(
        name: key.name, value: values.text(key.name), source: synonyms.first?.source ?? .defaultValue,
        isReadOnly: false, isSensitive: false, synonyms: synonyms, kind: key.key.kind,
        documentation: key.key.documentation)
    }
  }
}

extension Config {
  /// Describes the broker's keys in the order of their names. Unknown keys are reported as sensitive, without their value.
  package func describe(only names: Set<String>? = nil) -> [DescribedConfig] {
    let known = ConfigKeys.all.map(\.name)
    let unknown = given.keys.filter { ConfigKeys.named[$0] == nil }
    return (known + unknown).filter { names?.contains($0) ?? true }.sorted().map { describe($0) }
  }

  /// Describes the keys that are set for all brokers (`/config/brokers/<default>`), and no others.
  package func describeDynamicDefaults(only names: Set<String>? = nil) -> [DescribedConfig] {
    dynamicDefaults.keys.filter { names?.contains($0) ?? true }.sorted().map { name in
      var described = describe(name)
      described.value = described.isSensitive ? nil : dynamicDefaults[name]
      described.source = .dynamicDefaultBroker
      described.synonyms = [.init(name: name, value: described.value, source: .dynamicDefaultBroker)]
      return described
    }
  }

  private func describe(_ name: String) -> DescribedConfig {
    guard let key = ConfigKeys.named[name] else {
      return DescribedConfig(
        name: name, value: nil, source: .staticBroker, isReadOnly: true, isSensitive: true,
        synonyms: [.init(name: name, value: nil, source: .staticBroker)], kind: .string, documentation: "")
    }
    var synonyms = values.synonyms(of: ConfigValues.namesake(name))
    if key.isSensitive { for index in synonyms.indices { synonyms[index].value = nil } }
    return DescribedConfig(
      name: name, value: key.isSensitive ? nil : values.text(name),
      source: synonyms.first { $0.name == name }?.source ?? .defaultValue, isReadOnly: key.update == .readOnly,
      isSensitive: key.isSensitive, synonyms: synonyms, kind: key.kind, documentation: key.documentation)
  }
}

extension ConfigValues {
  /// Returns the values of the keys `names`, the effective one first: by source, and within a source in the order of `names`.
  func synonyms(of names: [String]) -> [DescribedConfig.Synonym] {
    let sources: [([String: String], DescribedConfig.Source)] = [
      (dynamicOwn, .dynamicBroker), (dynamicDefaults, .dynamicDefaultBroker), (given, .staticBroker),
    ]
    var synonyms: [DescribedConfig.Synonym] = []
    for (values, source) in sources {
      for name in names {
        if let value = values[name] { synonyms.append(.init(name: name, value: value, source: source)) }
      }
    }
    for name in names {
      guard let value = ConfigKeys.named[name]?.defaultValue else { continue }
      synonyms.append(.init(name: name, value: value, source: .defaultValue))
    }
    return synonyms
  }

  /// Returns a broker key with the keys that count when it is not set: log.retention.minutes and log.retention.hours for
  /// log.retention.minutes.
  static func namesake(_ name: String) -> [String] {
    for key in TopicConfigKeys.all where key.synonyms.count > 1 {
      let names = key.synonyms.map(\.name)
      if let index = names.firstIndex(of: name) { return Array(names[index...]) }
    }
    return [name]
  }
}
