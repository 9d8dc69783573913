import Base
import Model

/// Words of what a cluster refuses.
enum Refusal {
  static func text(_ code: ErrorCode, _ message: String?) -> String {
    code.name + (message.flatMap { $0.isEmpty ? nil : " (\($0))" } ?? "")
  }

  /// The nearest known name, as the end of a sentence.
  static func hint(_ name: String, _ known: [String]) -> String {
    Spelling.nearest(to: name, among: known).map { "; did you mean '\($0)'?" } ?? ""
  }
}
