/// The flags of a command beside those of a plan: their values as they were written, and the arguments that are none of them.
struct OwnFlags {
  /// In their order, values included: another table's flags, or mistakes.
  private(set) var others: [String] = []
  private var values: [String: String] = [:]

  /// - Parameters:
  ///   - valued: names of flags with a value: `--name value` or `--name=value`.
  ///   - switches: names of flags without.
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

  /// Of a switch: empty when it is there.
  subscript(name: String) -> String? { values[name] }

  func number(_ name: String, _ range: ClosedRange<Double>) throws(PlanError) -> Double? {
    guard let text = values[name] else { return nil }
    guard let value = Double(text), range.contains(value) else {
      throw PlanError("'\(text)' is no value of '\(name)': a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}
