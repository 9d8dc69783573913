import Foundation
package import Verdict

/// `ceiling.json`.
extension Ceiling {
  package func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  package init(json: String) throws {
    self = try JSONDecoder().decode(Ceiling.self, from: Data(json.utf8))
  }
}
