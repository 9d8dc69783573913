package import Model

/// Holds `log-directories`: the id of a log directory, and the broker's other directories at its last start.
///
/// Worked case: a broker has /a and /b, and starts once with log.dirs=/a. The roster in /a still names /b, so the start knows
/// that missing partitions may be there, and does not create them. An unmounted disk is detected in the same way: its mount
/// point has no roster, and so not the id that the others name.
///
/// ```
/// 0                            version
/// <id> <path>                  this directory
/// <id> <path> …                each other one
/// ```
package struct DirectoryRoster: Hashable, Sendable {
  /// The directory's random, permanent id: paths change, and the id stays with the files.
  package var id: UUID128
  /// The path of every directory of the broker, this one among them, by its id.
  package var paths: [UUID128: String]

  package init(id: UUID128, paths: [UUID128: String]) {
    self.id = id
    self.paths = paths
  }

  package static let fileName = "log-directories"

  /// Parses `text`; nil for other text.
  init?(_ text: String) {
    let lines = text.split(separator: "\n")
    guard lines.count >= 2, lines[0] == "0" else { return nil }
    var ids: [UUID128] = []
    paths = [:]
    for line in lines.dropFirst() {
      guard let blank = line.firstIndex(of: " "), let id = UUID128(line[..<blank]) else { return nil }
      ids.append(id)
      paths[id] = String(line[line.index(after: blank)...])
    }
    id = ids[0]
  }

  var text: String {
    let others = paths.filter { $0.key != id }.sorted { $0.value < $1.value }
    let lines = [(key: id, value: paths[id] ?? "")] + others
    return "0\n" + lines.map { "\($0.key) \($0.value)\n" }.joined()
  }
}
