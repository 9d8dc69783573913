import Broker
import NIOCore
import NIOEmbedded

/// Simulates a channel's socket: delivers bytes when the channel reads, and takes as many as fit the link's window.
///
/// The socket is the first handler of the pipeline, so that nothing reaches `EmbeddedChannel`'s own buffers.
final class SimulatedSocket: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = IOData
  typealias OutboundOut = IOData

  private let link: SimulatedLink
  private var context: ChannelHandlerContext?
  private var inbox = ByteBuffer()
  private var wantsRead = false
  private var isReadScheduled = false
  private var hasEnded = false
  /// Whether the client closed before its connection was accepted.
  private var endsWhenActive = false
  private var outbox: [(data: IOData, promise: EventLoopPromise<Void>?)] = []
  private var flushed = 0
  private var waitingBytes = 0
  /// The part of `waitingBytes` that is in memory, not in files.
  private var waitingInMemory = 0

  init(_ link: SimulatedLink) { self.link = link }

  private var channel: EmbeddedChannel? { context?.channel as? EmbeddedChannel }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelActive(context: ChannelHandlerContext) {
    context.fireChannelActive()
    if endsWhenActive { context.eventLoop.assumeIsolated().execute { self.endOfStream() } }
  }

  // MARK: Reading

  func read(context: ChannelHandlerContext) {
    wantsRead = true
    scheduleRead()
  }

  func arrived(_ bytes: ByteBuffer) {
    inbox.writeImmutableBuffer(bytes)
    scheduleRead()
  }

  private func scheduleRead() {
    guard wantsRead, inbox.readableBytes > 0, !isReadScheduled, let context else { return }
    isReadScheduled = true
    context.eventLoop.assumeIsolated().execute {
      self.isReadScheduled = false
      guard self.wantsRead, self.inbox.readableBytes > 0 else { return }
      self.bringBytes()
    }
  }

  private func bringBytes() {
    guard let context, context.channel.isActive else { return }
    wantsRead = false
    guard var allocator = try? context.channel.syncOptions?.getOption(ChannelOptions.recvAllocator) else { return }
    var buffer = allocator.buffer(allocator: context.channel.allocator)
    let count = min(buffer.writableBytes, inbox.readableBytes)
    guard let bytes = inbox.readSlice(length: count) else { return }
    buffer.writeImmutableBuffer(bytes)
    inbox.discardReadBytes()
    _ = allocator.record(actualReadBytes: count)
    context.fireChannelRead(wrapInboundOut(buffer))
    context.fireChannelReadComplete()
    if context.channel.isActive { context.channel.read() }
  }

  /// Handles the client's orderly close: as NIO does, all bytes are read, requested or not, and then the channel closes.
  func endOfStream() {
    guard !hasEnded, let context else { return }
    guard context.channel.isActive else { return endsWhenActive = true }
    hasEnded = true
    while inbox.readableBytes > 0, context.channel.isActive { bringBytes() }
    if context.channel.isActive { context.channel.close(promise: nil) }
  }

  // MARK: Writing

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard context.channel.isActive else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    let data = unwrapOutboundIn(data)
    outbox.append((data, promise))
    waitingBytes += data.readableBytes
    if case .byteBuffer(let bytes) = data { waitingInMemory += bytes.readableBytes }
    link.network.waits(inMemory: waitingInMemory)
    noteWritability()
  }

  func flush(context: ChannelHandlerContext) {
    flushed = outbox.count
    transmit()
  }

  /// Sends flushed bytes while the link takes them.
  func transmit() {
    while flushed > 0, let context, context.channel.isActive, link.inFlight < link.window {
      let room = link.window - link.inFlight
      var piece = ByteBuffer()
      switch outbox[0].data {
      case .byteBuffer(var bytes):
        guard let taken = bytes.readSlice(length: min(room, bytes.readableBytes)) else { return }
        piece = taken
        waitingInMemory -= taken.readableBytes
        outbox[0].data = .byteBuffer(bytes)
      case .fileRegion(var region):
        let wanted = min(room, region.readableBytes)
        let read = try? region.fileHandle.withUnsafeFileDescriptor { descriptor in
          link.disk.read(descriptor: descriptor, at: region.readerIndex, count: wanted)
        }
        guard let found = read ?? nil, !found.isEmpty || wanted == 0 else {
          // The file is shorter than the region: sendfile sends nothing, and never will.
          return context.channel.close(promise: nil)
        }
        piece.writeBytes(found)
        region.moveReaderIndex(forwardBy: found.count)
        outbox[0].data = .fileRegion(region)
      }
      waitingBytes -= piece.readableBytes
      if piece.readableBytes > 0 { link.sendToClient(piece) }
      guard outbox[0].data.readableBytes == 0 else { continue }
      let promise = outbox.removeFirst().promise
      flushed -= 1
      promise?.succeed()
    }
    noteWritability()
  }

  private func noteWritability() {
    guard let channel, channel.isActive else { return }
    let isWritable =
      channel.isWritable ? waitingBytes <= Limits.responseBytesWaiting : waitingBytes < Limits.responseBytesWaiting / 2
    guard isWritable != channel.isWritable else { return }
    channel.isWritable = isWritable
    context?.fireChannelWritabilityChanged()
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    let lost = outbox
    outbox = []
    flushed = 0
    for write in lost { write.promise?.fail(ChannelError.ioOnClosedChannel) }
    link.closedByNode()
    context.close(mode: mode, promise: promise)
  }
}
