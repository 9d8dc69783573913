/// A configuration key with the type of its values: everything that is said of the key, once.
///
/// Parsing, bounds, the default, DescribeConfigs, docs/configuration.md and the property of `Config` follow from the line
/// that makes the key in one of the tables (`LimitKeys`, `LogKeys`, …):
/// ```swift
/// let fetchMaxBytes = Key("fetch.max.bytes", 57_671_680, .atLeast(1024), "The most bytes one fetch is answered with.")
/// ```
/// makes `config.fetchMaxBytes` an `Int`. Such a property looks the value up and reads its text; what every request needs is a
/// stored property of `Config` or `TopicConfig` of the same name.
package struct Key<Value: ConfigValue>: TypedKey {
  package private(set) var row: ConfigKey

  init(_ name: String, _ value: Value, _ allowed: ConfigKey.Allowed, _ documentation: String) {
    row = ConfigKey(
      name: name, kind: Value.kind, defaultValue: value.configText, allowed: allowed, documentation: documentation)
  }

  /// Takes what the type allows.
  init(_ name: String, _ value: Value, _ documentation: String) {
    self.init(name, value, Value.allowed, documentation)
  }

  var name: String { row.name }

  /// Takes a new value while the broker runs.
  func dynamic(_ update: ConfigKey.Update = .clusterWide) -> Key {
    var key = self
    key.row.update = update
    return key
  }

  var withoutEffect: Key {
    var key = self
    key.row.effect = .accepted
    return key
  }
}

/// A topic's key, and the broker's keys that topics inherit it from.
///
/// The broker's first key has the same values and documentation; where others follow it, it has no default of its own.
package struct TopicKey<Value: ConfigValue>: TypedTopicKey {
  package private(set) var row: TopicConfigKey
  package private(set) var brokerRow: ConfigKey?

  /// - Parameters:
  ///   - broker: the broker's key of the same unit; nil when topics inherit nothing.
  ///   - others: the broker's keys that count when that one is not set.
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
      brokerRow?.documentation += " Not set: \(next)."
    }
  }

  /// Takes what the type allows.
  init(
    _ name: String, broker: String? = nil, or others: [(name: String, unit: TopicConfigKey.Unit)] = [], _ value: Value,
    _ documentation: String
  ) {
    self.init(name, broker: broker, or: others, value, Value.allowed, documentation)
  }

  var name: String { row.name }

  /// The broker's key is read at the start only.
  var readOnlyInBroker: TopicKey {
    var key = self
    key.brokerRow?.update = .readOnly
    return key
  }

  var withoutEffect: TopicKey {
    var key = self
    key.row.key.effect = .accepted
    key.brokerRow?.effect = .accepted
    return key
  }
}

// MARK: Tables

/// A key of any type, as a table lists it.
package protocol TypedKey: Sendable {
  var row: ConfigKey { get }
}

package protocol TypedTopicKey: Sendable {
  var row: TopicConfigKey { get }
  var brokerRow: ConfigKey? { get }
}

/// A struct whose stored properties are keys.
package protocol KeyTable: Sendable {}

extension KeyTable {
  /// The keys in the order they are written in.
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

/// A type that the values of a key can have.
package protocol ConfigValue: Sendable {
  static var kind: ConfigKey.Kind { get }
  static var allowed: ConfigKey.Allowed { get }
  /// The value of a checked text; nil is Kafka's null.
  static func value(of text: String?) -> Self?
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

/// Kafka's INT, whose 32 bits the check of the text sees to.
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

/// One of a few words.
package protocol ConfigChoice: ConfigValue, CaseIterable, RawRepresentable where RawValue == String {}

extension ConfigChoice {
  package static var kind: ConfigKey.Kind { .string }
  package static var allowed: ConfigKey.Allowed { .oneOf(allCases.map(\.rawValue)) }
  package static func value(of text: String?) -> Self? { text.flatMap { Self(rawValue: $0) } }
  package var configText: String? { rawValue }
}
