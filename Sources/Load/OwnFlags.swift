/// Parses a command's own flags, beside those of a plan, and keeps the other arguments.
struct OwnFlags {
  /// The other arguments in order, values included: flags of a plan, or mistakes.
  private(set) var others: [String] = []
  private var values: [String: String] = [:]

  /// - Parameters:
  ///   - valued: names of flags with a value: `--name value` or `--name=value`.
  ///   - switches: names of flags without a value.
  init(_ arguments: [String], valued: Set<String>, switches: Set<String>) throws(PlanError) {
    var queue = arguments[...]
    while let argument = queue.popFirst() {
      let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1).map(String.init)
      guard argument.hasPrefix("--"), let name = parts.first, valued.contains(name) || switches.contains(name) else {
        others.append(argument)
        continue
      }
      if switches.contains(name) {
        guard parts.count == 1 else { throw PlanError("--\(name) takes no value: leave out '\(parts[1])'") }
        values[name] = ""
      } else if parts.count == 2 {
        values[name] = parts[1]
      } else {
        guard let value = queue.popFirst() else { throw PlanError("--\(name) needs a value") }
        values[name] = value
      }
    }
  }

  /// The value of a flag; of a switch that is set, the empty string.
  subscript(name: String) -> String? { values[name] }

  func number(_ name: String, _ range: ClosedRange<Double>) throws(PlanError) -> Double? {
    guard let text = values[name] else { return nil }
    guard let value = Double(text), range.contains(value) else {
      throw LoadPlan.invalid(name, text, "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}
