import DequeModule
import Glibc
import NIOCore
import Storage

/// Gives bytes and file ranges to a connection's socket, in order: by system calls of its own while the socket takes all it is given, and
/// through the channel, which waits for room, what the socket does not take.
///
/// A response costs one `send`, or a `send` and a `sendfile` that leave in one packet train, and no promise and no list of the channel. A channel
/// without a socket (in the simulation) gets everything. So does one whose pipeline encrypts; it is given bytes only, never file ranges.
///
/// Owned by its `ResponseWriter`, on its event loop.
final class SocketOutlet {
  /// Given, and not flushed.
  private var parts: [OutgoingResponse.Part] = []
  private var unflushedBytes = 0
  /// Writes of the channel that have not ended: behind them nothing may be sent otherwise.
  private var inChannel = 0
  /// Ranges given to the channel for sendfile, the next first. One that has been sent has given its handle back.
  private var sending = Deque<(range: FileRange, handle: NIOFileHandle)>()
  /// The socket; -1 for a channel without one, nil while it was not asked for.
  private var socket: CInt?
  /// Bytes must pass the pipeline, which encrypts them: they may never go to the socket as they are.
  private let isEncrypted: Bool

  init(isEncrypted: Bool = false) {
    self.isEncrypted = isEncrypted
    if isEncrypted { socket = -1 }
  }

  /// Whether the socket holds no more bytes than it should, counting what is not flushed.
  func takesMore(_ context: ChannelHandlerContext) -> Bool {
    guard unflushedBytes <= Limits.responseBytesWaiting else { return false }
    // A channel that was given nothing holds nothing.
    return inChannel == 0 && descriptor(of: context) >= 0 || context.channel.isWritable
  }

  /// Whether the channel has written all that it was given, and nothing is unflushed.
  var isDrained: Bool { inChannel == 0 && parts.isEmpty }

  /// Takes what is to leave behind everything given before. `flush` follows.
  func give(_ part: OutgoingResponse.Part, to context: ChannelHandlerContext) {
    guard inChannel == 0, descriptor(of: context) >= 0 else { return pass(part, to: context) }
    parts.append(part)
    unflushedBytes += part.byteCount
  }

  /// Whether what is given now goes to the socket, and nothing unflushed stands before it.
  func isFree(_ context: ChannelHandlerContext) -> Bool {
    inChannel == 0 && parts.isEmpty && descriptor(of: context) >= 0
  }

  /// Takes many parts, as `give` does with each, and leaves an empty array.
  ///
  /// - Precondition: `isFree`.
  func take(_ more: inout [OutgoingResponse.Part]) {
    swap(&parts, &more)
    for index in parts.indices { unflushedBytes += parts[index].byteCount }
  }

  /// Sends what was given, and `last` behind it. Alone it needs no place among the parts.
  ///
  /// - Returns: as `flush` does.
  func flush(_ last: ByteBuffer, _ context: ChannelHandlerContext) -> Bool {
    guard isFree(context), context.channel.isActive else {
      give(.bytes(last), to: context)
      return flush(context)
    }
    let sent = Self.send(last, to: descriptor(of: context), isLast: true)
    guard sent < last.readableBytes else { return true }
    var left = last
    left.moveReaderIndex(forwardBy: sent)
    pass(.bytes(left), to: context)
    context.flush()
    return !isCutShort
  }

  /// Sends what was given.
  ///
  /// - Returns: false when a file ends before its range, so that the response cannot be completed.
  func flush(_ context: ChannelHandlerContext) -> Bool {
    guard !parts.isEmpty else {
      // What was encrypted is the channel's, which counts it.
      unflushedBytes = 0
      context.flush()
      return !isCutShort
    }
    // The descriptor of a channel that is closed may be another's by now.
    guard context.channel.isActive else {
      discard()
      return true
    }
    let rest: [OutgoingResponse.Part]
    switch sendDirectly(descriptor(of: context)) {
    case .all:
      // One by one: mostly there are one to three, and an array that is emptied as a whole takes longer.
      for _ in 0..<parts.count { parts.removeLast() }
      unflushedBytes = 0
      return true
    case .cut: return false
    case .rest(let left): rest = left
    }
    parts.removeAll(keepingCapacity: true)
    unflushedBytes = 0
    for part in rest { pass(part, to: context) }
    context.flush()
    return !isCutShort
  }

  private enum Sent {
    case all
    /// The socket took no more than what stands before these, or is broken: the channel finds out which.
    case rest([OutgoingResponse.Part])
    case cut
  }

  private func sendDirectly(_ socket: CInt) -> Sent {
    for index in parts.indices {
      guard let sent = Self.send(parts[index], to: socket, isLast: index == parts.count - 1) else { return .cut }
      if sent < parts[index].byteCount { return .rest([parts[index].dropping(sent)] + parts[(index + 1)...]) }
    }
    return .all
  }

  /// Returns how many bytes the socket took; nil when a file ends before its range.
  private static func send(_ part: OutgoingResponse.Part, to socket: CInt, isLast: Bool) -> Int? {
    switch part {
    case .bytes(let bytes): send(bytes, to: socket, isLast: isLast)
    case .file(let range): send(range, to: socket)
    }
  }

  /// Returns how many bytes the socket took.
  private static func send(_ bytes: ByteBuffer, to socket: CInt, isLast: Bool) -> Int {
    let flags = Int32(MSG_NOSIGNAL) | (isLast ? 0 : Int32(MSG_MORE))
    return bytes.withUnsafeReadableBytes { raw in
      var sent = 0
      while sent < raw.count {
        let count = Glibc.send(socket, raw.baseAddress! + sent, raw.count - sent, flags)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { break }
        sent += count
      }
      return sent
    }
  }

  /// Returns how many bytes the socket took; nil when the file ends before the range.
  private static func send(_ range: FileRange, to socket: CInt) -> Int? {
    var sent = 0
    while sent < range.length {
      var position = off_t(range.position + sent)
      let count = sendfile(socket, range.file.descriptor, &position, range.length - sent)
      if count < 0, errno == EINTR { continue }
      if count == 0 { return nil }
      guard count > 0 else { break }
      sent += count
    }
    return sent
  }

  // MARK: Through the channel

  /// Gives the channel a part; the caller flushes.
  private func pass(_ part: OutgoingResponse.Part, to context: ChannelHandlerContext) {
    switch part {
    case .bytes(let bytes):
      guard descriptor(of: context) >= 0 else {
        // Encryption gathers writes until they are flushed, and the channel knows nothing of them.
        if isEncrypted { unflushedBytes += bytes.readableBytes }
        return context.write(NIOAny(IOData.byteBuffer(bytes)), promise: nil)
      }
      let written = context.eventLoop.makePromise(of: Void.self)
      inChannel += 1
      written.futureResult.assumeIsolated().whenComplete { _ in self.inChannel -= 1 }
      context.write(NIOAny(IOData.byteBuffer(bytes)), promise: written)
    case .file(let range): pass(range, to: context)
    }
  }

  /// NIO wants a handle that may be in use by one socket at a time, so each range gets one around the segment's
  /// descriptor, and gives the descriptor back instead of closing it.
  private func pass(_ range: FileRange, to context: ChannelHandlerContext) {
    let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: range.file.descriptor)
    let region = FileRegion(fileHandle: handle, readerIndex: range.position, endIndex: range.position + range.length)
    let sent = context.eventLoop.makePromise(of: Void.self)
    forgetSent()
    sending.append((range, handle))
    inChannel += 1
    sent.futureResult.assumeIsolated().whenComplete { _ in
      self.inChannel -= 1
      _ = try? handle.takeDescriptorOwnership()
      withExtendedLifetime(range.file) {}
    }
    context.write(NIOAny(IOData.fileRegion(region)), promise: sent)
  }

  /// The file that the channel is sending ends before its range: sendfile sends nothing more, which is no error to it, and the channel would try
  /// for ever. Costs a system call only when something is left.
  var isCutShort: Bool {
    guard !sending.isEmpty else { return false }
    forgetSent()
    return sending.first?.range.isCut ?? false
  }

  private func forgetSent() {
    while let first = sending.first, !first.handle.isOpen { sending.removeFirst() }
  }

  func discard() {
    parts = []
    unflushedBytes = 0
  }

  /// The socket of the channel; -1 when it has none.
  func descriptor(of context: ChannelHandlerContext) -> CInt {
    if let socket { return socket }
    let found = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
    socket = found ?? -1
    return found ?? -1
  }
}
