import DequeModule
import NIOCore

/// Follows the requests of one connection from their beginning until their responses have left, in their order: where their time went.
///
/// Worked case: two requests arrive together at 0 ms. The first is begun at once, and waits for records from 1 ms to 90 ms. The second is
/// begun at 1 ms and has its response at 2 ms, which may not leave before the first one's, at 91 ms. The first: queue 0, local 1, remote
/// 89, send 1. The second: queue 1, local 1, remote 0, send 89.
///
/// A value of its connection, on its event loop. All times are the loop's.
struct RequestTimes {
  typealias Slot = UInt64

  /// What the first bytes of a request say.
  struct Head {
    var apiKey: Int16
    var version: Int16
    var correlationID: Int32
    /// Nil unless somebody wants to read it.
    var clientID: String?

    /// Reads a request's header, which begins at `start`, behind the length of the frame; what is not there is -1.
    ///
    /// - Parameter withClientID: makes a string of the client id.
    init(_ frame: ByteBuffer, at start: Int, withClientID: Bool) {
      apiKey = frame.getInteger(at: start) ?? -1
      version = frame.getInteger(at: start + 2) ?? -1
      correlationID = frame.getInteger(at: start + 4) ?? -1
      guard withClientID, let length = frame.getInteger(at: start + 8, as: Int16.self), length > 0 else { return }
      clientID = frame.getString(at: start + 10, length: Int(length))
    }
  }

  fileprivate struct Entry {
    var slot: Slot
    var head: Head
    var requestBytes: Int
    var responseBytes = 0
    var arrived: NIODeadline
    var began: NIODeadline
    /// The handler returned.
    var served: NIODeadline?
    /// The response was there, or the request wants none.
    var finished: NIODeadline?
  }

  /// A request whose response has left. Times in nanoseconds, none below 0.
  struct Ended {
    var head: Head
    var requestBytes: Int
    var responseBytes: Int
    var queueNs: Int64
    var localNs: Int64
    var remoteNs: Int64
    var sendNs: Int64

    var totalNs: Int64 { queueNs + localNs + remoteNs + sendNs }

    /// A request, or several, that had their responses at once.
    init(
      _ head: Head, requestBytes: Int, responseBytes: Int, arrived: NIODeadline, began: NIODeadline, ended: NIODeadline
    ) {
      self.head = head
      self.requestBytes = requestBytes
      self.responseBytes = responseBytes
      queueNs = max(0, (began - arrived).nanoseconds)
      localNs = max(0, (ended - began).nanoseconds)
      remoteNs = 0
      sendNs = 0
    }

    fileprivate init(_ entry: Entry, at now: NIODeadline) {
      head = entry.head
      requestBytes = entry.requestBytes
      responseBytes = entry.responseBytes
      let served = entry.served ?? now
      let finished = max(served, entry.finished ?? now)
      queueNs = max(0, (entry.began - entry.arrived).nanoseconds)
      localNs = max(0, (served - entry.began).nanoseconds)
      remoteNs = (finished - served).nanoseconds
      sendNs = max(0, (now - finished).nanoseconds)
    }
  }

  /// By rising slot.
  private var entries = Deque<Entry>()

  var isEmpty: Bool { entries.isEmpty }

  /// A request is begun.
  mutating func began(_ slot: Slot, _ head: Head, requestBytes: Int, arrived: NIODeadline, now: NIODeadline) {
    entries.append(Entry(slot: slot, head: head, requestBytes: requestBytes, arrived: arrived, began: now))
  }

  /// The handler of the request that began last has returned.
  mutating func served(_ slot: Slot, at now: NIODeadline) {
    guard let index = index(of: slot) else { return }
    entries[index].served = now
  }

  /// The response of a request is there.
  ///
  /// - Parameter responseBytes: 0 where the client wants none.
  mutating func finished(_ slot: Slot, responseBytes: Int, at now: NIODeadline) {
    guard let index = index(of: slot) else { return }
    entries[index].finished = now
    entries[index].responseBytes = responseBytes
  }

  /// Returns the next request below `end` that has left.
  mutating func left(before end: Slot, at now: NIODeadline) -> Ended? {
    guard let first = entries.first, first.slot < end else { return nil }
    entries.removeFirst()
    return Ended(first, at: now)
  }

  /// Requests whose response was never given, for the connection has ended.
  mutating func drop() { entries.removeAll() }

  private func index(of slot: Slot) -> Int? {
    guard let first = entries.first?.slot, slot >= first else { return nil }
    // Requests that were served together stand in between and have no entry.
    var index = min(Int(slot - first), entries.count - 1)
    while index > 0, entries[index].slot > slot { index -= 1 }
    return entries[index].slot == slot ? index : nil
  }
}
