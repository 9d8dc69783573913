import NIOCore
import Wire

/// The memory that connections hold for requests which have arrived in part.
package struct ReceiveMemory: Equatable, Sendable {
  /// Shared receive buffers, of `millrace.receive.buffer.bytes` each; at most `Limits.receiveBuffersHeld` for an event loop.
  package var sharedBuffers: Int
  /// Bytes of buffers for frames that are too large for a shared one; `queued.max.request.bytes` bounds them.
  package var largeFrameBytes: Int

  package init(sharedBuffers: Int = 0, largeFrameBytes: Int = 0) {
    self.sharedBuffers = sharedBuffers
    self.largeFrameBytes = largeFrameBytes
  }
}

/// Lends buffers to the reads of one event loop: the connections share a few, because only one of them reads at a time.
///
/// A read takes a buffer, the requests in it are served from where they lie, and the buffer comes back, still in the
/// processor's cache, for the next read of any connection. A connection keeps a buffer only while a frame has arrived in
/// part, so a thousand idle connections hold none. Handlers should not keep slices of a request beyond their call: a kept
/// slice is safe, but costs a new buffer.
///
/// Owned by its event loop; not locked.
final class ReceiveBuffers {
  private var spare: [ByteBuffer] = []
  /// Shared buffers that connections keep for a partial frame.
  private var held = 0
  /// Memory of frames too large for a shared buffer. `largeBytes <= largeBytesMax`, except for what `unbounded` has.
  private var largeBytes = 0
  private let largeBytesMax: Int
  /// The one connection allowed over the limit, to avoid deadlock: partial frames that together fill the memory would wait for
  /// each other.
  private var unbounded: Int?
  /// Connections that are not read until memory is free, oldest first.
  private var waiting: [() -> Void] = []
  /// The number of the next connection.
  private var nextNumber = 0

  /// The capacity of each shared buffer, which is what one read from a socket may bring.
  let bufferBytes: Int

  init(bufferBytes: Int, largeBytesMax: Int) {
    self.bufferBytes = bufferBytes
    self.largeBytesMax = largeBytesMax
  }

  /// Numbers one more connection: no two of an event loop have the same, and the same order of connections gives the same
  /// numbers.
  func number() -> Int {
    defer { nextNumber += 1 }
    return nextNumber
  }

  /// An empty buffer of `bufferBytes`.
  func take() -> ByteBuffer {
    guard var buffer = spare.popLast() else {
      return ByteBufferAllocator().buffer(capacity: bufferBytes)
    }
    buffer.clear()
    return buffer
  }

  var memory: ReceiveMemory { ReceiveMemory(sharedBuffers: held, largeFrameBytes: largeBytes) }

  /// Takes a shared buffer back, its requests having been served.
  func give(_ buffer: ByteBuffer) {
    guard buffer.capacity == bufferBytes else { return }
    Self.keep(buffer, in: &spare)
  }

  /// Looks and appends within one access to the array: each is checked, on every request.
  private static func keep(_ buffer: ByteBuffer, in spare: inout [ByteBuffer]) {
    if spare.count < Limits.receiveBuffersSpare { spare.append(buffer) }
  }

  /// True when one more connection may keep a shared buffer.
  func hold() -> Bool {
    guard held < Limits.receiveBuffersHeld else { return false }
    held += 1
    return true
  }

  /// One connection fewer keeps a shared buffer.
  func releaseHeld() { held -= 1 }

  /// True when connections wait for memory.
  var isMemoryWanted: Bool { !waiting.isEmpty }

  /// Claims more memory for a large frame of the connection with the number `owner`. False: that would pass the limit, and
  /// `resume` runs once when trying again makes sense.
  func claimLarge(_ bytes: Int, for owner: Int, orWait resume: @escaping () -> Void) -> Bool {
    if largeBytes + bytes > largeBytesMax {
      guard unbounded == nil || unbounded == owner else {
        waiting.append(resume)
        return false
      }
      unbounded = owner
    }
    largeBytes += bytes
    return true
  }

  /// Takes back the `bytes` that the frame of `owner` had claimed: it has been served, or its connection is gone.
  func releaseLarge(_ bytes: Int, of owner: Int) {
    largeBytes -= bytes
    if unbounded == owner { unbounded = nil }
    let resumed = waiting
    waiting.removeAll()
    for resume in resumed { resume() }
  }
}

/// Holds what a connection has read and not yet served: nothing, the start of a frame, or whole frames that had to wait.
///
/// The next read continues in the same buffer, behind what is there, so a frame in many pieces is assembled without
/// being copied. The remainder moves only when its buffer is too small for the frame: once into a shared buffer, or for
/// a large frame into one of its own that doubles up to the frame's size (each byte moves twice at most, on average).
///
/// Owned by its `Connection`, on its event loop.
final class ReceivedBytes: RecvByteBufferAllocator, @unchecked Sendable {
  // Unchecked: NIO wants its allocators Sendable, and calls this one only on the channel's event loop.

  private enum Holding {
    case nothing
    /// One of the event loop's shared buffers.
    case shared
    /// A buffer of the connection's own, no larger than a shared one: too small to be counted.
    case own
    /// A buffer of the connection's own, for which `claimed` bytes of memory were claimed.
    case large(claimed: Int)
  }

  private let buffers: ReceiveBuffers
  private var holding = Holding.nothing
  /// The bytes kept, nil while NIO reads into them.
  private var kept: ByteBuffer?
  /// What is kept is the start of a frame, and the next read continues it.
  private var mayContinue = false
  private var hasRead = false
  /// NIO has the kept start of a frame, to read behind it.
  private var isContinuing = false
  /// The start of a frame was lost with a read, so that what follows cannot be understood.
  private(set) var isStartLost = false
  /// The connection's number on its event loop.
  let number: Int

  init(buffers: ReceiveBuffers) {
    self.buffers = buffers
    number = buffers.number()
  }

  // MARK: As NIO's allocator

  /// A buffer for the next read. NIO keeps the first buffer of a channel for ever, so the first is small; NIO hands on the
  /// others and forgets them.
  func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
    guard hasRead else {
      hasRead = true
      return allocator.buffer(capacity: Limits.firstReceiveBytes)
    }
    // A read that brings nothing takes its buffer with it. Epoll promised bytes, so this does not happen; if it does, the
    // bytes that follow would be read as something they are not.
    if isContinuing { isStartLost = true }
    // A read at the end of the stream, which brings nothing, must not take whole frames with it.
    guard mayContinue, let continued = kept.take() else { return buffers.take() }
    isContinuing = true
    return continued
  }

  /// True: ask for a buffer each time. (NIO would otherwise keep one per connection.)
  func record(actualReadBytes: Int) -> Bool { true }

  func nextBufferSize() -> Int? { nil }

  // MARK: As the connection's memory

  /// Takes the `bytes` that a read has brought; returns all that is to be served now.
  func arrived(_ bytes: ByteBuffer) -> ByteBuffer {
    isContinuing = false
    guard var whole = kept.take() else { return bytes }
    whole.writeImmutableBuffer(bytes)
    return whole
  }

  /// Gives up what was kept, to be served without reading; nil when nothing is kept.
  func takeKept() -> ByteBuffer? { kept.take() }

  var isLarge: Bool {
    if case .large = holding { return true }
    return false
  }

  /// Gives `buffer` back, all of which has been served.
  func served(_ buffer: ByteBuffer) {
    switch holding {
    case .nothing:
      buffers.give(buffer)
    case .shared:
      buffers.releaseHeld()
      buffers.give(buffer)
    case .own: break
    case .large(let claimed): buffers.releaseLarge(claimed, of: number)
    }
    holding = .nothing
    kept = nil
  }

  /// Keeps what is left of `buffer`, which may hold whole frames: nothing is read behind it.
  func keepRequests(_ buffer: ByteBuffer) {
    mayContinue = false
    keepSmall(buffer, needed: Frame.prefixBytes)
  }

  /// Keeps the start of a frame, which the next read continues. `frameBytes` counts the whole frame, nil when its length is
  /// not known yet. False: the event loop's memory for large frames is spent, and nothing may be read until `resume` runs;
  /// then what is kept is to be served, and kept, again.
  func keepPart(_ buffer: ByteBuffer, frameBytes: Int?, orWait resume: @escaping () -> Void) -> Bool {
    mayContinue = keepPart(buffer, needed: frameBytes ?? Frame.prefixBytes, orWait: resume)
    return mayContinue
  }

  private func keepPart(_ buffer: ByteBuffer, needed: Int, orWait resume: @escaping () -> Void) -> Bool {
    guard needed > buffers.bufferBytes else {
      keepSmall(buffer, needed: needed)
      return true
    }
    kept = buffer
    var claimed = 0
    if case .large(let before) = holding {
      // Room is left, as a rule; behind the frame before this one there may be none.
      if buffer.writableBytes > 0 { return true }
      claimed = before
    }
    let capacity = max(
      min(max(buffer.readableBytes * 2, Limits.largeFrameFirstBytes), needed), buffer.readableBytes + 1)
    guard capacity <= claimed || buffers.claimLarge(capacity - claimed, for: number, orWait: resume) else {
      return false
    }
    kept = nil
    let large = moved(buffer, capacity: capacity)
    if claimed == 0 { drop(buffer, held: holding) }
    holding = .large(claimed: max(claimed, capacity))
    kept = large
    return true
  }

  /// Drops what is kept, and what a read was to continue: nothing is served on this connection any more.
  func discard() {
    drop(nil, held: holding)
    holding = .nothing
    kept = nil
    isContinuing = false
  }

  /// Keeps a frame that fits a shared buffer: the bytes stay where they are while there is room behind them, else they move
  /// to the front of a buffer.
  private func keepSmall(_ buffer: ByteBuffer, needed: Int) {
    switch holding {
    case .shared where hasRoom(buffer, needed: needed):
      kept = buffer
      return
    case .own where buffer.writableBytes >= max(needed - buffer.readableBytes, 1):
      kept = buffer
      return
    case .nothing, .shared, .own, .large: break
    }
    if case .nothing = holding, buffer.capacity == buffers.bufferBytes, hasRoom(buffer, needed: needed),
      buffers.hold()
    {
      holding = .shared
      kept = buffer
      return
    }
    let old = holding
    var target: ByteBuffer
    if case .shared = old {
      target = buffers.take()
    } else if buffers.hold() {
      target = buffers.take()
      holding = .shared
    } else {
      target = ByteBufferAllocator().buffer(capacity: max(needed, buffer.readableBytes + 1))
      holding = .own
    }
    target.writeImmutableBuffer(buffer)
    if case .shared = old { buffers.give(buffer) } else { drop(buffer, held: old) }
    kept = target
  }

  /// True when `buffer` has room for the whole frame, and for a read worth its system call.
  private func hasRoom(_ buffer: ByteBuffer, needed: Int) -> Bool {
    let missing = needed - buffer.readableBytes
    return buffer.writableBytes >= missing && buffer.writableBytes >= buffers.bufferBytes / 4
  }

  private func moved(_ buffer: ByteBuffer, capacity: Int) -> ByteBuffer {
    var target = ByteBufferAllocator().buffer(capacity: max(capacity, buffer.readableBytes + 1))
    target.writeImmutableBuffer(buffer)
    return target
  }

  private func drop(_ buffer: ByteBuffer?, held: Holding) {
    switch held {
    case .nothing:
      if let buffer { buffers.give(buffer) }
    case .shared:
      buffers.releaseHeld()
      if let buffer { buffers.give(buffer) }
    case .own: break
    case .large(let claimed): buffers.releaseLarge(claimed, of: number)
    }
  }
}
