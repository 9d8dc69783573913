import CMillrace
import Experiment
import Glibc
import Results

/// The log files of a broker's partitions, found by its driver's pattern. A broker that keeps all in memory has none.
struct SegmentFiles: Sendable {
  /// `{topic}-*/*.log` below the data.
  let pattern: String?
  let data: String

  init(of driver: BrokerDriver, in data: String) { self.init(pattern: driver.segments, data: data) }

  init(pattern: String?, data: String) {
    self.pattern = pattern
    self.data = data
  }

  /// Those of one topic; nil: of all topics but the broker's own, whose names begin with two underscores. What is being deleted
  /// counts no more.
  func paths(of topic: String?) -> [String] {
    guard let pattern else { return [] }
    let parts = pattern.replacing("{topic}", with: topic ?? "*").split(separator: "/").map(String.init)
    return parts.reduce([data]) { found, part in
      found.flatMap { directory in
        guard part.contains("*") else { return ["\(directory)/\(part)"] }
        return (SmallFile.entries(of: directory) ?? []).filter { Self.matches($0, part) && Self.counts($0) }
          .map { "\(directory)/\($0)" }
      }
    }
  }

  private static func matches(_ name: String, _ pattern: String) -> Bool { fnmatch(pattern, name, 0) == 0 }

  private static func counts(_ name: String) -> Bool { !name.hasSuffix("-delete") && !name.hasPrefix("__") }

  /// Bytes of a topic.
  func bytes(of topic: String) -> Int { Self.bytes(of: paths(of: topic)) }

  static func bytes(of paths: [String]) -> Int {
    paths.reduce(0) { sum, path in
      var status = stat()
      return stat(path, &status) == 0 ? sum + Int(status.st_size) : sum
    }
  }
}
