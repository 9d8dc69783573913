import Testing

@testable import Mechanisms

@Suite("Replicate a stream", .serialized)
struct ReplicateStreamTests {
  @Test("every file has every whole batch, and all go away", arguments: [0, 1, 2, 5])
  func copies(copies: Int) throws {
    let scratch = try Scratch()
    let result = try ReplicateStream(directory: scratch.path, bytes: 2_000_000, batchBytes: 65_536, copies: copies)
      .run()
    #expect(result.bytes == 2_000_000 / 65_536 * 65_536)
    #expect(result.storedBytes == result.bytes * (copies + 1))
    #expect(result.cpuSeconds > 0 && result.senderCPUSeconds > 0 && result.seconds > 0)
    #expect(scratch.entries.isEmpty)
  }

  @Test("a plan beyond the limits, or without a directory, is refused")
  func refuses() throws {
    let scratch = try Scratch()
    for (batch, copies) in [(0, 1), (65_536, -1), (65_536, 17)] {
      let plan = ReplicateStream(directory: scratch.path, bytes: 1 << 20, batchBytes: batch, copies: copies)
      #expect(throws: MechanismError.self) { try plan.run() }
    }
    let nowhere = ReplicateStream(directory: "/nowhere", bytes: 1 << 20, batchBytes: 65_536, copies: 1)
    #expect(throws: MechanismError.call("open /nowhere/replica-0.log", errno: 2)) { try nowhere.run() }
  }
}
