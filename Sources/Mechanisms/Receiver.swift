internal import CMillrace
import Glibc
import Synchronization

/// Reads sockets to their ends on a thread of its own, as a consumer does: every byte is copied into a buffer.
///
/// Started by `init`, ended by `finish`, which waits for the ends of all streams; exactly one call.
final class Receiver: Sendable {
  struct Outcome {
    var bytes = 0
    /// CRC-32C of everything, when asked for.
    var checksum: UInt32 = 0
    var calls = 0
    var usage = ThreadUsage(cpuSeconds: 0, voluntarySwitches: 0, involuntarySwitches: 0, minorFaults: 0)
    var error: MechanismError?
  }

  private static let bufferBytes = 1 << 20
  private let sockets: [Int32]
  private let checksums: Bool
  private let outcome = Mutex(Outcome())
  private let thread = Mutex<WorkThread?>(nil)

  init(sockets: [Int32], checksums: Bool) throws(MechanismError) {
    self.sockets = sockets
    self.checksums = checksums
    let started = try WorkThread { self.receive() }
    thread.withLock { $0 = started }
  }

  func finish() throws(MechanismError) -> Outcome {
    thread.withLock { $0 }?.join()
    let outcome = outcome.withLock { $0 }
    if let error = outcome.error { throw error }
    return outcome
  }

  private func receive() {
    let buffer = alignedBuffer(byteCount: Self.bufferBytes)
    defer { buffer.deallocate() }
    var seen = Outcome()
    do throws(MechanismError) {
      if sockets.count == 1 {
        while try receive(from: sockets[0], into: buffer, &seen) {}
      } else {
        try receiveFromAll(into: buffer, &seen)
      }
    } catch {
      seen.error = error
    }
    seen.usage = ThreadUsage.now()
    let ended = seen
    outcome.withLock { $0 = ended }
  }

  /// Whichever has bytes, until all have ended.
  private func receiveFromAll(into buffer: UnsafeMutableRawBufferPointer, _ seen: inout Outcome) throws(MechanismError)
  {
    var open = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    while !open.isEmpty {
      try check("poll") { poll(&open, nfds_t(open.count), -1) }
      for index in open.indices.reversed() where open[index].revents != 0 {
        if try !receive(from: open[index].fd, into: buffer, &seen) { open.remove(at: index) }
      }
    }
  }

  /// One call; false at the end of the stream.
  private func receive(
    from socket: Int32, into buffer: UnsafeMutableRawBufferPointer, _ seen: inout Outcome
  ) throws(MechanismError) -> Bool {
    seen.calls += 1
    let count = try check("recv") { recv(socket, buffer.baseAddress, buffer.count, 0) }
    if count == 0 { return false }
    seen.bytes += count
    if checksums { seen.checksum = millrace_crc32c(seen.checksum, buffer.baseAddress, count) }
    return true
  }
}
