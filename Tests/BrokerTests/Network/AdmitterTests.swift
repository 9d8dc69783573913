import Logging
import NIOCore
import NIOEmbedded
import Synchronization
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

  @Test("a connection that would leave too few descriptors is closed at once; one line tells of those within a second")
  func descriptors() throws {
    let lines = CapturedLog()
    let hasDescriptors = Mutex(false)
    let channel = EmbeddedChannel()
    let admission = Admission(
      max: .max, perIPMax: .max, overrides: [:], hasDescriptors: { hasDescriptors.withLock { $0 } })
    let log = Logger(label: "test") { _ in lines.handler }
    try channel.pipeline.syncOperations.addHandler(Admitter(admission, log: log))
    func refuse(_ count: Int) throws {
      for _ in 0..<count {
        let refused = EmbeddedChannel()
        try channel.writeInbound(refused as any Channel)
        #expect(try channel.readInbound(as: (any Channel).self) == nil)
        #expect(!refused.isActive)
      }
    }
    try refuse(10)
    #expect(lines.all.count == 1, "\(lines.all)")
    channel.embeddedEventLoop.advanceTime(by: .milliseconds(Limits.refusalsToldMs))
    try refuse(5)
    #expect(lines.all.count == 2 && lines.all[1].contains("9"), "\(lines.all)")
    hasDescriptors.withLock { $0 = true }
    let accepted = EmbeddedChannel()
    try channel.writeInbound(accepted as any Channel)
    #expect(try channel.readInbound(as: (any Channel).self) === accepted)
    _ = try? channel.finish()
  }
}
