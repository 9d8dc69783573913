import NIOCore
import Security
import Wire

/// The heads of requests that are served together, in their order.
struct RequestHeads {
  private var heads: [(head: RequestTimes.Head, byteCount: Int)] = []
  private var taken = 0
  let began: NIODeadline

  /// - Parameters:
  ///   - count: how many whole requests `bytes` begins with.
  ///   - withClientIDs: see `RequestTimes.Head`.
  init(_ bytes: ByteBuffer, count: Int, withClientIDs: Bool, began: NIODeadline) {
    self.began = began
    var start = bytes.readerIndex
    for _ in 0..<count {
      guard let length = bytes.getInteger(at: start, as: Int32.self), length >= 0 else { return }
      let head = RequestTimes.Head(bytes, at: start + Frame.prefixBytes, withClientID: withClientIDs)
      heads.append((head, Frame.prefixBytes + Int(length)))
      start += Frame.prefixBytes + Int(length)
    }
  }

  mutating func next() -> (head: RequestTimes.Head, byteCount: Int, began: NIODeadline)? {
    guard taken < heads.count else { return nil }
    taken += 1
    return (heads[taken - 1].head, heads[taken - 1].byteCount, began)
  }
}

/// Where the time of requests goes, told to the event loop's meter. Nothing of this runs without one.
extension Connection {
  /// A request is begun by itself.
  func noteBegun(_ slot: Machine.Slot, _ frame: ByteBuffer) {
    let head = RequestTimes.Head(frame, at: frame.readerIndex, withClientID: loop.meter?.log != nil)
    times?.began(
      slot, head, requestBytes: Frame.prefixBytes + frame.readableBytes, arrived: arrivedAt, now: loop.eventLoop.now)
  }

  /// One of several requests has been served with the others.
  func noteBegun(_ slot: Machine.Slot, _ request: (head: RequestTimes.Head, byteCount: Int, began: NIODeadline)?) {
    guard let request else { return }
    times?.began(slot, request.head, requestBytes: request.byteCount, arrived: arrivedAt, now: request.began)
    times?.served(slot, at: loop.eventLoop.now)
  }

  /// The outcome of a request is there.
  func noteFinished(_ slot: Machine.Slot, _ outcome: Machine.Outcome) {
    var byteCount = 0
    if case .response(let response) = outcome { byteCount = response.byteCount }
    times?.finished(slot, responseBytes: byteCount, at: loop.eventLoop.now)
  }

  /// Counts the requests whose responses were given to the socket since.
  func tellLeft() {
    guard let meter = loop.meter, times?.isEmpty == false, let end = machine.leftBefore else { return }
    let now = loop.eventLoop.now
    while let ended = times?.left(before: end, at: now) {
      meter.ended(ended)
      meter.log?.take(ended, from: peer)
    }
  }

  /// For the request log.
  var peer: RequestLog.Peer {
    let port = context?.channel.remoteAddress?.port
    return RequestLog.Peer(
      client: "\(origin?.peerAddress ?? "?")\(port.map { ":\($0)" } ?? "")", listener: origin?.listener ?? "?",
      principal: origin.map { "\($0.principal.type):\($0.principal.name)" } ?? "?")
  }
}
