import Glibc
import Model
import Synchronization
import Testing

@testable import Storage
@testable import StorageArms

/// A file in memory that counts how it is asked.
private final class CountedFile: DiskFile {
  let descriptor: Int32 = -1
  private let bytes = Mutex<[UInt8]>([])
  private let asked = Mutex<[Range<Int>]>([])

  var reads: [Range<Int>] { asked.withLock { $0 } }

  func size() throws(DiskError) -> Int { bytes.withLock { $0.count } }
  func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, at position: Int) throws(DiskError) {
    let added = Array(first) + Array(second)
    bytes.withLock { bytes in
      bytes.removeLast(max(0, bytes.count - position))
      bytes += added
    }
  }
  func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(DiskError) -> Int {
    asked.withLock { $0.append(position..<position + buffer.count) }
    let all = bytes.withLock { $0 }
    let count = max(0, min(buffer.count, all.count - position))
    if count > 0 { buffer.copyBytes(from: all[position..<position + count]) }
    return count
  }
  func truncate(to size: Int) throws(DiskError) { bytes.withLock { $0.removeLast($0.count - size) } }
  func reserve(_ size: Int) throws(DiskError) {}
  func reserveAhead(from position: Int, to end: Int) -> Bool { false }
  func sync() throws(DiskError) {}
}

@Suite("The cache of the process")
struct ProcessCacheTests {
  private func cache(_ layout: CacheLayout, blocks: Int) throws -> ProcessCache {
    try ProcessCache(CacheSettings(bytes: blocks * 4096, layout: layout, blockBytes: 4096))
  }

  private func bytes(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 + seed) &* 31 >> 3) }
  }

  @Test("what is appended is read from memory, and counted", arguments: CacheLayout.allCases)
  func appended(layout: CacheLayout) throws {
    let cache = try cache(layout, blocks: 16)
    let under = CountedFile()
    let file = try CachedFile(under, cache)
    let all = bytes(20_000)
    for start in stride(from: 0, to: 20_000, by: 1000) {
      try file.write(Array(all[start..<start + 1000]), at: start)
      #expect(try file.read(1000, at: start) == Array(all[start..<start + 1000]))
    }
    #expect(try file.read(30_000, at: 100) == Array(all[100...]))
    #expect(under.reads.isEmpty)
    #expect(cache.counts.appendedBytes == 20_000)
    #expect(cache.counts.hitBytes == 20_000 + 19_900)
    #expect(cache.counts.misses == 0)
    #expect(cache.counts.heldBlocks == 5)
  }

  @Test("holds no more than it may, and what was used last", arguments: CacheLayout.allCases)
  func eviction(layout: CacheLayout) throws {
    let cache = try cache(layout, blocks: 4)
    let under = CountedFile()
    let file = try CachedFile(under, cache)
    let all = bytes(6 * 4096)
    for block in 0..<6 {
      try file.write(Array(all[block * 4096..<(block + 1) * 4096]), at: block * 4096)
      if block >= 2 { #expect(try file.read(10, at: 2 * 4096).count == 10, "the third stays in use") }
    }
    #expect(cache.counts.heldBlocks == 4)
    #expect(cache.counts.evictedBlocks == 2)
    #expect(under.reads.isEmpty)
    _ = try file.read(10, at: 4096)
    #expect(under.reads.count == 1, "the second went")
    _ = try file.read(10, at: 2 * 4096)
    #expect(under.reads.count == 1)
    #expect(try file.read(6 * 4096, at: 0) == all)
  }

  @Test("a reader in order is read ahead, another is given what it asked for", arguments: CacheLayout.allCases)
  func readAhead(layout: CacheLayout) throws {
    let under = CountedFile()
    let all = bytes(1 << 20)
    try under.write(all, at: 0)
    let file = try CachedFile(under, try cache(layout, blocks: 256))
    _ = try file.read(100, at: 500_000)
    #expect(under.reads == [499_712..<503_808])
    var read: [UInt8] = []
    while read.count < all.count { read += try file.read(8192, at: read.count) }
    #expect(read == all)
    #expect(under.reads.count <= 2 + (1 << 20) / ProcessCache.fillBytes + 2)
  }

  @Test("what was cut and written anew is not remembered as it was", arguments: CacheLayout.allCases)
  func truncation(layout: CacheLayout) throws {
    let file = try CachedFile(CountedFile(), try cache(layout, blocks: 16))
    try file.write(bytes(10_000), at: 0)
    _ = try file.read(10_000, at: 0)
    try file.truncate(to: 5000)
    #expect(try file.read(10_000, at: 0) == Array(bytes(10_000)[..<5000]))
    try file.write(bytes(5000, seed: 77), at: 5000)
    #expect(try file.read(10_000, at: 0) == Array(bytes(10_000)[..<5000]) + bytes(5000, seed: 77))
  }

  @Test("readers of the growing end see every byte that an append has returned", arguments: CacheLayout.allCases)
  func concurrent(layout: CacheLayout) throws {
    // Two blocks: the end is evicted all the time by readers of the front.
    let file = try CachedFile(CountedFile(), try cache(layout, blocks: 2))
    let all = bytes(200_000)
    let written = Atomic<Int>(0)
    let wrong = Atomic<Int>(0)
    Threads.run(count: 3, threads: 3) { index in
      do {
        if index == 0 {
          for start in stride(from: 0, to: all.count, by: 100) {
            try file.write(Array(all[start..<start + 100]), at: start)
            written.store(start + 100, ordering: .releasing)
          }
          return
        }
        while true {
          let end = written.load(ordering: .acquiring)
          let start = max(0, end - 5000)
          if try file.read(end - start, at: start) != Array(all[start..<end]) { wrong.add(1, ordering: .relaxed) }
          let front = min(end, 9000)
          if try file.read(front, at: 0) != Array(all[..<front]) { wrong.add(1, ordering: .relaxed) }
          if end == all.count { return }
        }
      } catch { wrong.add(1, ordering: .relaxed) }
    }
    #expect(written.load(ordering: .relaxed) == all.count)
    #expect(wrong.load(ordering: .relaxed) == 0)
  }

  @Test("reports its counts as a line of JSON")
  func report() throws {
    let temporary = try TemporaryDirectory()
    let cache = try cache(.boxed, blocks: 4)
    try CachedFile(CountedFile(), cache).write(bytes(5000), at: 0)
    try cache.report(in: temporary.path, on: RealDisk(), nowMs: 17)
    let line = try #require(try RealDisk().contents(of: "\(temporary.path)/\(ProcessCache.reportName)"))
    #expect(
      String(decoding: line, as: UTF8.self) == """
        {"time_ms":17,"layout":"boxed","block_bytes":4096,"capacity_bytes":16384,"held_bytes":8192,"hits":0,\
        "hit_bytes":0,"misses":0,"filled_bytes":0,"appended_bytes":5000,"evicted_blocks":0}

        """)
  }
}

@Suite("A file past the page cache")
struct DirectFileTests {
  private func resident(_ path: String) throws -> Int {
    let descriptor = open(path, O_RDONLY)
    defer { close(descriptor) }
    var status = stat()
    fstat(descriptor, &status)
    let size = Int(status.st_size)
    let mapped = try #require(mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0))
    defer { munmap(mapped, size) }
    var pages = [UInt8](repeating: 0, count: (size + 4095) / 4096)
    try #require(mincore(mapped, size, &pages) == 0)
    return pages.count { $0 & 1 == 1 } * 4096
  }

  private func bytes(_ count: Int, seed: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 7 + seed) >> 2) }
  }

  @Test(
    "appends of any length are read back, and by the page cache too",
    arguments: [(true, true), (true, false), (false, true)])
  func appends(readsDirectly: Bool, writesDirectly: Bool) throws {
    let temporary = try TemporaryDirectory()
    let path = "\(temporary.path)/0.log"
    let use = DirectFile.Use(readsDirectly: readsDirectly, writesDirectly: writesDirectly)
    var file = try DirectFile(path, creating: true, use: use)
    var all: [UInt8] = []
    for (index, count) in [1, 61, 4000, 34, 4096, 5000, 100_000, 2, 1 << 20, 3].enumerated() {
      let added = bytes(count, seed: index)
      try file.write(added, at: all.count)
      all += added
      #expect(try file.read(count, at: all.count - count) == added)
      // A file that is opened again does not know its last block.
      if index == 5 { file = try DirectFile(path, creating: false, use: use) }
    }
    #expect(try file.read(all.count, at: 0) == all)
    #expect(try file.read(777, at: 4095) == Array(all[4095..<4095 + 777]))
    #expect(try RealDisk().open(path, creating: false).read(all.count, at: 0) == all)
    let size = try file.size()
    #expect(size == (writesDirectly ? (all.count + 4095) / 4096 * 4096 : all.count))
    try file.truncate(to: 5003)
    try file.write([9, 8, 7], at: 5003)
    #expect(try file.read(5006, at: 0) == Array(all[..<5003]) + [9, 8, 7])
  }

  @Test(
    "what is read directly leaves the page cache behind the end, and all of it with a sync", arguments: [true, false])
  func pages(writesDirectly: Bool) throws {
    let temporary = try TemporaryDirectory()
    let path = "\(temporary.path)/0.log"
    let use = DirectFile.Use(readsDirectly: true, writesDirectly: writesDirectly)
    let file = try DirectFile(path, creating: true, use: use)
    let part = bytes(1 << 20, seed: 5)
    for index in 0..<16 {
      try file.write(part, at: index << 20)
      #expect(try file.read(1 << 20, at: index << 20) == part)
    }
    #expect(try resident(path) <= 3 << 20)
    try file.sync()
    #expect(try resident(path) == 0)
  }
}
