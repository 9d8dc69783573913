internal import CMillrace
import Glibc
import Synchronization

/// Reads sockets to their ends on a thread of its own, as a consumer does: every byte is copied into a buffer.
///
/// Each socket has a buffer of its own that is filled to its end and begun again, so that as much memory is written to
/// as a consumer's that must have so many bytes whole.
///
/// Started by `init`, ended by `finish`, which waits for the ends of all streams; exactly one call.
final class Receiver: Sendable {
  struct Outcome {
    /// As they came; of records that are opened their contents.
    var bytes = 0
    /// CRC-32C of everything, when asked for.
    var checksum: UInt32 = 0
    var calls = 0
    var usage = ThreadUsage(cpuSeconds: 0, voluntarySwitches: 0, involuntarySwitches: 0, minorFaults: 0)
    var error: MechanismError?
  }

  private let sockets: [Int32]
  private let bufferBytes: Int
  private let checksums: Bool
  private let opens: Bool
  private let outcome = Mutex(Outcome())
  private let thread = Mutex<WorkThread?>(nil)

  /// - Parameter opens: the streams are sealed records (`SealedRecords`), which are opened, and whose contents are counted.
  init(sockets: [Int32], bufferBytes: Int, checksums: Bool, opens: Bool = false) throws(MechanismError) {
    self.sockets = sockets
    self.bufferBytes = bufferBytes
    self.checksums = checksums
    self.opens = opens
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
    var streams = sockets.enumerated().map { index, socket in
      Stream(
        socket: socket, buffer: alignedBuffer(byteCount: bufferBytes),
        opener: opens ? SealedRecords.Opener(stream: index) : nil)
    }
    defer { for stream in streams { stream.buffer.deallocate() } }
    var seen = Outcome()
    do throws(MechanismError) {
      if streams.count == 1 {
        while try receive(&streams[0], &seen) {}
      } else {
        try receiveFromAll(&streams, &seen)
      }
    } catch {
      seen.error = error
    }
    seen.usage = ThreadUsage.now()
    let ended = seen
    outcome.withLock { $0 = ended }
  }

  private struct Stream {
    let socket: Int32
    let buffer: UnsafeMutableRawBufferPointer
    /// Where in the buffer the next bytes go.
    var position = 0
    var opener: SealedRecords.Opener?
  }

  /// Whichever has bytes, until all have ended.
  private func receiveFromAll(_ streams: inout [Stream], _ seen: inout Outcome) throws(MechanismError) {
    // A socket of -1 is passed over.
    var polled = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    var open = polled.count
    while open > 0 {
      try check("poll") { poll(&polled, nfds_t(polled.count), -1) }
      for index in polled.indices where polled[index].revents != 0 {
        if try !receive(&streams[index], &seen) {
          polled[index].fd = -1
          open -= 1
        }
      }
    }
  }

  /// One call; false at the end of the stream.
  private func receive(_ stream: inout Stream, _ seen: inout Outcome) throws(MechanismError) -> Bool {
    seen.calls += 1
    let room = stream.buffer[stream.position...]
    let start = UnsafeMutableRawBufferPointer(rebasing: room).baseAddress
    let count = try check("recv") { recv(stream.socket, start, room.count, 0) }
    if count == 0 {
      guard stream.opener?.isInMidst != true else { throw .corrupted("a stream ended within a record") }
      return false
    }
    if stream.opener != nil {
      try stream.opener?.take(UnsafeRawBufferPointer(start: start, count: count)) { content in
        seen.bytes += content.count
        if checksums { seen.checksum = millrace_crc32c(seen.checksum, content.baseAddress, content.count) }
      }
    } else {
      seen.bytes += count
      if checksums { seen.checksum = millrace_crc32c(seen.checksum, start, count) }
    }
    stream.position += count
    if stream.position == stream.buffer.count { stream.position = 0 }
    return true
  }
}
