internal import Glibc
internal import Model

/// A configuration read from a file and overrides, with warnings.
package struct ConfigFile: Sendable {
  package var config: Config
  /// The warnings, one line each: unknown keys, with the nearest known one, keys given twice, keys without effect.
  package var warnings: [String]
  /// Where each key was given last: `FILE:LINE`, or `--override`.
  package var places: [String: String]

  /// Reads the file at `path`, if given, and `key=value` overrides, which take precedence over the file.
  ///
  /// - Throws: every value that is not allowed, each with the file and line or the override, the key and what is allowed.
  package static func load(path: String?, overrides: [String] = []) throws(ConfigError) -> ConfigFile {
    var text = ""
    if let path { text = try read(path) }
    return try parse(text, name: path ?? "", overrides: overrides)
  }

  /// - Parameter name: the name of the text in warnings and errors.
  package static func parse(_ text: String, name: String, overrides: [String] = []) throws(ConfigError) -> ConfigFile {
    var reading = Reading()
    for entry in JavaProperties(text).entries {
      reading.take(entry.key, entry.value, from: "\(name):\(entry.line)", isOverride: false)
    }
    for override in overrides {
      guard let equals = override.firstIndex(of: "="), equals != override.startIndex else {
        reading.problems.append("--override \(override): expected key=value")
        continue
      }
      let key = override[..<equals].trimmingSpaces()
      reading.take(key, String(override[override.index(after: equals)...]), from: "--override", isOverride: true)
    }
    guard reading.problems.isEmpty else { throw ConfigError(problems: reading.problems) }
    reading.noteKeysWithoutEffect()
    let values = ConfigValues(given: reading.values, dynamicDefaults: [:], dynamicOwn: [:])
    do {
      return ConfigFile(config: try Config(values), warnings: reading.warnings, places: reading.places)
    } catch {
      // Values that contradict each other: name the place of the key with which each problem begins.
      throw ConfigError(problems: error.problems.map { reading.placing($0) })
    }
  }

  private static func read(_ path: String) throws(ConfigError) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw ConfigError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = chunk.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
      guard count >= 0 else { throw ConfigError("\(path): \(String(cString: strerror(errno)))") }
      if count == 0 { break }
      bytes += chunk[..<count]
      guard bytes.count <= Limits.fileBytes else { throw ConfigError("\(path): larger than \(Limits.fileBytes) bytes") }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  enum Limits {
    /// The maximum size of a file in bytes; a larger one is refused as no configuration.
    static let fileBytes = 16 << 20
  }
}

/// The state of reading one configuration, entry by entry.
private struct Reading {
  var values: [String: String] = [:]
  var places: [String: String] = [:]
  var problems: [String] = []
  var warnings: [String] = []

  mutating func take(_ name: String, _ value: String, from place: String, isOverride: Bool) {
    if let earlier = places[name], !(isOverride && earlier != "--override") {
      warnings.append("\(place): \(name) was already given at \(earlier); the later value is used")
    }
    places[name] = place
    guard let key = ConfigKeys.named[name] else {
      // A topic key in a broker's configuration is a common mistake: suggest the broker key that topics inherit it from.
      let meant = TopicConfigKeys.named[name]?.synonyms.first?.name ?? ConfigKeys.nearest(to: name)
      warnings.append("\(place): unknown key \(name)" + (meant.map { "; did you mean \($0)?" } ?? ""))
      values[name] = value
      return
    }
    do {
      values[name] = try key.check(value)
    } catch {
      problems.append("\(place): \(error) (allowed: \(key.allowedText))")
    }
  }

  mutating func noteKeysWithoutEffect() {
    let names = values.keys.filter { ConfigKeys.named[$0]?.effect == .accepted }.sorted()
    guard !names.isEmpty else { return }
    warnings.append("accepted without effect: \(names.joined(separator: ", "))")
  }

  func placing(_ problem: String) -> String {
    let named = places.keys.filter { problem.hasPrefix($0) }.max { $0.utf8.count < $1.utf8.count }
    guard let named, let place = places[named] else { return problem }
    return "\(place): \(problem)"
  }
}
