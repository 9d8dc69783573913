internal import CMillrace
import Glibc
import Synchronization

/// Reads a socket to its end on a thread of its own, as a consumer does: every byte is copied into a buffer.
///
/// Started by `init`, ended by `finish`, which waits for the sender's end of stream; exactly one call.
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
  private let socket: Int32
  private let checksums: Bool
  private let outcome = Mutex(Outcome())
  private let thread = Mutex(pthread_t())

  init(socket: Int32, checksums: Bool) throws(MechanismError) {
    self.socket = socket
    self.checksums = checksums
    var started = pthread_t()
    let code = pthread_create(
      &started, nil,
      { context in
        guard let context else { return nil }
        Unmanaged<Receiver>.fromOpaque(context).takeRetainedValue().receive()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    if code != 0 {
      Unmanaged.passUnretained(self).release()
      throw .call("pthread_create", errno: code)
    }
    thread.withLock { $0 = started }
  }

  func finish() throws(MechanismError) -> Outcome {
    pthread_join(thread.withLock { $0 }, nil)
    let outcome = outcome.withLock { $0 }
    if let error = outcome.error { throw error }
    return outcome
  }

  private func receive() {
    let buffer = alignedBuffer(byteCount: Self.bufferBytes)
    defer { buffer.deallocate() }
    var seen = Outcome()
    while true {
      let count = recv(socket, buffer.baseAddress, buffer.count, 0)
      seen.calls += 1
      if count < 0, errno == EINTR { continue }
      if count < 0 { seen.error = .call("recv", errno: errno) }
      if count <= 0 { break }
      seen.bytes += count
      if checksums { seen.checksum = millrace_crc32c(seen.checksum, buffer.baseAddress, count) }
    }
    seen.usage = ThreadUsage.now()
    let ended = seen
    outcome.withLock { $0 = ended }
  }
}
