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
    var line = "\(UTCTime.text(ofMs: Clocks.wallMs())) \(event.level.rawValue.uppercased()) \(label): \(event.message)"
    for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 }).sorted(by: { $0.key < $1.key }
    ) {
      line += " \(key)=\(value)"
    }
    line += "\n"
    line.withUTF8 { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
  }
}
