import Glibc
import Testing

@testable import Mechanisms

@Suite("Reading behind the end", .serialized)
struct TailReadTests {
  private static func plan(in scratch: borrowing Scratch, lagBytes: Int = 0) -> TailRead {
    var plan = TailRead(directory: scratch.path, mbPerSecond: 20, seconds: 0.2)
    plan.lagBytes = lagBytes
    return plan
  }

  @Test("as many bytes are read as are appended, each block rightly, and the file is gone", arguments: [0, 3_000_000])
  func reads(lagBytes: Int) throws {
    let scratch = try Scratch()
    let plan = Self.plan(in: scratch, lagBytes: lagBytes)
    let result = try plan.run()
    #expect(result.bytes == plan.blockCount * plan.blockBytes)
    #expect(result.appendP50Us != nil && result.readP50Us != nil)
    #expect(result.seconds >= 0.19, "\(result.seconds) s: the pace was not kept")
    #expect(access("\(scratch.path)/tail-read.data", F_OK) != 0)
    #expect(try plan.run().checksum == result.checksum, "the same plan reads the same bytes")
  }

  @Test("a percentile is there only where ten samples lie beyond it")
  func percentiles() throws {
    let scratch = try Scratch()
    let result = try Self.plan(in: scratch).run()
    // 244 blocks: enough for a median, too few for a 99th percentile.
    #expect(result.readP50Us != nil && result.readP99Us == nil)
  }

  @Test("what the reader beside fetches from storage is its own, and not the live reader's")
  func beside() throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 8 << 20)
    try file.evict()
    var plan = Self.plan(in: scratch)
    plan.beside = file.path
    plan.besideMBPerSecond = 100
    let result = try plan.run()
    #expect(result.besideBytes >= 8 << 20, "at 100 MB/s for 0.2 s it goes around")
    #expect(result.besideReadBytes >= 7 << 20)
    #expect(result.readBytes == 0, "what was just appended is in memory")
  }

  @Test("what cannot run is refused with a reason")
  func refused() throws {
    let scratch = try Scratch()
    for change in [
      { (plan: inout TailRead) in plan.blockBytes = 100 }, { $0.mbPerSecond = 0 }, { $0.seconds = -1 },
      { $0.lagBytes = -1 }, { $0.beside = "/nowhere" }, { $0.besideMBPerSecond = 0 }, { $0.mbPerSecond = 0.001 },
      { $0.directory = "/nowhere" },
    ] as [(inout TailRead) -> Void] {
      var plan = Self.plan(in: scratch)
      change(&plan)
      #expect(throws: MechanismError.self) { try plan.run() }
    }
  }
}
