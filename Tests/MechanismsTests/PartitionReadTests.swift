import Glibc
import Testing

@testable import Mechanisms

@Suite("Partition read", .serialized)
struct PartitionReadTests {
  @Test(
    "every part is read whole by one thread, and threads without a part have nothing to do",
    arguments: [(1, 1), (1, 4), (5, 2), (7, 7), (64, 3)])
  func reads(partitions: Int, consumers: Int) throws {
    let scratch = try Scratch()
    let data = try scratch.file(byteCount: 3_000_001)
    let result = try PartitionRead(
      file: data.path, partitions: partitions, consumers: consumers, seconds: 0.001
    ).run()
    #expect(result.bytes >= data.byteCount, "each part once at least")
    #expect(result.working == min(partitions, consumers))
    #expect(result.cpuSeconds > 0 && result.seconds > 0)
  }

  @Test("it goes on until the time is up")
  func time() throws {
    let scratch = try Scratch()
    let data = try scratch.file(byteCount: 100_000)
    let result = try PartitionRead(file: data.path, partitions: 2, consumers: 2, seconds: 0.05).run()
    #expect(result.seconds >= 0.05 && result.bytes > data.byteCount)
  }

  @Test("a plan beyond the limits is refused, and a file that is not there is told by its path")
  func refuses() throws {
    let scratch = try Scratch()
    let data = try scratch.file(byteCount: 10)
    for (partitions, consumers, seconds) in [(0, 1, 1.0), (1, 0, 1), (1, 257, 1), (11, 1, 1), (1, 1, 0)] {
      #expect(throws: MechanismError.self, "\(partitions) \(consumers) \(seconds)") {
        try PartitionRead(file: data.path, partitions: partitions, consumers: consumers, seconds: seconds).run()
      }
    }
    #expect(throws: MechanismError.call("stat /nowhere", errno: ENOENT)) {
      try PartitionRead(file: "/nowhere", partitions: 1, consumers: 1, seconds: 1).run()
    }
  }
}
