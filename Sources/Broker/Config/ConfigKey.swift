import Cluster

/// One broker key: a row of the tables in docs/configuration.md.
///
/// Values are kept as text, as they were given. `check` refuses text that is no value of the key, with Kafka's message.
package struct ConfigKey: Sendable {
  /// The type of a key's values, with its number in DescribeConfigs (Kafka: `ConfigType`; 0 is unknown).
  package enum Kind: Int8, Sendable {
    case boolean = 1, string, int, short, long, double, list, className, password
  }

  /// The values of the type that a key allows.
  package enum Allowed: Sendable, Equatable {
    case anything
    case atLeast(Int64)
    case between(Int64, Int64)
    case betweenFractions(Double, Double)
    case oneOf([String])
    /// A list, each of whose elements is one of these.
    case eachOf([String])
    case notEmpty
    /// -1, which is zlib's default, or 1 to 9.
    case gzipLevel
    /// `*`, or a list of partition:broker.
    case throttledReplicas
  }

  /// Whether a key's value can be changed while the broker runs, and for which brokers at once (Kafka: update mode).
  package enum Update: Sendable {
    case readOnly, perBroker, clusterWide
  }

  /// Whether a key has an effect in Millrace.
  package enum Effect: Sendable {
    /// The key has the effect that it is documented to have.
    case acted
    /// The key is checked and described to clients, and has no other effect.
    case accepted
  }

  package var name: String
  package var kind: Kind
  /// The text of the default; nil is Kafka's null, "not set".
  package var defaultValue: String?
  package var allowed: Allowed = .anything
  package var update: Update = .readOnly
  package var effect: Effect = .acted
  /// The text for docs/configuration.md and DescribeConfigs, in whole sentences or noun phrases, as in Kafka's documentation.
  package var documentation: String

  package var isSensitive: Bool { kind == .password }
}

/// The error of a value that its key does not allow. The description is Kafka's message beside INVALID_CONFIG.
package struct InvalidConfig: Error, Equatable, CustomStringConvertible {
  package var description: String
}

extension ConfigKey {
  /// Checks `text`, and returns it without spaces at both ends, a boolean in lower case.
  package func check(_ text: String) throws(InvalidConfig) -> String {
    let value = text.trimmingSpaces()
    switch kind {
    case .boolean:
      guard ["true", "false"].contains(value.lowercased()) else {
        throw invalid(value, "Expected value to be either true or false")
      }
      return value.lowercased()
    case .int, .short, .long: try checkInteger(value)
    case .double: try checkFraction(value)
    case .list: try checkElements(value)
    case .string, .className, .password: try checkText(value)
    }
    return value
  }

  /// Returns the elements of a comma-separated list, without spaces around them and without empty ones.
  package static func elements(_ value: String) -> [String] {
    value.split(separator: ",").map { $0.trimmingSpaces() }.filter { !$0.isEmpty }
  }

  private func invalid(_ value: String, _ reason: String) -> InvalidConfig {
    InvalidConfig(description: "Invalid value \(value) for configuration \(name): \(reason)")
  }

  private func checkInteger(_ value: String) throws(InvalidConfig) {
    let (range, type): (ClosedRange<Int64>, String) =
      switch kind {
      case .short: (Int64(Int16.min)...Int64(Int16.max), "SHORT")
      case .int: (Int64(Int32.min)...Int64(Int32.max), "INT")
      default: (Int64.min...Int64.max, "LONG")
      }
    guard let number = Int64(value), range.contains(number) else {
      throw invalid(value, "Not a number of type \(type)")
    }
    switch allowed {
    case .atLeast(let least):
      guard number >= least else { throw invalid(value, "Value must be at least \(least)") }
    case .between(let least, let most):
      guard number >= least else { throw invalid(value, "Value must be at least \(least)") }
      guard number <= most else { throw invalid(value, "Value must be no more than \(most)") }
    case .gzipLevel:
      guard number == -1 || (1...9).contains(number) else {
        throw invalid(value, "Value must be between 1 and 9 or equal to -1")
      }
    case .anything, .betweenFractions, .oneOf, .eachOf, .notEmpty, .throttledReplicas: break
    }
  }

  private func checkFraction(_ value: String) throws(InvalidConfig) {
    guard let number = Double(value), number.isFinite else { throw invalid(value, "Not a number of type DOUBLE") }
    guard case .betweenFractions(let least, let most) = allowed else { return }
    guard number >= least else { throw invalid(value, "Value must be at least \(least)") }
    guard number <= most else { throw invalid(value, "Value must be no more than \(most)") }
  }

  private func checkElements(_ value: String) throws(InvalidConfig) {
    let elements = Self.elements(value)
    if case .notEmpty = allowed, elements.isEmpty { throw invalid(value, "must not be empty") }
    if case .throttledReplicas = allowed {
      guard elements == ["*"] || elements.allSatisfy({ ThrottledReplicas.allows($0) }) else {
        throw invalid(
          value,
          "\(name) must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
        )
      }
    }
    guard case .eachOf(let names) = allowed else { return }
    for element in elements where !names.contains(element) {
      throw invalid(element, "String must be one of: \(names.joined(separator: ", "))")
    }
  }

  private func checkText(_ value: String) throws(InvalidConfig) {
    switch allowed {
    case .oneOf(let names):
      guard names.contains(value) else {
        throw invalid(value, "String must be one of: \(names.joined(separator: ", "))")
      }
    case .notEmpty:
      guard !value.isEmpty else { throw invalid(value, "String must be non-empty") }
    case .anything, .atLeast, .between, .betweenFractions, .eachOf, .gzipLevel, .throttledReplicas: break
    }
  }

  /// The allowed values, in the words of docs/configuration.md and of an error at the start.
  package var allowedText: String {
    switch allowed {
    case .anything:
      switch kind {
      case .boolean: "true or false"
      case .short: "a 16-bit integer"
      case .int: "a 32-bit integer"
      case .long: "a 64-bit integer"
      case .double: "a number"
      case .list: "a list, comma separated"
      case .string, .className, .password: "text"
      }
    case .atLeast(let least): "at least \(least)"
    case .between(let least, let most): "\(least) to \(most)"
    case .betweenFractions(let least, let most): "\(least) to \(most)"
    case .oneOf(let names): names.joined(separator: ", ")
    case .eachOf(let names): "a list of: \(names.joined(separator: ", "))"
    case .notEmpty: "not empty"
    case .gzipLevel: "1 to 9, or -1"
    case .throttledReplicas: "\\*, or partition:broker,…"
    }
  }
}

// Shorthands for the rows of `ConfigKeys.accepted`.
extension ConfigKey {
  static func boolean(_ name: String, _ value: Bool, _ documentation: String) -> ConfigKey {
    ConfigKey(name: name, kind: .boolean, defaultValue: value ? "true" : "false", documentation: documentation)
  }

  static func int(_ name: String, _ value: Int?, _ allowed: Allowed, _ documentation: String) -> ConfigKey {
    ConfigKey(
      name: name, kind: .int, defaultValue: value.map { String($0) }, allowed: allowed, documentation: documentation)
  }

  static func int(_ name: String, _ value: Int?, _ documentation: String) -> ConfigKey {
    .int(name, value, .anything, documentation)
  }

  static func short(_ name: String, _ value: Int?, _ allowed: Allowed, _ documentation: String) -> ConfigKey {
    ConfigKey(
      name: name, kind: .short, defaultValue: value.map { String($0) }, allowed: allowed, documentation: documentation)
  }

  static func short(_ name: String, _ value: Int?, _ documentation: String) -> ConfigKey {
    .short(name, value, .anything, documentation)
  }

  static func long(_ name: String, _ value: Int64?, _ allowed: Allowed, _ documentation: String) -> ConfigKey {
    ConfigKey(
      name: name, kind: .long, defaultValue: value.map { String($0) }, allowed: allowed, documentation: documentation)
  }

  static func long(_ name: String, _ value: Int64?, _ documentation: String) -> ConfigKey {
    .long(name, value, .anything, documentation)
  }

  static func double(_ name: String, _ value: Double, _ allowed: Allowed, _ documentation: String) -> ConfigKey {
    ConfigKey(
      name: name, kind: .double, defaultValue: "\(value)", allowed: allowed, documentation: documentation)
  }

  static func double(_ name: String, _ value: Double, _ documentation: String) -> ConfigKey {
    .double(name, value, .anything, documentation)
  }

  static func string(_ name: String, _ value: String?, _ allowed: Allowed, _ documentation: String) -> ConfigKey {
    ConfigKey(
      name: name, kind: .string, defaultValue: value, allowed: allowed, documentation: documentation)
  }

  static func string(_ name: String, _ value: String?, _ documentation: String) -> ConfigKey {
    .string(name, value, .anything, documentation)
  }

  static func list(_ name: String, _ value: String?, _ allowed: Allowed, _ documentation: String) -> ConfigKey {
    ConfigKey(
      name: name, kind: .list, defaultValue: value, allowed: allowed, documentation: documentation)
  }

  static func list(_ name: String, _ value: String?, _ documentation: String) -> ConfigKey {
    .list(name, value, .anything, documentation)
  }

  static func password(_ name: String, _ documentation: String) -> ConfigKey {
    ConfigKey(name: name, kind: .password, defaultValue: nil, documentation: documentation)
  }

  static func className(_ name: String, _ value: String?, _ documentation: String) -> ConfigKey {
    ConfigKey(name: name, kind: .className, defaultValue: value, documentation: documentation)
  }

  /// Returns the key as one whose value can be changed while the broker runs.
  func dynamic(_ update: Update = .clusterWide) -> ConfigKey {
    var key = self
    key.update = update
    return key
  }

  var withoutEffect: ConfigKey {
    var key = self
    key.effect = .accepted
    return key
  }
}

extension StringProtocol {
  /// The text without spaces, tabs and control characters at both ends (Java's `trim`).
  func trimmingSpaces() -> String {
    var bytes = Substring(self).utf8
    while let first = bytes.first, first <= 0x20 { bytes = bytes.dropFirst() }
    while let last = bytes.last, last <= 0x20 { bytes = bytes.dropLast() }
    return String(bytes) ?? String(self)
  }
}
