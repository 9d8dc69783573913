import Base
import CMillrace
import Glibc
package import Logging

/// Log lines on standard error, one write each: `2026-01-31T12:00:00.000Z INFO broker: message key=value …`.
package struct StandardErrorLog: LogHandler {
  package var logLevel: Logger.Level = .info
  package var metadata: Logger.Metadata = [:]
  private let label: String

  init(_ label: String) { self.label = label }

  package static func logger(_ label: String) -> Logger { Logger(label: label) { StandardErrorLog($0) } }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var line = "\(Self.timestamp()) \(event.level.rawValue.uppercased()) \(label): \(event.message)"
    for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 }).sorted(by: { $0.key < $1.key }
    ) {
      line += " \(key)=\(value)"
    }
    line += "\n"
    line.withUTF8 { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
  }

  /// UTC, to the millisecond.
  private static func timestamp() -> String {
    let nowMs = Clocks.wallMs()
    var seconds = Int(nowMs / 1000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func padded(_ number: some BinaryInteger, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
    let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
    return "\(date)T\(time).\(padded(nowMs % 1000, 3))Z"
  }
}
