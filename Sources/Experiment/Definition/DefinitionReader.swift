import Base
import Measure
import Yams

/// One mapping of a definition, read strictly: every key is asked for by name, and what nobody asked for is an error.
///
/// Use: ask for each key, then `finish()`. Asking marks the key as known, whether or not it is present.
struct DefinitionReader {
  let file: String
  /// Those that a definition may name.
  let mechanisms: [MechanismDescription]
  /// Path of this mapping from the root; empty at the root.
  let path: String
  private let mapping: Node.Mapping
  private var known: Set<String> = []

  init(
    file: String, path: String, node: Node, mechanisms: [MechanismDescription]
  ) throws(DefinitionError) {
    self.file = file
    self.mechanisms = mechanisms
    self.path = path
    guard case .mapping(let mapping) = node else {
      throw Self.error(file, node, path, "a mapping of keys to values is needed here")
    }
    self.mapping = mapping
  }

  /// The root of a file; duplicate keys anywhere are found here.
  init(file: String, yaml: String, mechanisms: [MechanismDescription]) throws(DefinitionError) {
    let root: Node?
    do {
      root = try compose(yaml: yaml)
    } catch let error as YamlError {
      throw DefinitionError(error, file: file, yaml: yaml)
    } catch {
      throw DefinitionError(file: file, line: 0, column: 0, key: "", message: "\(error)")
    }
    guard let root else {
      throw DefinitionError(file: file, line: 0, column: 0, key: "", message: "the file is empty")
    }
    try self.init(file: file, path: "", node: root, mechanisms: mechanisms)
  }

  /// Throws for the first key nobody asked for.
  func finish() throws(DefinitionError) {
    for (key, _) in mapping {
      let name = key.string ?? "?"
      if known.contains(name) { continue }
      var error = Self.error(file, key, path, "unknown key `\(name)`")
      error.suggestion = Spelling.nearest(to: name, among: known)
      throw error
    }
  }

  mutating func node(_ key: String) -> Node? {
    known.insert(key)
    guard let node = mapping[key] else { return nil }
    if case .scalar(let scalar) = node, scalar.style == .plain, scalar.string.isEmpty { return nil }
    return node
  }

  mutating func required(_ key: String) throws(DefinitionError) -> Node {
    if let node = node(key) { return node }
    // A required key that is missing is most often there, misspelled: point at that line.
    for (name, _) in mapping where Spelling.nearest(to: name.string ?? "", among: [key]) != nil {
      if known.contains(name.string ?? "") { continue }
      var error = Self.error(file, name, path, "unknown key `\(name.string ?? "")`")
      error.suggestion = key
      throw error
    }
    throw DefinitionError(
      file: file, line: mapping.mark?.line ?? 0, column: mapping.mark?.column ?? 0, key: path,
      message: "the key `\(key)` is missing")
  }

  func error(_ node: Node?, _ key: String, _ message: String) -> DefinitionError {
    Self.error(file, node, path.isEmpty ? key : "\(path).\(key)", message)
  }

  private static func error(_ file: String, _ node: Node?, _ key: String, _ message: String) -> DefinitionError {
    DefinitionError(
      file: file, line: node?.mark?.line ?? 0, column: node?.mark?.column ?? 0, key: key, message: message)
  }
}

// MARK: - Scalars

extension DefinitionReader {
  mutating func text(_ key: String) throws(DefinitionError) -> String {
    let node = try required(key)
    return try scalar(node, key)
  }

  mutating func text(_ key: String, default value: String) throws(DefinitionError) -> String {
    guard let node = node(key) else { return value }
    return try scalar(node, key)
  }

  mutating func level(_ key: String) throws(DefinitionError) -> Level? {
    guard let node = node(key) else { return nil }
    return Level(try scalar(node, key))
  }

  mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(DefinitionError) -> Int? {
    guard let node = node(key) else { return nil }
    guard let value = Int(try scalar(node, key)) else { throw error(node, key, "a whole number is needed") }
    guard range.contains(value) else {
      throw error(node, key, "\(value) is not within \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  mutating func requiredInteger(_ key: String, in range: ClosedRange<Int>) throws(DefinitionError) -> Int {
    let node = try required(key)
    guard let value = try integer(key, in: range) else { throw error(node, key, "a whole number is needed") }
    return value
  }

  mutating func number(_ key: String) throws(DefinitionError) -> Double? {
    guard let node = node(key) else { return nil }
    guard let value = Double(try scalar(node, key)), value.isFinite else {
      throw error(node, key, "a number is needed")
    }
    return value
  }

  mutating func flag(_ key: String, default value: Bool) throws(DefinitionError) -> Bool {
    guard let node = node(key) else { return value }
    switch try scalar(node, key) {
    case "true": return true
    case "false": return false
    default: throw error(node, key, "`true` or `false` is needed")
    }
  }

  /// A value of a closed list; the error names the nearest.
  mutating func choice<Value: RawRepresentable & CaseIterable>(
    _ key: String, of type: Value.Type
  ) throws(DefinitionError) -> Value? where Value.RawValue == String {
    guard let node = node(key) else { return nil }
    let text = try scalar(node, key)
    if let value = Value(rawValue: text) { return value }
    let words = Value.allCases.map(\.rawValue)
    var error = error(node, key, "`\(text)` is not one of \(words.joined(separator: ", "))")
    error.suggestion = Spelling.nearest(to: text, among: words)
    throw error
  }

  private func scalar(_ node: Node, _ key: String) throws(DefinitionError) -> String {
    guard case .scalar(let scalar) = node else { throw error(node, key, "a single value is needed") }
    return scalar.string
  }
}

// MARK: - Collections

extension DefinitionReader {
  /// A list of single values; one value alone is a list of one.
  mutating func texts(_ key: String) throws(DefinitionError) -> [String] {
    guard let node = node(key) else { return [] }
    guard case .sequence(let sequence) = node else { return [try scalar(node, key)] }
    var values: [String] = []
    for item in sequence { values.append(try scalar(item, key)) }
    return values
  }

  /// A list of mappings, each read by `body`.
  mutating func list<Value>(
    _ key: String, _ body: (inout DefinitionReader) throws(DefinitionError) -> Value
  ) throws(DefinitionError) -> [Value] {
    guard let node = node(key) else { return [] }
    guard case .sequence(let sequence) = node else { throw error(node, key, "a list is needed") }
    var values: [Value] = []
    for (index, item) in sequence.enumerated() {
      var reader = try DefinitionReader(file: file, path: child("\(key)[\(index)]"), node: item, mechanisms: mechanisms)
      values.append(try body(&reader))
      try reader.finish()
    }
    return values
  }

  /// A nested mapping, read by `body`.
  mutating func section<Value>(
    _ key: String, _ body: (inout DefinitionReader) throws(DefinitionError) -> Value
  ) throws(DefinitionError) -> Value? {
    guard let node = node(key) else { return nil }
    var reader = try DefinitionReader(file: file, path: child(key), node: node, mechanisms: mechanisms)
    let value = try body(&reader)
    try reader.finish()
    return value
  }

  /// A mapping of free names to single values, in the file's order.
  mutating func settings(_ key: String) throws(DefinitionError) -> [Setting] {
    guard let node = node(key) else { return [] }
    guard case .mapping(let mapping) = node else { throw error(node, key, "a mapping of names to values is needed") }
    var settings: [Setting] = []
    for (name, value) in mapping {
      settings.append(Setting(name: name.string ?? "", value: Level(try scalar(value, key))))
    }
    return settings
  }

  /// A mapping of factor names to lists of levels, in the file's order.
  mutating func factors(_ key: String) throws(DefinitionError) -> [Factor] {
    guard let node = node(key) else { return [] }
    guard case .mapping(let mapping) = node else { throw error(node, key, "a mapping of factors to levels is needed") }
    var reader = try DefinitionReader(file: file, path: child(key), node: node, mechanisms: mechanisms)
    var factors: [Factor] = []
    for (name, value) in mapping {
      let texts = try reader.texts(name.string ?? "")
      guard !texts.isEmpty else { throw error(value, key, "`\(name.string ?? "")` has no levels") }
      guard Set(texts).count == texts.count else {
        throw error(value, key, "`\(name.string ?? "")` has the same level twice")
      }
      factors.append(Factor(name: name.string ?? "", levels: texts.map { Level($0) }))
    }
    return factors
  }

  private func child(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}

extension DefinitionError {
  /// What Yams found while composing, in our words and with the line a person would look at.
  fileprivate init(_ error: YamlError, file: String, yaml: String) {
    self.init(file: file, line: 0, column: 0, key: "", message: "\(error)")
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      (line, column, message) = (mark.line, mark.column, "not YAML: \(problem)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      key = duplicates.first ?? ""
      (line, column) = Self.second(key, after: context.mark.line, in: yaml)
      message = "the key is given twice (first in line \(context.mark.line))"
    default:
      break
    }
  }

  /// Yams marks one of the two; a person wants the other: the next line that begins with the key at the same indentation.
  private static func second(_ key: String, after line: Int, in yaml: String) -> (Int, Int) {
    let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.indices.contains(line - 1) else { return (line, 1) }
    let indent = lines[line - 1].prefix { $0 == " " || $0 == "-" }.count
    for index in line..<lines.count {
      let content = lines[index].drop { $0 == " " || $0 == "-" }
      if content.hasPrefix(key + ":"), lines[index].count - content.count == indent { return (index + 1, indent + 1) }
    }
    return (line, indent + 1)
  }
}
