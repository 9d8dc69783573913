import Testing

@testable import Mechanisms

@Suite("Receive and append", .serialized)
struct ReceiveAppendTests {
  @Test("every whole batch is appended, over any number of connections, and the files go away", arguments: [1, 3, 8])
  func appends(connections: Int) throws {
    let scratch = try Scratch()
    let result = try ReceiveAppend(
      directory: scratch.path, bytes: 2_000_000, batchBytes: 65_536, connections: connections
    ).run()
    #expect(result.bytes == 2_000_000 / 65_536 * 65_536)
    #expect(result.cpuSeconds > 0 && result.senderCPUSeconds > 0 && result.seconds > 0)
    #expect(result.congestionControl == "cubic")
    #expect(scratch.entries.isEmpty)
  }

  @Test("batches of records are checked and answered, however many connections", arguments: [1, 8])
  func checks(connections: Int) throws {
    let scratch = try Scratch()
    let result = try ReceiveAppend(
      directory: scratch.path, bytes: 2_000_000, batchBytes: 1_024, connections: connections, recordBytes: 100
    ).run()
    // Eight records of 109 bytes, and the header.
    #expect(result.bytes == 2_000_000 / (61 + 8 * 109) * (61 + 8 * 109))
    #expect(throws: MechanismError.self) {
      try ReceiveAppend(directory: scratch.path, bytes: 1 << 20, batchBytes: 100, recordBytes: 1_000).run()
    }
  }

  @Test("a directory that is not there is an error with its path, and the sender does not wait for ever")
  func noDirectory() throws {
    let plan = ReceiveAppend(directory: "/nowhere", bytes: 1 << 20, batchBytes: 65_536)
    #expect(throws: MechanismError.call("open /nowhere/append-0.log", errno: 2)) { try plan.run() }
  }

  @Test("a plan beyond the limits is refused", arguments: [(0, 1), (65_536, 0), (65_536, 257)])
  func refuses(batchBytes: Int, connections: Int) throws {
    let scratch = try Scratch()
    let plan = ReceiveAppend(
      directory: scratch.path, bytes: 1 << 20, batchBytes: batchBytes, connections: connections)
    #expect(throws: MechanismError.self) { try plan.run() }
  }
}
