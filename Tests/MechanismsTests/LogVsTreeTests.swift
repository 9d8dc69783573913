import Testing

@testable import Mechanisms

@Suite("Log against trees", .serialized)
struct LogVsTreeTests {
  @Test(
    "every structure grows to each size, finds all values again, and leaves nothing",
    arguments: LogVsTree.Structure.allCases)
  func grows(structure: LogVsTree.Structure) throws {
    let scratch = try Scratch()
    var plan = LogVsTree(directory: scratch.path, structure: structure, levels: [500, 3000])
    (plan.appends, plan.gets, plan.batchRecords) = (200, 300, 30)
    for sync in LogVsTree.Sync.allCases {
      plan.sync = sync
      let result = try plan.run()
      #expect(result.points.map(\.records) == [500, 3000] && result.records == 400)
      for point in result.points {
        #expect(point.appendsPerSecond > 0 && point.getsPerSecond > 0)
        // A log, a page or a journal: every byte put reaches the disk, the tail of a window perhaps after it.
        #expect(point.writeAmplification >= 0.9, "\(structure), \(sync): \(point)")
        #expect(point.storedBytes >= point.records * 108)
      }
      #expect(scratch.entries.isEmpty)
    }
  }

  @Test("its CPU time is of what is measured, as its seconds are, and not of the filling before")
  func processorTime() throws {
    let scratch = try Scratch()
    var plan = LogVsTree(directory: scratch.path, structure: .lmdbRandom, levels: [60_000])
    (plan.appends, plan.gets, plan.batchRecords, plan.sync) = (100, 100, 100, .window)
    let before = processCPUSeconds()
    let result = try plan.run()
    let whole = processCPUSeconds() - before
    #expect(result.cpuSeconds > 0 && result.cpuSeconds < whole / 4, "\(result) of \(whole) s")
  }

  @Test("a log writes little more than what is put; a tree at random keys, a page for each record")
  func amplification() throws {
    let scratch = try Scratch()
    /// The least of three: the device counts what others write as well.
    func amplification(_ structure: LogVsTree.Structure) throws -> Double {
      var plan = LogVsTree(directory: scratch.path, structure: structure, levels: [40_000])
      (plan.appends, plan.gets, plan.batchRecords, plan.sync) = (1000, 1, 100, .batch)
      let found = try (0..<3).map { _ in try #require(plan.run().points.first).writeAmplification }
      return try #require(found.min())
    }
    // 124 bytes a frame for 108 put; besides, the last page of each batch of 12 KiB again with the next, and the
    // file system's journal, some pages a sync.
    let log = try amplification(.appendLog)
    #expect(log >= 124.0 / 108 && log < 8, "\(log)")
    // 40,000 records fill some 1,700 leaves: 100 random keys touch nearly as many as they are, 38 pages a 108 bytes.
    let tree = try amplification(.lmdbRandom)
    #expect(tree > 20 && tree < 160, "\(tree)")
    let rising = try amplification(.lmdbOffset)
    #expect(rising < tree / 2 && log < tree / 4, "log \(log), rising keys \(rising), random keys \(tree)")
  }

  @Test(
    "a store gives back what was put, and says no to what was not", arguments: ["log", "lmdb", "sqlite", "rocksdb"])
  func stores(kind: String) throws {
    let scratch = try Scratch()
    let store: any RecordStore =
      switch kind {
      case "log": try AppendLogStore(directory: scratch.path)
      case "lmdb": try LMDBStore(directory: scratch.path, keysRise: false)
      case "sqlite": try SQLiteStore(directory: scratch.path)
      default: try RocksDBStore(directory: scratch.path)
      }
    defer { store.close() }
    let keys = (0..<500).map { UInt64($0) * 3 + 1 }
    for start in stride(from: 0, to: 500, by: 50) {
      let batch = KeyedBatch(keys: Array(keys[start..<(start + 50)]), valueBytes: 77, seed: 5)
      try store.put(batch, durable: start % 100 == 0)
    }
    try store.sync()
    for key in keys {
      var found: [UInt8] = []
      #expect(try store.get(key) { found = Array($0) })
      let put = KeyedBatch(keys: [key], valueBytes: 77, seed: 5)
      #expect(withExtendedLifetime(put) { found == Array($0.value(0)) }, "key \(key)")
      #expect(try !store.get(key + 1) { _ in })
    }
    #expect(try !store.get(0) { _ in })
  }

  @Test("what cannot run is refused with a reason, and leaves nothing")
  func refused() throws {
    let scratch = try Scratch()
    for change in [
      { (plan: inout LogVsTree) in plan.levels = [] }, { $0.levels = [200, 100] }, { $0.levels = [50] },
      { $0.levels = [1000, 1010] }, { $0.batchRecords = 0 }, { $0.valueBytes = 1 }, { $0.gets = 0 },
      { $0.directory = "/nowhere" },
    ] as [(inout LogVsTree) -> Void] {
      var plan = LogVsTree(directory: scratch.path, structure: .appendLog, levels: [1000])
      plan.appends = 100
      change(&plan)
      #expect(throws: MechanismError.self) { try plan.run() }
    }
    #expect(scratch.entries.isEmpty)
  }
}
