/// A broker's configuration key, with the type of its values. A key is defined once, by one line in one of the tables
/// (`LimitKeys`, `LogKeys`, …):
/// ```swift
/// let fetchMaxBytes = Key("fetch.max.bytes", 57_671_680, .atLeast(1024), "The maximum bytes returned for a fetch request.")
/// ```
/// Parsing, bounds, the default, DescribeConfigs, docs/configuration.md and the property `config.fetchMaxBytes`, an `Int`,
/// follow from that line. Such a property looks the value up and parses its text each time; what every request needs is
/// therefore a stored property of `Config` or `TopicConfig` of the same name.
package struct Key<Value: ConfigValue>: TypedKey {
  package private(set) var row: ConfigKey

  init(_ name: String, _ value: Value, _ allowed: ConfigKey.Allowed, _ documentation: String) {
    row = ConfigKey(
      name: name, kind: Value.kind, defaultValue: value.configText, allowed: allowed, documentation: documentation)
  }

  /// Makes a key that allows every value of its type.
  init(_ name: String, _ value: Value, _ documentation: String) {
    self.init(name, value, Value.allowed, documentation)
  }

  var name: String { row.name }

  /// Returns the key as one whose value can be changed while the broker runs.
  func dynamic(_ update: ConfigKey.Update = .clusterWide) -> Key {
    var key = self
    key.row.update = update
    return key
  }

  /// The key as one that is checked and described, and has no other effect.
  var withoutEffect: Key {
    var key = self
    key.row.effect = .accepted
    return key
  }
}

/// A topic's configuration key, with the broker's keys from which topics inherit its value.
///
/// The first of the broker's keys has the same type, bounds and documentation. It has the same default too, unless other broker
/// keys count when it is not set: then it has none. Example: segment.ms is inherited from log.roll.ms, and from log.roll.hours
/// when log.roll.ms is not set.
package struct TopicKey<Value: ConfigValue>: TypedTopicKey {
  package private(set) var row: TopicConfigKey
  package private(set) var brokerRow: ConfigKey?

  /// - Parameters:
  ///   - broker: the broker's key of the same unit; nil when topics inherit no value.
  ///   - others: the broker's keys that count when `broker` is not set, each with its unit.
  init(
    _ name: String, broker: String? = nil, or others: [(name: String, unit: TopicConfigKey.Unit)] = [], _ value: Value,
    _ allowed: ConfigKey.Allowed, _ documentation: String
  ) {
    let key = Key(name, value, allowed, documentation).row
    row = TopicConfigKey(key: key, synonyms: broker.map { [(name: $0, unit: .same)] + others } ?? [])
    guard let broker else { return }
    brokerRow = key
    brokerRow?.name = broker
    brokerRow?.update = .clusterWide
    if let next = others.first?.name {
      brokerRow?.defaultValue = nil
      brokerRow?.documentation += " If not set, \(next) is used."
    }
  }

  /// Makes a key that allows every value of its type.
  init(
    _ name: String, broker: String? = nil, or others: [(name: String, unit: TopicConfigKey.Unit)] = [], _ value: Value,
    _ documentation: String
  ) {
    self.init(name, broker: broker, or: others, value, Value.allowed, documentation)
  }

  var name: String { row.name }

  /// The key as one whose broker key cannot be changed while the broker runs.
  var readOnlyInBroker: TopicKey {
    var key = self
    key.brokerRow?.update = .readOnly
    return key
  }

  /// The key as one that is checked and described, on topics and brokers, and has no other effect.
  var withoutEffect: TopicKey {
    var key = self
    key.row.key.effect = .accepted
    key.brokerRow?.effect = .accepted
    return key
  }
}

// MARK: Tables

/// A broker's key without the type of its values, for a table that lists keys of several types.
package protocol TypedKey: Sendable {
  var row: ConfigKey { get }
}

/// A topic's key without the type of its values.
package protocol TypedTopicKey: Sendable {
  var row: TopicConfigKey { get }
  var brokerRow: ConfigKey? { get }
}

/// A struct whose stored properties are all of type `Key`.
package protocol KeyTable: Sendable {}

extension KeyTable {
  /// The rows of the keys, in the order of the struct's properties.
  var rows: [ConfigKey] {
    Mirror(reflecting: self).children.map { child in
      guard let key = child.value as? any TypedKey else {
        preconditionFailure("\(child.label ?? "?") of \(Self.self) is not a key")
      }
      return key.row
    }
  }
}

// MARK: Types of values

/// A type that a key's values can have, with Kafka's name of it and its conversion from and to text.
package protocol ConfigValue: Sendable {
  static var kind: ConfigKey.Kind { get }
  static var allowed: ConfigKey.Allowed { get }
  /// Returns the value of `text`, which `ConfigKey.check` returned or which is nil for Kafka's null; nil when it has none.
  static func value(of text: String?) -> Self?
  /// The text of the value as Kafka writes it; nil for Kafka's null.
  var configText: String? { get }
}

extension ConfigValue {
  package static var allowed: ConfigKey.Allowed { .anything }
}

extension Bool: ConfigValue {
  package static var kind: ConfigKey.Kind { .boolean }
  package static func value(of text: String?) -> Bool? { text.map { $0 == "true" } }
  package var configText: String? { self ? "true" : "false" }
}

extension ConfigValue where Self: FixedWidthInteger {
  package static func value(of text: String?) -> Self? { text.flatMap { Self($0) } }
  package var configText: String? { String(self) }
}

/// The values of Kafka's type INT; `ConfigKey.check` refuses text that does not fit 32 bits.
extension Int: ConfigValue { package static var kind: ConfigKey.Kind { .int } }
extension Int32: ConfigValue { package static var kind: ConfigKey.Kind { .int } }
extension Int64: ConfigValue { package static var kind: ConfigKey.Kind { .long } }
extension Int16: ConfigValue { package static var kind: ConfigKey.Kind { .short } }

extension Double: ConfigValue {
  package static var kind: ConfigKey.Kind { .double }
  package static func value(of text: String?) -> Double? { text.flatMap { Double($0) } }
  package var configText: String? { "\(self)" }
}

extension String: ConfigValue {
  package static var kind: ConfigKey.Kind { .string }
  package static func value(of text: String?) -> String? { text }
  package var configText: String? { self }
}

extension Array: ConfigValue where Element == String {
  package static var kind: ConfigKey.Kind { .list }
  package static func value(of text: String?) -> [String]? { text.map { ConfigKey.elements($0) } }
  package var configText: String? { joined(separator: ",") }
}

extension Optional: ConfigValue where Wrapped: ConfigValue {
  package static var kind: ConfigKey.Kind { Wrapped.kind }
  package static var allowed: ConfigKey.Allowed { Wrapped.allowed }
  package static func value(of text: String?) -> Wrapped?? {
    guard let text else { return .some(nil) }
    return Wrapped.value(of: text).map { .some($0) }
  }
  package var configText: String? { flatMap(\.configText) }
}

/// A type whose values are a fixed set of words.
package protocol ConfigChoice: ConfigValue, CaseIterable, RawRepresentable where RawValue == String {}

extension ConfigChoice {
  package static var kind: ConfigKey.Kind { .string }
  package static var allowed: ConfigKey.Allowed { .oneOf(allCases.map(\.rawValue)) }
  package static func value(of text: String?) -> Self? { text.flatMap { Self(rawValue: $0) } }
  package var configText: String? { rawValue }
}
