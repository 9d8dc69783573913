import Glibc
import NIOCore
import Storage

/// Puts responses into the socket in order, by the broker's read path.
///
/// Sendfile hands whole ranges to the `SocketOutlet`. The copy path reads one buffer's worth
/// at a time and only while the socket takes it, so a slow reader costs one buffer and not a whole response. A range that the page
/// cache does not hold is sent by sendfile and mmap in pieces, each when it has been read.
///
/// Mapped memory is written to the socket here, when the channel has written all before it: another program may cut the file, and
/// the EFAULT that a write gets then would end the process in NIO. When the socket takes no more, the next bytes are copied
/// and go through the channel, which says when it has room again.
///
/// Owned by its `Connection`, on its event loop. A class: writing to the channel may come back to the connection, and a struct
/// would be held, and looked up in the list of what is held, for as long as that takes: 90 instructions a call.
final class ResponseWriter {
  private let path: ReadPath
  private let coldReads: ColdReads?
  /// Parts that must wait: for the copy path and for a cold range, what follows a range that is not fully written yet.
  private var waiting: [OutgoingResponse.Part] = []
  private var waitingFrom = 0
  /// Bytes of the first waiting range already written.
  private var written = 0
  /// The next piece of the first waiting range is being read from the disk.
  private var isWarming = false
  /// The next piece was prefetched; it is sent now, even if it has been evicted since.
  private var isNextWarm = false
  /// Small responses on their way to the channel as one. A response of 50 bytes by itself takes ten times that in buffers and in the
  /// channel's list, so a client that reads none of 20,000 would cost ten times what `Limits.responseBytesWaiting` says.
  private var gathered: ByteBuffer?
  /// The first waiting range as memory, once a part of it was wanted; of the mmap path.
  private var mapped: MappedRange?
  /// The channel has written all that it was given; of the mmap path, while a range waits.
  private var isDrained = false
  /// Called when it has, after `Pumped.behind`.
  var whenDrained: (() -> Void)?
  private let outlet: SocketOutlet
  /// A range of the copy path that the page cache does not hold is read before it is copied, off the event loop.
  private let warmsCopies: Bool

  /// Says where `pump` stopped.
  enum Pumped {
    /// As far as the socket takes bytes, or to the end.
    case onward
    /// As far as it can before the channel has written what it was given; `whenDrained` is called then.
    case behind
    /// This has to be read from the disk first; `warmed` is to be called when it was.
    case cold(FileRange)
    /// A file could not be read, so the response cannot be completed and the connection must close.
    case unreadable
  }

  init(path: ReadPath, coldReads: ColdReads?) {
    self.path = path
    self.coldReads = coldReads
    outlet = SocketOutlet()
    warmsCopies = false
  }

  /// Writes to a connection whose pipeline encrypts: file ranges are copied into a buffer of `bufferBytes`, from which the encryption copies them.
  init(encryptedFrom bufferBytes: Int, coldReads: ColdReads?) {
    path = .copy(bufferBytes: bufferBytes)
    self.coldReads = coldReads
    outlet = SocketOutlet(isEncrypted: true)
    warmsCopies = true
  }

  var isWaiting: Bool { waitingFrom < waiting.count }

  /// Whether the socket holds no more response bytes than it should, and nothing is held back.
  func takesMore(_ context: ChannelHandlerContext) -> Bool { !isWaiting && outlet.takesMore(context) }

  /// The file that is being sent ends before its range. Costs a system call when something is being sent.
  var isCut: Bool {
    if mapped != nil, isWaiting, case .file(let range) = waiting[waitingFrom] { return range.isCut }
    return outlet.isCutShort
  }

  /// Takes a response, behind those that wait. `flush` follows.
  func write(_ response: OutgoingResponse, to context: ChannelHandlerContext) {
    switch response {
    case .bytes(let bytes): write(bytes, to: context)
    case .parts(let parts):
      handOver(to: context)
      for part in parts { write(part, to: context) }
    }
  }

  /// Takes whole responses, behind those that wait. `flush` follows.
  func write(_ bytes: consuming ByteBuffer, to context: ChannelHandlerContext) {
    if isWaiting {
      waiting.append(.bytes(bytes))
    } else if bytes.readableBytes >= Limits.gatheredResponseBytes {
      handOver(to: context)
      outlet.give(.bytes(bytes), to: context)
    } else if var together = gathered.take() {
      together.writeImmutableBuffer(bytes)
      gathered = together
      if together.readableBytes >= Limits.gatheredResponseBytes { handOver(to: context) }
    } else {
      gathered = bytes
    }
  }

  /// Takes a response's parts where nothing stands before them and all of them may go to the socket as they are: the array itself, in exchange
  /// for an empty one. `flush` follows. Nobody is called back.
  ///
  /// - Returns: false, and nothing is taken, where they are to be written one by one.
  func take(_ parts: inout [OutgoingResponse.Part], to context: ChannelHandlerContext) -> Bool {
    guard path == .sendfile, gathered == nil, !isWaiting, outlet.isFree(context) else { return false }
    if let coldReads {
      for case .file(let range) in parts where coldReads.isCold(range) { return false }
    }
    outlet.take(&parts)
    return true
  }

  /// Passes on what was gathered: before a flush, and before anything that must come behind it.
  private func handOver(to context: ChannelHandlerContext) {
    guard let bytes = gathered.take() else { return }
    outlet.give(.bytes(bytes), to: context)
  }

  /// Sends what does not wait.
  ///
  /// - Returns: false when a file ends before its range, so that the response cannot be completed.
  func flush(_ context: ChannelHandlerContext) -> Bool {
    if let bytes = gathered.take() { return outlet.flush(bytes, context) }
    return outlet.flush(context)
  }

  private func write(_ part: OutgoingResponse.Part, to context: ChannelHandlerContext) {
    guard !isWaiting else {
      waiting.append(part)
      return
    }
    switch part {
    case .bytes: outlet.give(part, to: context)
    case .file(let range):
      if path != .sendfile {
        waiting.append(part)
      } else if let coldReads, coldReads.isCold(range) {
        waiting.append(part)
      } else {
        outlet.give(part, to: context)
      }
    }
  }

  /// Writes the waiting parts while the socket takes bytes. `buffer` is the event loop's, reused when it is free again.
  func pump(_ context: ChannelHandlerContext, buffer: inout ByteBuffer?) -> Pumped {
    guard isWaiting, !isWarming else { return .onward }
    while isWaiting, outlet.takesMore(context), context.channel.isActive {
      switch waiting[waitingFrom] {
      case .bytes(let bytes):
        // Flushed here: what follows the last range has no later flush to leave with.
        outlet.give(.bytes(bytes), to: context)
        guard outlet.flush(context) else { return .unreadable }
        waitingFrom += 1
      case .file(let range):
        if case .copy(let bufferBytes) = path {
          if warmsCopies, !isNextWarm, let coldReads {
            let next = FileRange(
              file: range.file, position: range.position + written, length: min(bufferBytes, range.length - written))
            if coldReads.isCold(next) {
              isWarming = true
              return .cold(
                FileRange(
                  file: range.file, position: next.position, length: min(Limits.coldPieceBytes, range.length - written))
              )
            }
          }
          isNextWarm = false
          guard copy(range, bufferBytes, to: context, &buffer) else { return .unreadable }
        } else {
          let piece = FileRange(
            file: range.file, position: range.position + written,
            length: min(Limits.coldPieceBytes, range.length - written))
          if !isNextWarm, let coldReads, coldReads.isCold(piece) {
            isWarming = true
            return .cold(piece)
          }
          if path == .mmap {
            guard drain(context) else { return .behind }
            guard writeMapped(range, piece.length, context) else { return .unreadable }
          } else {
            outlet.give(.file(piece), to: context)
            guard outlet.flush(context) else { return .unreadable }
            written += piece.length
          }
          isNextWarm = false
        }
        if written == range.length {
          waitingFrom += 1
          written = 0
          mapped = nil
          isDrained = false
        }
      }
    }
    if !isWaiting {
      waiting.removeAll(keepingCapacity: true)
      waitingFrom = 0
    }
    return .onward
  }

  /// Reads and writes the next buffer of bytes; returns false if the file cannot be read.
  private func copy(
    _ range: FileRange, _ bufferBytes: Int, to context: ChannelHandlerContext, _ buffer: inout ByteBuffer?
  ) -> Bool {
    var chunk = buffer.take() ?? ByteBufferAllocator().buffer(capacity: bufferBytes)
    chunk.clear()
    guard let count = try? range.read(into: &chunk, from: written, maxBytes: bufferBytes), count > 0 else {
      return false
    }
    outlet.give(.bytes(chunk), to: context)
    buffer = chunk
    written += count
    return outlet.flush(context)
  }

  /// The piece that `pump` found cold has been read.
  func warmed() {
    isWarming = false
    isNextWarm = true
  }

  func discard() {
    waiting.removeAll()
    waitingFrom = 0
    gathered = nil
    outlet.discard()
    mapped = nil
    whenDrained = nil
  }

  /// True when the channel has written all that it was given. Otherwise it tells when it has.
  private func drain(_ context: ChannelHandlerContext) -> Bool {
    if isDrained || outlet.isDrained { return true }
    let written = context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenComplete { _ in
      self.isDrained = true
      guard let whenDrained = self.whenDrained.take() else { return }
      self.isWarming = false
      whenDrained()
    }
    context.writeAndFlush(NIOAny(IOData.byteBuffer(ByteBuffer())), promise: written)
    isWarming = !isDrained
    return isDrained
  }

  /// Writes the next `count` bytes of the first waiting range, or as many as the socket takes and a little more. False: they cannot
  /// be read.
  private func writeMapped(_ range: FileRange, _ count: Int, _ context: ChannelHandlerContext) -> Bool {
    guard let memory = mapped ?? (try? range.map()) else { return false }
    mapped = memory
    var left = count
    while left > 0 {
      let sent = memory.withBytes { bytes in
        send(outlet.descriptor(of: context), bytes.baseAddress! + written, left, Int32(MSG_NOSIGNAL))
      }
      if sent < 0, errno == EINTR { continue }
      if sent < 0, errno == EFAULT { return false }
      // The channel waits for room, or finds out what else is wrong with the socket.
      guard sent > 0 else { return copyToChannel(range, min(left, Limits.gatheredResponseBytes), context) }
      written += sent
      left -= sent
    }
    return true
  }

  private func copyToChannel(_ range: FileRange, _ count: Int, _ context: ChannelHandlerContext) -> Bool {
    var bytes = ByteBuffer()
    guard let read = try? range.read(into: &bytes, from: written, maxBytes: count), read == count else { return false }
    isDrained = false
    outlet.give(.bytes(bytes), to: context)
    written += count
    return outlet.flush(context)
  }
}
