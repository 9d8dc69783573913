import Base
import Testing

@testable import Mechanisms

/// Least recently used at its plainest: a list that is searched from the front.
private struct ReferenceLRU {
  let capacity: Int
  var blocks: [Int] = []

  /// True for a hit.
  mutating func touch(_ block: Int) -> Bool {
    let place = blocks.firstIndex(of: block)
    if let place { blocks.remove(at: place) }
    blocks.insert(block, at: 0)
    if blocks.count > capacity { blocks.removeLast() }
    return place != nil
  }
}

@Suite("Cache model", .serialized)
struct CacheModelTests {
  @Test("both caches hold and forget exactly what a list would", arguments: ["boxed", "arena"])
  func agrees(kind: String) {
    let (capacity, blocks, blockBytes) = (40, 100, 512)
    let cache: any BlockCache =
      kind == "boxed"
      ? BoxedCache(recordBytes: 100) { $0 >= capacity }
      : ArenaCache(blockBytes: blockBytes, capacity: capacity, blocks: blocks)
    var reference = ReferenceLRU(capacity: capacity)
    var random = SplitMix(seed: 3)
    let buffer = alignedBuffer(byteCount: blockBytes)
    defer { buffer.deallocate() }
    var hits = 0
    for step in 0..<5000 {
      let block = min(random.below(blocks), random.below(blocks))
      fillIncompressible(buffer, seed: UInt64(block))
      let expected = sum(UnsafeRawBufferPointer(buffer))
      let found = cache.sum(of: block)
      #expect((found != nil) == reference.touch(block), "step \(step), block \(block)")
      if let found {
        hits += 1
        #expect(found == expected, "block \(block) came back changed")
      } else {
        cache.insert(block, UnsafeRawBufferPointer(buffer))
      }
    }
    #expect(Set(cache.held) == Set(reference.blocks) && hits > 1000)
  }

  @Test("every kind reads the same bytes of the same trace", arguments: CacheModel.Trace.allCases)
  func sameSums(trace: CacheModel.Trace) throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 2 << 20)
    var sums: Set<UInt64> = []
    for kind in CacheModel.Kind.allCases {
      var model = CacheModel(file: file.path, kind: kind)
      (model.trace, model.blockBytes, model.cacheBytes) = (trace, 4096, 1 << 20)
      (model.warmReads, model.reads) = (1000, 1000)
      sums.insert(try model.measure().sum)
    }
    #expect(sums.count == 1)
  }

  @Test("the hit ratio by the device's bytes is that of a reference cache over the same trace")
  func hitRatio() throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 4 << 20)
    for trace in CacheModel.Trace.allCases {
      var model = CacheModel(file: file.path, kind: .arena)
      (model.trace, model.blockBytes, model.cacheBytes) = (trace, 4096, 1 << 20)
      (model.warmReads, model.reads, model.seed) = (2000, 2000, 9)
      let measured = try model.measure()
      var blocks = BlockTrace(model, blocks: 1024, seed: 9)
      var reference = ReferenceLRU(capacity: (1 << 20) / (4096 + ArenaCache.overheadBytes))
      #expect(measured.warmReads > 2000, "two looks at the least show that it is full")
      for _ in 0..<measured.warmReads { _ = reference.touch(blocks.next()) }
      blocks = BlockTrace(model, blocks: 1024, seed: model.measuredSeed)
      let hits = (0..<2000).count { _ in reference.touch(blocks.next()) }
      #expect(abs(measured.hitRatio - Double(hits) / 2000) < 0.001, "\(trace): \(measured.hitRatio)")
      #expect(measured.cachedBytes == reference.capacity * 4096 && measured.heldTwiceBytes == 0)
    }
  }

  @Test("the page cache is warm after a restart, a cache in the process is not")
  func restart() throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 4 << 20)
    var model = CacheModel(file: file.path, kind: .pageCache)
    (model.blockBytes, model.cacheBytes, model.warmReads, model.reads) = (4096, 8 << 20, 10_000, 500)
    let kept = try model.measure()
    #expect(kept.hitRatio > 0.99 && kept.cachedBytes == 4 << 20)
    let again = try #require(try model.rewarm(to: kept.hitRatio))
    model.kind = .arena
    let own = try model.measure()
    #expect(own.hitRatio > 0.99)
    let rebuilt = try #require(try model.rewarm(to: own.hitRatio))
    #expect(rebuilt > again)
    model.warmReads = 500
    #expect(try model.rewarm(to: 1) == nil, "500 reads do not warm 1,024 blocks")
    model.kind = .both
    model.warmReads = 10_000
    let both = try model.measure()
    #expect(both.heldTwiceBytes > 3 << 20 && both.cachedBytes == 4 << 20)
  }

  @Test("a cache by memory stays as large as it was when the memory was used up, though the process never shrinks")
  func budget() {
    var highest = 0
    var held = 0
    let budget = MemoryBudget(bytes: 100_000) {
      highest = max(highest, held * 1000)
      return 5000 + highest
    }
    let cache = BoxedCache(recordBytes: 100) { budget.isSpent(holding: $0) }
    let block = alignedBuffer(byteCount: 512)
    defer { block.deallocate() }
    fillIncompressible(block, seed: 1)
    for number in 0..<1000 {
      cache.insert(number, UnsafeRawBufferPointer(block))
      held = cache.held.count
    }
    // A hundred blocks, and at most one look's distance more.
    #expect(held >= 100 && held <= 100 + CacheModel.Limits.memoryCheck, "\(held)")
    #expect(Set(cache.held) == Set((1000 - held)..<1000), "the last ones stay")
  }

  @Test("objects take half as much again as their bytes and more, by the kernel's count of the process")
  func overhead() throws {
    let block = alignedBuffer(byteCount: 16_384)
    defer { block.deallocate() }
    fillIncompressible(block, seed: 1)
    // 64 MiB of blocks. Tests beside this one take and give back memory of the same process, so one undisturbed look counts.
    var shares: [Double] = []
    // Kept, so that the next does not find its memory.
    var caches: [BoxedCache] = []
    defer { withExtendedLifetime(caches) {} }
    for _ in 0..<6 {
      let cache = BoxedCache(recordBytes: 100) { _ in false }
      caches.append(cache)
      let before = try anonymousBytes()
      for number in 0..<4000 { cache.insert(number, UnsafeRawBufferPointer(block)) }
      shares.append(Double(try anonymousBytes() - before) / (4000 * 16_384))
      #expect(cache.held.count == 4000)
      if shares[shares.count - 1] > 1.5 && shares[shares.count - 1] < 4 { return }
    }
    Issue.record("not once between 1.5 and 4 times the bytes: \(shares)")
  }

  @Test("what cannot run is refused with a reason")
  func refused() throws {
    let scratch = try Scratch()
    let file = try scratch.file(byteCount: 65_536)
    for change in [
      { (model: inout CacheModel) in model.blockBytes = 1000 }, { $0.blockBytes = 131_072 }, { $0.recordBytes = 30 },
      { $0.cacheBytes = 100 }, { $0.reads = 0 }, { $0.file = "/nowhere" },
    ] as [(inout CacheModel) -> Void] {
      var model = CacheModel(file: file.path, kind: .arena)
      change(&model)
      #expect(throws: MechanismError.self) { try model.measure() }
    }
  }
}

@Suite("Zipf ranks")
struct ZipfRanksTests {
  @Test("come as often as the formula says")
  func frequencies() {
    for exponent in [0.6, 0.99, 1.4] {
      let zipf = ZipfRanks(count: 1000, exponent: exponent)
      var random = SplitMix(seed: 11)
      var counts = [Int](repeating: 0, count: 1001)
      let draws = 400_000
      for _ in 0..<draws { counts[zipf.next(&random)] += 1 }
      let all = (1...1000).reduce(0.0) { $0 + power(Double($1), exponent) }
      #expect(counts[0] == 0)
      for rank in [1, 2, 3, 10] {
        let expected = Double(draws) * power(Double(rank), exponent) / all
        // Five standard deviations.
        #expect(abs(Double(counts[rank]) - expected) < 5 * expected.squareRoot(), "rank \(rank), s \(exponent)")
      }
      let tail = (501...1000).reduce(0) { $0 + counts[$1] }
      let expected = Double(draws) * (501...1000).reduce(0.0) { $0 + power(Double($1), exponent) } / all
      #expect(abs(Double(tail) - expected) < 5 * expected.squareRoot())
    }
  }

  private func power(_ rank: Double, _ exponent: Double) -> Double {
    // By repeated square roots, so that the test does not lean on the function under test.
    var (result, base, left) = (1.0, rank, exponent)
    while left >= 1 { (result, left) = (result * rank, left - 1) }
    for _ in 0..<50 {
      base = base.squareRoot()
      left *= 2
      if left >= 1 { (result, left) = (result * base, left - 1) }
    }
    return 1 / result
  }
}
