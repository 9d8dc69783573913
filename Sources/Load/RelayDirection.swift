import Glibc
import NIOCore

/// One direction of a relayed connection: bytes read from one socket lie in a ring until their time has come, and are then
/// written to the other.
///
/// The ring is all the memory there is: when it is full nothing more is read, and TCP holds the sender back. Owned by the
/// relay's thread.
final class RelayLane {
  enum Limits {
    /// Read at a time, so that no direction keeps the others waiting.
    static let readBytes = 256 << 10
    /// What arrived within so much time becomes due together, with the last of it: never early, and so little late.
    static let mergeNs: UInt64 = 20_000
    /// Due times remembered; with more nothing is read.
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
  /// Of `held`, those whose time has come.
  private var due = 0
  /// When the end of the stream is to be passed on; nil before it came.
  private var endNs: UInt64?
  private(set) var isDone = false
  /// The destination takes no more for now.
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
    // Large allocations cost nothing until they are written to.
    ring = .allocate(byteCount: bufferBytes, alignment: 4096)
  }

  deinit { ring.deallocate() }

  var canRead: Bool { endNs == nil && held < ring.count && marks.count < Limits.marksMax }

  /// When there is something to do that no socket will tell of.
  var wakeNs: UInt64? {
    guard !isBlocked, !isDone else { return nil }
    return marks.first?.dueNs ?? (held == 0 ? endNs : nil)
  }

  func unblock() { isBlocked = false }

  /// Takes what is there, as far as there is room.
  func read(_ nowNs: UInt64) throws(RelayError) {
    guard canRead else { return }
    // From the start again, so that a lane that keeps up stays in the processor's cache.
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

  /// Passes on whatever is due, the end of the stream last.
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
