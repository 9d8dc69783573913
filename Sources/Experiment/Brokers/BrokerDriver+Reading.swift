import Base

/// Reading a driver: the keys of `experiments/brokers/NAME.yaml`. docs/experiments.md explains them.
extension BrokerDriver {
  fileprivate enum Bounds {
    static let seconds = 1...600
    static let exitCode = 0...255
  }

  /// Throws the first thing wrong with the text, with its line.
  package init(file: String, yaml: String) throws(DefinitionError) {
    var root = try DefinitionReader(file: file, yaml: yaml, mechanisms: [])
    self.init(
      name: try root.text("name"), label: try root.text("label"), needs: try root.texts("needs"),
      version: try root.section("version", Version.init(reading:)), files: try root.list("files", File.init(reading:)),
      settings: try root.section("settings", Settings.init(reading:)) ?? Settings(file: nil, except: [], kernel: [:]),
      before: try root.commands("before"), companions: try root.list("companions", Companion.init(reading:)),
      command: try root.texts("command"), environment: try root.dictionary("environment"),
      says: try root.level("says")?.text,
      startSeconds: try root.integer("start_seconds", in: Bounds.seconds) ?? 60,
      stop: try root.section("stop", Stop.init(reading:))
        ?? Stop(signal: .term, graceSeconds: 60, exitCodes: [0], maySignal: false),
      segments: try root.level("segments")?.text)
    try root.finish()
    do throws(DefinitionError) {
      try check(file)
    } catch {
      throw error.located(in: yaml)
    }
  }

  /// Throws for a placeholder that no start fills, and for what names nothing.
  private func check(_ file: String) throws(DefinitionError) {
    func error(_ key: String, _ message: String, _ suggestion: String? = nil) -> DefinitionError {
      DefinitionError(file: file, line: 0, column: 0, key: key, message: message, suggestion: suggestion)
    }
    if command.isEmpty { throw error("command", "the key `command` is missing: what starts the broker") }
    for (key, text) in texts {
      for name in Placeholder.names(in: text) where !Self.isKnown(name, in: key) {
        let known = Place.allCases.map(\.rawValue) + ["\(Place.freePort)NAME"]
        throw error(
          key, "`\(name)` is not one of \(known.joined(separator: ", "))", Spelling.nearest(to: name, among: known))
      }
    }
    if let bad = files.first(where: { $0.name.isEmpty || $0.name.contains("/") }) {
      throw error("files", "`\(bad.name)` is no name of a file in the run's directory")
    }
    if let wanted = settings.file, !files.contains(where: { $0.name == wanted }) {
      throw error(
        "settings.file", "`\(wanted)` is none of `files`", Spelling.nearest(to: wanted, among: files.map(\.name)))
    }
    if let segments, segments.hasPrefix("/") || !segments.contains("{topic}") {
      throw error("segments", "`\(segments)` is no path within the data that names `{topic}`")
    }
    if let pattern = version?.file, pattern.split(separator: "/").last?.contains("{version}") != true {
      throw error("version.file", "`\(pattern)` does not say in its last part where the `{version}` stands")
    }
  }

  private static func isKnown(_ name: String, in key: String) -> Bool {
    switch name {
    case "topic": key == "segments"
    case "version": key == "version.file"
    default: Place(rawValue: name) != nil || name.hasPrefix(Place.freePort) && name.count > Place.freePort.count
    }
  }

  /// The names of the free ports that a start needs, in order.
  package var freePorts: [String] {
    Set(texts.flatMap { Placeholder.names(in: $0.text) }.filter { $0.hasPrefix(Place.freePort) }).sorted()
  }

  /// Every text in which a placeholder may stand, by its key.
  private var texts: [(key: String, text: String)] {
    let fixed = [("version.file", version?.file), ("segments", segments)].compactMap { key, text in
      text.map { (key: key, text: $0) }
    }
    let commands =
      [("command", command)] + before.map { ("before", $0) } + companions.map { ("companions", $0.command) }
      + [("version.command", version?.command ?? [])]
    return fixed + files.map { ("files", $0.text) } + commands.flatMap { key, words in words.map { (key, $0) } }
      + companions.map { ("companions", $0.port) }
      + environment.sorted { $0.key < $1.key }.map { ("environment", $0.value) }
  }
}

extension BrokerDriver.File {
  fileprivate init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    self.init(name: try reader.text("name"), text: try reader.text("text"))
  }
}

extension BrokerDriver.Settings {
  fileprivate init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    self.init(
      file: try reader.level("file")?.text, except: try reader.texts("except"), kernel: try reader.dictionary("kernel"))
  }
}

extension BrokerDriver.Companion {
  fileprivate init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    self.init(name: try reader.text("name"), command: try reader.texts("command"), port: try reader.text("port"))
  }
}

extension BrokerDriver.Version {
  fileprivate init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    self.init(file: try reader.level("file")?.text, command: try reader.texts("command"))
    guard (file == nil) != command.isEmpty else {
      throw reader.error(
        nil, "file", "a version is read from a `file`, or from the words of a `command`: name one of them")
    }
  }
}

extension BrokerDriver.Stop {
  fileprivate init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    let codes = try reader.texts("exit_codes").map { (text) throws(DefinitionError) -> Int in
      guard let code = Int(text), BrokerDriver.Bounds.exitCode.contains(code) else {
        throw reader.error(nil, "exit_codes", "`\(text)` is no exit code: 0 to 255")
      }
      return code
    }
    self.init(
      signal: try reader.choice("signal", of: BrokerDriver.Signal.self) ?? .term,
      graceSeconds: try reader.integer("grace_seconds", in: BrokerDriver.Bounds.seconds) ?? 60,
      exitCodes: codes.isEmpty ? [0] : codes,
      maySignal: try reader.flag("may_signal", default: false))
  }
}

extension DefinitionReader {
  /// A mapping of free names to single values.
  fileprivate mutating func dictionary(_ key: String) throws(DefinitionError) -> [String: String] {
    Dictionary(try settings(key).map { ($0.name, $0.value.text) }, uniquingKeysWith: { $1 })
  }

  /// A list of mappings that have a `command` each.
  fileprivate mutating func commands(_ key: String) throws(DefinitionError) -> [[String]] {
    try list(key) { (reader) throws(DefinitionError) in
      let words = try reader.texts("command")
      guard !words.isEmpty else { throw reader.error(nil, "command", "the key `command` is missing: a list of words") }
      return words
    }
  }
}
