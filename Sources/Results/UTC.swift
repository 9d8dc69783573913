import Glibc

/// The wall clock, for names and labels only.
package enum UTC {
  package static func now() -> String { text("%Y-%m-%dT%H:%M:%SZ") }

  /// Sorts as text: `20260102T030405Z`.
  package static func stamp() -> String { text("%Y%m%dT%H%M%SZ") }

  private static func text(_ format: String) -> String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 64)
    let count = strftime(&buffer, buffer.count, format, &parts)
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
