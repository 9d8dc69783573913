import Testing

@testable import Mechanisms

@Suite("Messages in batches", .serialized)
struct MessageBatchesTests {
  @Test("each write carries one batch, and every message arrives", arguments: [1, 50, 1000])
  func sends(batch: Int) throws {
    let result = try MessageBatches(messageBytes: 200, batch: batch, seconds: 0.02).run()
    #expect(result.messages > 0 && result.messages % batch == 0)
    #expect(result.bytes == result.messages * 200)
    // The kernel may take a part of a large batch.
    #expect(result.writes >= result.messages / batch)
    #expect(batch > 50 || result.writes == result.messages / batch)
    #expect(result.congestionControl == "cubic" && result.seconds > 0 && result.senderCPUSeconds > 0)
  }

  @Test(
    "a plan beyond the limits is refused", arguments: [(0, 1, 1.0), (200, 0, 1.0), (200, 1 << 20, 1.0), (200, 1, 0.0)])
  func refuses(messageBytes: Int, batch: Int, seconds: Double) {
    #expect(throws: MechanismError.self) {
      try MessageBatches(messageBytes: messageBytes, batch: batch, seconds: seconds).run()
    }
  }
}
