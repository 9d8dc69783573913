import Foundation

extension LoadPlan {
  /// Parses a command line, without the program's name: `produce --topic t --num-records 1000 …`.
  ///
  /// A plan file (`--plan FILE`) is read first, wherever the flag is; other flags override it.
  package init(arguments: [String]) throws(PlanError) {
    guard let first = arguments.first, let command = Command(rawValue: first) else {
      throw PlanError(
        "\(arguments.first.map { "'\($0)' is no command" } ?? "missing command"): expected produce, consume, end-to-end, sustain, twin, check, agent, spread or relay"
      )
    }
    self.init(command)
    let flags = try Self.flags(arguments.dropFirst())
    for flag in flags where flag.name == "plan" { try read(file: flag.value) }
    for flag in flags where flag.name != "plan" {
      do {
        try set(flag.name, flag.value)
      } catch {
        throw PlanError("--\(flag.name): \(error)")
      }
    }
    try takeShare()
    try check()
  }

  /// Returns the settings of a command line by name, those of a plan file first.
  static func pairs(of arguments: [String]) throws(PlanError) -> [(name: String, value: String)] {
    let flags = try flags(arguments.dropFirst())
    var pairs: [(name: String, value: String)] = []
    for flag in flags where flag.name == "plan" {
      guard let data = FileManager.default.contents(atPath: flag.value) else {
        throw PlanError("cannot read plan file \(flag.value)")
      }
      pairs += try Self.pairs(ofJSON: data)
    }
    return pairs + flags.filter { $0.name != "plan" }
  }

  /// Reads a plan file: one JSON object whose keys are the settings' names.
  package mutating func read(file path: String) throws(PlanError) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw PlanError("cannot read plan file \(path)")
    }
    do {
      try read(json: data)
    } catch {
      throw PlanError("\(path): \(error)")
    }
  }

  mutating func read(json data: Data) throws(PlanError) {
    for (name, value) in try Self.pairs(ofJSON: data) { try set(name, value) }
  }

  private static func pairs(ofJSON data: Data) throws(PlanError) -> [(name: String, value: String)] {
    let parsed: Any
    do {
      parsed = try JSONSerialization.jsonObject(with: data)
    } catch {
      throw PlanError("not JSON: \(error.localizedDescription)")
    }
    guard let object = parsed as? [String: Any] else { throw PlanError("a plan is one JSON object") }
    var pairs: [(name: String, value: String)] = []
    for name in object.keys.sorted() { pairs.append((name, try text(of: object[name]!, name))) }
    return pairs
  }

  private static func text(of value: Any, _ name: String) throws(PlanError) -> String {
    switch value {
    case let text as String: return text
    case let number as NSNumber:
      // A JSON true is an NSNumber too.
      if CFBooleanLike.isBoolean(number) { return number.boolValue ? "true" : "false" }
      return number.stringValue
    default: throw PlanError("'\(name)' must be text, a number, true or false")
    }
  }

  private enum CFBooleanLike {
    static func isBoolean(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
  }

  private static func flags(_ arguments: ArraySlice<String>) throws(PlanError) -> [(name: String, value: String)] {
    var flags: [(name: String, value: String)] = []
    var rest = arguments
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("--") else { throw PlanError("unexpected argument '\(argument)': flags begin with --") }
      let name = String(argument.dropFirst(2))
      if let equals = name.firstIndex(of: "=") {
        flags.append((String(name[..<equals]), String(name[name.index(after: equals)...])))
        continue
      }
      if name == "plan" || setting(named: name)?.placeholder != nil {
        guard let value = rest.popFirst() else { throw PlanError("--\(name) needs a value") }
        flags.append((name, value))
      } else {
        guard setting(named: name) != nil else { throw unknown(name) }
        flags.append((name, "true"))
      }
    }
    return flags
  }

  /// Returns the text of `--help`.
  package static func help(_ command: Command?) -> String {
    var text = """
      millrace-load drives a Kafka-compatible cluster and checks every record that it reads back.

      usage: millrace-load produce|consume|end-to-end --bootstrap-server HOST:PORT --topic NAME [flags]
             millrace-load sustain --objective-ms MS [flags]   the highest rate under a latency (sustain --help)
             millrace-load twin --total-bytes N [flags]        what the stored volume does to the rate (twin --help)
             millrace-load check [flags]                       what Kafka's contract forbids (check --help)
             millrace-load agent --zookeeper HOST:PORT[/CHROOT]    waits for its share of a run (agent --help)
             millrace-load spread --zookeeper HOST:PORT[/CHROOT] --agents N produce|consume|end-to-end FLAGS
                                                               one run by agents on many hosts (spread --help)
             millrace-load relay --listen HOST:PORT --to HOST:PORT --delay-ms MS   a delay proxy (relay --help)
             millrace-load --version

      """
    let shown = settings.filter { setting in command.map { setting.commands.contains($0) } ?? true }
    text += "\nflags" + (command.map { " of \($0.rawValue)" } ?? "") + ":\n"
    text += "  --plan FILE\n      settings from a JSON object of the same names; flags override it\n"
    for setting in shown {
      text += "  --\(setting.name)" + (setting.placeholder.map { " \($0)" } ?? "") + "\n      \(setting.help)\n"
    }
    return text
      + """

      exit code: 0 all well; 1 records lost, duplicated or corrupt, or errors; 2 a plan that cannot be run;
                 74 standard output cannot be written

      """
  }
}
