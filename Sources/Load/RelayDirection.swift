import Glibc
import NIOCore

/// Relays one direction of a connection: bytes read from one socket stay in a ring buffer until they are due, and are then
/// written to the other.
///
/// While the ring is full nothing is read, and TCP slows the sender down. Owned by the relay's thread.
final class RelayDirection {
  enum Limits {
    /// The most bytes of one read, so that one direction does not delay the others.
    static let readBytes = 256 << 10
    /// Bytes arriving within `mergeNs` share one due time, the last one's.
    static let mergeNs: UInt64 = 20_000
    /// The most due times remembered; then reading pauses.
    static let marksMax = 65_536
  }

  let source: Int32
  let destination: Int32
  private let delayNs: UInt64
  private let ring: UnsafeMutableRawBufferPointer
  private var readPlace = 0
  private var writePlace = 0
  private(set) var held = 0
  private(set) var mostHeld = 0
  private var marks = CircularBuffer<Mark>()
  /// The number of held bytes that are due.
  private var due = 0
  /// The due time of the end of stream; nil before it arrives.
  private var endNs: UInt64?
  private(set) var isDone = false
  /// Whether the destination's send buffer is full.
  private(set) var isBlocked = false

  private struct Mark {
    var bytes: Int
    let firstNs: UInt64
    var dueNs: UInt64
  }

  init(from source: Int32, to destination: Int32, delayNs: UInt64, bufferBytes: Int) {
    self.source = source
    self.destination = destination
    self.delayNs = delayNs
    // Untouched pages of a large allocation cost no memory.
    ring = .allocate(byteCount: bufferBytes, alignment: 4096)
  }

  deinit { ring.deallocate() }

  var canRead: Bool { endNs == nil && held < ring.count && marks.count < Limits.marksMax }

  /// The next due time, which no socket event signals.
  var wakeNs: UInt64? {
    guard !isBlocked, !isDone else { return nil }
    return marks.first?.dueNs ?? (held == 0 ? endNs : nil)
  }

  func unblock() { isBlocked = false }

  /// Reads from the source while the ring has room.
  func read(_ nowNs: UInt64) throws(RelayError) {
    guard canRead else { return }
    // Restarts at the front of the empty ring, to stay in the processor's cache.
    if held == 0 { (readPlace, writePlace) = (0, 0) }
    let room = readPlace >= writePlace ? ring.count - readPlace : writePlace - readPlace
    let count = recv(source, ring.baseAddress.map { $0 + readPlace }, min(room, Limits.readBytes), 0)
    if count < 0 {
      if errno == EAGAIN || errno == EINTR { return }
      throw .call("recv", errno)
    }
    guard count > 0 else {
      endNs = nowNs + delayNs
      return
    }
    readPlace = (readPlace + count) % ring.count
    held += count
    mostHeld = max(mostHeld, held)
    if let last = marks.last, nowNs - last.firstNs < Limits.mergeNs {
      marks[marks.index(before: marks.endIndex)].bytes += count
      marks[marks.index(before: marks.endIndex)].dueNs = nowNs + delayNs
    } else {
      marks.append(Mark(bytes: count, firstNs: nowNs, dueNs: nowNs + delayNs))
    }
  }

  /// Writes the due bytes to the destination, and the end of stream last.
  func write(_ nowNs: UInt64) throws(RelayError) {
    while let mark = marks.first, mark.dueNs <= nowNs {
      due += mark.bytes
      marks.removeFirst()
    }
    while due > 0, !isBlocked {
      let from = ring.baseAddress.map { UnsafeRawPointer($0 + writePlace) }
      let count = send(destination, from, min(due, ring.count - writePlace), Int32(MSG_NOSIGNAL))
      if count < 0 {
        if errno == EINTR { continue }
        guard errno == EAGAIN else { throw .call("send", errno) }
        isBlocked = true
        return
      }
      writePlace = (writePlace + count) % ring.count
      held -= count
      due -= count
    }
    if let endNs, held == 0, nowNs >= endNs, !isDone {
      shutdown(destination, Int32(SHUT_WR))
      isDone = true
    }
  }
}
