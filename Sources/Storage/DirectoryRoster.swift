package import Model

/// `log-directories`: the id of a log directory, and the directories that the broker had beside it when it last started.
///
/// Worked case: a broker has /a and /b, and starts once with log.dirs=/a. The roster in /a still names /b, so the start knows
/// that the partitions it misses may lie there, and makes none of them anew. A disk that is not mounted is found out the same
/// way: its mount point has no roster, and so not the id that the others name.
///
/// ```
/// 0                            version
/// <id> <path>                  this directory
/// <id> <path> …                each other one
/// ```
package struct DirectoryRoster: Hashable, Sendable {
  /// Random, and the directory's for as long as it lives: paths change, and an id goes with the files.
  package var id: UUID128
  /// The path of every directory of the broker, this one among them, by its id.
  package var paths: [UUID128: String]

  package init(id: UUID128, paths: [UUID128: String]) {
    self.id = id
    self.paths = paths
  }

  package static let fileName = "log-directories"

  /// Nil for text that `text` did not write.
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
