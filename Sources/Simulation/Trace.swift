import CMillrace
import NIOCore

/// Records the events of a run in order: a hash of all, and the text of the last.
///
/// Two runs of one seed have the same hash, on any machine; otherwise the run depends on more than the seed.
package final class Trace: @unchecked Sendable {
  // Used by one thread, that of the simulation.

  private static let linesKept = 400
  private var lines: [String] = []
  private var start = 0
  package private(set) var events = 0
  /// FNV-1a, 64 bits.
  package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  private let loop: any EventLoop
  /// Called with each event, to print it.
  private let echo: ((String) -> Void)?

  init(loop: any EventLoop, echo: ((String) -> Void)?) {
    self.loop = loop
    self.echo = echo
  }

  func note(_ event: String) {
    events += 1
    let nanoseconds = loop.now.uptimeNanoseconds
    add(nanoseconds)
    for byte in event.utf8 { add(byte) }
    let micros = String(nanoseconds / 1000 % 1_000_000)
    let line =
      "\(nanoseconds / 1_000_000_000).\(String(repeating: "0", count: 6 - micros.utf8.count))\(micros)  \(event)"
    if lines.count < Self.linesKept {
      lines.append(line)
    } else {
      lines[start] = line
      start = (start + 1) % Self.linesKept
    }
    echo?(line)
  }

  /// Adds bytes to the hash by their checksum: hashing each byte would take half of a debug build's time.
  func note(_ bytes: ByteBuffer) {
    add(UInt64(bytes.withUnsafeReadableBytes { millrace_crc32c(0, $0.baseAddress, $0.count) }))
  }

  private func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  private func add(_ number: UInt64) { hash = (hash ^ number) &* 0x100_0000_01B3 }

  /// The last events, oldest first, each with its virtual seconds.
  package var last: [String] { Array(lines[start...] + lines[..<start]) }
}
