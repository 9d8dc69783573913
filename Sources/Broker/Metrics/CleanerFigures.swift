import Model
import NIOCore

/// What the log cleaner tells a scrape.
struct CleanerFigures: Sendable {
  /// How dirty the dirtiest log was at the last look, in percent.
  var maxDirtyPercent = 0
  /// Logs that cannot be cleaned, by the path of their log directory.
  var uncleanable: [String: Int] = [:]
  /// Of the last cleanings.
  var maxCleanSeconds = 0.0
  /// Of the last cleanings: the bytes that were written in percent of those that were read to be copied.
  var recopyPercent = 0
}

/// The last cleanings that have ended, one for each thread of the log cleaner, as Kafka has one of each. A value.
struct LastCleanings {
  private var all: [(seconds: Double, bytesRead: Int, bytesWritten: Int)] = []

  /// - Parameter most: how many are kept; at least 1.
  mutating func add(took time: TimeAmount, read bytesRead: Int, wrote bytesWritten: Int, most: Int) {
    all.append((Double(time.nanoseconds) / 1e9, bytesRead, bytesWritten))
    if all.count > max(1, most) { all.removeFirst(all.count - max(1, most)) }
  }

  var maxSeconds: Double { all.lazy.map(\.seconds).max() ?? 0 }

  /// 0 where nothing was read.
  var recopyPercent: Int {
    let read = all.reduce(0) { $0 + $1.bytesRead }, written = all.reduce(0) { $0 + $1.bytesWritten }
    return read > 0 ? Int((100 * Double(written) / Double(read)).rounded(.down)) : 0
  }
}
