import Foundation
import Lab

/// What the commands print for programs.
enum JSONText {
  /// Keys sorted, so that two runs can be compared as text.
  static func of(_ object: Any) throws -> String {
    let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try JSONSerialization.data(withJSONObject: object, options: options), as: UTF8.self)
  }
}

/// The nearest of the words a person could have meant, for the end of an error.
enum NearMiss {
  static func hint(_ word: String, _ known: [String]) -> String {
    Spelling.nearest(to: word, among: known).map { "; did you mean '\($0)'?" } ?? ""
  }
}
