import Glibc
import Testing

@testable import Mechanisms

@Suite("Block I/O", .serialized)
struct BlockIOTests {
  /// Every 32-bit value of the file, summed by other means than the mechanism's.
  private func valueSum(_ path: String) throws -> UInt64 {
    let bytes = try fileBytes(path)
    return bytes.withUnsafeBytes { raw in
      var sum: UInt64 = 0
      for at in stride(from: 0, to: raw.count & ~3, by: 4) {
        let value = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt32.self))
        sum &+= UInt64(value)
      }
      return sum
    }
  }

  private func fileBytes(_ path: String) throws -> [UInt8] {
    let file = open(path, O_RDONLY)
    try #require(file >= 0)
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: Int(lseek(file, 0, SEEK_END)))
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress.map { $0 + done }, 65_536, off_t(done)) }
      if count <= 0 { break }
      done += min(count, bytes.count - done)
    }
    return bytes
  }

  @Test(
    "reads every byte of the file once, whatever the order, depth and access",
    arguments: BlockIO.Pattern.allCases, BlockIO.Access.allCases)
  func readsAll(pattern: BlockIO.Pattern, access: BlockIO.Access) throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 1 << 20)
    let expected = try valueSum(file.path)
    for (block, depth) in [(4096, 1), (4096, 8), (65_536, 3)] {
      var plan = BlockIO(file: file.path)
      (plan.pattern, plan.access, plan.blockBytes, plan.queueDepth) = (pattern, access, block, depth)
      plan.seconds = 60
      plan.readAhead = pattern == .random ? .off : .on
      let result = try plan.run()
      #expect(result.bytes == 1 << 20 && result.operations == (1 << 20) / block)
      #expect(result.sum == expected, "\(pattern), \(access), \(block) B, depth \(depth)")
    }
  }

  @Test("a mapping read by 4-byte values gives each value once")
  func values() throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 100_000)
    for pattern in BlockIO.Pattern.allCases {
      var plan = BlockIO(file: file.path)
      (plan.pattern, plan.access, plan.blockBytes, plan.seconds) = (pattern, .mapped, 4, 60)
      let result = try plan.run()
      // Scanned by whole steps of 64 KiB: what is left behind them is not read.
      let bytes = pattern == .random ? 100_000 : 65_536
      #expect(result.bytes == bytes && result.operations == bytes / 4)
      if pattern == .random { #expect(result.sum == (try valueSum(file.path))) }
    }
  }

  @Test("what comes from a cold file is charged by the kernel, what comes from a hot one is not")
  func charged() throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 8 << 20)
    var plan = BlockIO(file: file.path)
    plan.seconds = 60
    try file.evict()
    try #require(try file.residentShare() < 0.01, "the file could not be made cold here")
    let cold = try plan.run()
    #expect(cold.io.readBytes >= 8 << 20)
    // The kernel counts for the whole process, so that the reads of a test beside this one are in the count: the least is the file's own.
    let hot = try (0..<5).map { _ in try plan.run().io.readBytes }.min()
    #expect(hot! < 1 << 20)
    plan.access = .direct
    #expect(try plan.run().io.readBytes >= 8 << 20, "O_DIRECT goes past the cache")
  }

  @Test("writes every block once, in its place", arguments: BlockIO.Pattern.allCases, BlockIO.Sync.allCases)
  func writes(pattern: BlockIO.Pattern, sync: BlockIO.Sync) throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 256 << 10)
    var plan = BlockIO(file: file.path)
    (plan.pattern, plan.operation, plan.sync, plan.queueDepth, plan.seconds) = (pattern, .write, sync, 2, 60)
    let result = try plan.run()
    let blocks = 64
    #expect(result.bytes == 256 << 10 && result.operations == blocks)
    #expect(result.syncs == [.never: 0, .end: 1, .mib: 1, .each: blocks + 1][sync])
    let bytes = try fileBytes(file.path)
    for block in 0..<blocks { #expect(bytes[block * 4096] == UInt8(block), "block \(block)") }
    #expect(bytes.count == 256 << 10, "writing keeps the file's size")
  }

  @Test("the time ends a run that the file would not")
  func time() throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 8 << 20)
    var plan = BlockIO(file: file.path)
    (plan.pattern, plan.blockBytes, plan.access, plan.seconds) = (.random, 4, .mapped, 0.01)
    let result = try plan.run()
    #expect(result.bytes < 8 << 20 && result.seconds >= 0.01)
  }

  @Test("what cannot run is refused with a reason")
  func refused() throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 4096)
    for change in [
      { (plan: inout BlockIO) in plan.blockBytes = 6 }, { $0.blockBytes = 8192 }, { $0.queueDepth = 0 },
      { ($0.access, $0.blockBytes) = (.direct, 4) }, { ($0.access, $0.operation) = (.mapped, .write) },
      { $0.sync = .each }, { $0.seconds = 0 }, { $0.file = "/nowhere" },
    ] as [(inout BlockIO) -> Void] {
      var plan = BlockIO(file: file.path)
      change(&plan)
      #expect(throws: MechanismError.self) { try plan.run() }
    }
  }
}

@Suite("Scattered order")
struct ScatteredOrderTests {
  @Test("is a permutation at any size, and another with another seed")
  func permutation() {
    for count in [1, 2, 3, 5, 64, 65, 1000, 4096] {
      let order = ScatteredOrder(count: count, seed: 7)
      let places = (0..<count).map { order[$0] }
      #expect(places.sorted() == Array(0..<count), "\(count)")
      if count >= 64 {
        #expect(places != Array(0..<count) && places != (0..<count).map { ScatteredOrder(count: count, seed: 8)[$0] })
      }
    }
  }

  @Test("neighbours in the order are not neighbours in the file")
  func scattered() {
    let order = ScatteredOrder(count: 10_000, seed: 1)
    let close = (1..<10_000).count { abs(order[$0] - order[$0 - 1]) <= 8 }
    // By chance 16 of 10,000 places lie within 8 of another.
    #expect(close < 60, "\(close) of 9,999 steps")
  }
}
