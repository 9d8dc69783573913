import Logging
import NIOCore
import NIOEmbedded
import Testing

@testable import Broker

@Suite("At a listening socket")
struct AdmitterTests {
  /// Counts what reaches the socket.
  private final class Reads: ChannelOutboundHandler {
    typealias OutboundIn = Never
    var count = 0

    func read(context: ChannelHandlerContext) { count += 1 }
  }

  @Test("no connection is accepted while too many refused ones still hold their descriptors")
  func refusals() throws {
    let reads = Reads()
    let channel = EmbeddedChannel()
    try channel.pipeline.syncOperations.addHandler(reads)
    let admission = Admission(max: 1, perIPMax: .max, overrides: [:])
    try channel.pipeline.syncOperations.addHandler(Admitter(admission, log: Logger(label: "test")))
    let first = EmbeddedChannel()
    try channel.writeInbound(first as any Channel)
    #expect(try channel.readInbound(as: (any Channel).self) === first, "the first goes through")
    #expect(admission.count == 1)

    var refused: [EmbeddedChannel] = []
    for index in 0..<Limits.refusalsInProgress {
      channel.pipeline.read()
      #expect(reads.count == index + 1)
      refused.append(EmbeddedChannel())
      try channel.writeInbound(refused[index] as any Channel)
      #expect(try channel.readInbound(as: (any Channel).self) == nil, "refused")
    }
    channel.pipeline.read()
    #expect(reads.count == Limits.refusalsInProgress, "what was refused has not been closed yet, as far as we know")
    for refused in refused { refused.embeddedEventLoop.run() }
    channel.embeddedEventLoop.run()
    #expect(reads.count == Limits.refusalsInProgress + 1, "the read that was owed")
    #expect(admission.count == 1)
    _ = try? channel.finish()
  }
}
