import Base
internal import CMillrace
import Glibc

/// Grows one structure to several sizes and measures, at each, what appending and getting cost there: an append-only log, or
/// a tree of some kind, under the same batches, records and durability.
///
/// Only the last `appends` records before a size are measured. What lies before them is filled in key order, which is the
/// quickest way to a large tree, and synced: so a size costs seconds, not hours, and the measured part is all at that size.
/// Every value got is compared with what was put.
package struct LogVsTree: Sendable {
  package enum Structure: String, Sendable, CaseIterable {
    case appendLog = "append-log"
    case lmdbOffset = "lmdb-offset"
    case lmdbRandom = "lmdb-random"
    case sqliteOffset = "sqlite-offset"
    case sqliteRandom = "sqlite-random"
    case rocksdbRandom = "rocksdb-random"

    /// Keys 0, 1, 2, …; else the same numbers scattered over all 64 bits.
    package var keysRise: Bool { self == .appendLog || self == .lmdbOffset || self == .sqliteOffset }
  }

  package enum Sync: String, Sendable, CaseIterable {
    /// Each batch is on disk before the next begins.
    case batch
    /// One sync after the measured batches, within their time.
    case window
  }

  package enum Limits {
    static let valueBytes = 8...65_536
    static let recordsMax = 1 << 30
    static let batchMax = 100_000
    /// Filling is by batches of this many records.
    static let fillBatch = 2000
  }

  package var directory: String
  package var structure: Structure
  /// Ascending sizes, in records.
  package var levels: [Int]
  package var valueBytes = 100
  package var batchRecords = 100
  package var sync = Sync.batch
  /// Measured at each size.
  package var appends = 2000
  package var gets = 500
  package var seed: UInt64 = 1

  package init(directory: String, structure: Structure, levels: [Int]) {
    self.directory = directory
    self.structure = structure
    self.levels = levels
  }

  /// What one size cost.
  package struct Point: Sendable, Equatable {
    package var records: Int
    package var appendsPerSecond: Double
    package var getsPerSecond: Double
    /// Pages of 4 KiB read and written for one append, and read for one get.
    package var pagesPerAppend: Double
    /// CPU time of the process for one append.
    package var cpuUsPerAppend: Double
    package var pagesPerGet: Double
    /// Bytes the device took for writing, its journal included, over bytes of keys and values put.
    package var writeAmplification: Double
    /// Blocks the files hold, in bytes.
    package var storedBytes: Int
  }

  package struct Result: Sendable, Equatable {
    package var points: [Point]
    package var seconds: Double
    package var cpuSeconds: Double
    /// Measured appends of all sizes.
    package var records: Int
    package var bytes: Int
  }

  /// Runs to the end or throws; either way the files are gone.
  package func run() throws(MechanismError) -> Result {
    try validate()
    let place = "\(directory)/log-vs-tree"
    try check("make \(place)") { mkdir(place, 0o755) }
    defer { removeTree(place) }
    let store = try makeStore(in: place)
    defer { store.close() }
    var measured = 0.0
    var cpu = 0.0
    var stored = 0
    var points: [Point] = []
    for level in levels {
      try fill(store, stored..<(level - appends))
      let (point, seconds, cpuSeconds) = try measure(store, at: level, place)
      points.append(point)
      measured += seconds
      cpu += cpuSeconds
      stored = level
    }
    let records = appends * levels.count
    return Result(
      points: points, seconds: measured, cpuSeconds: cpu, records: records,
      bytes: records * (valueBytes + 8))
  }

  private func validate() throws(MechanismError) {
    guard let first = levels.first, let last = levels.last, zip(levels, levels.dropFirst()).allSatisfy({ $0 < $1 })
    else { throw .badPlan("levels must be at least one size, each above the one before") }
    guard appends > 0, gets > 0, (1...Limits.batchMax).contains(batchRecords) else {
      throw .badPlan("appends and gets must be above zero, batch-records 1 to \(Limits.batchMax)")
    }
    guard Limits.valueBytes.contains(valueBytes) else {
      throw .badPlan("record-bytes must be \(Limits.valueBytes), not \(valueBytes)")
    }
    let steps = zip([0] + levels, levels).map { $1 - $0 }
    guard first >= appends, last <= Limits.recordsMax, steps.allSatisfy({ $0 >= appends }) else {
      throw .badPlan("each level must lie at least \(appends) records (appends) above the one before")
    }
  }

  private func makeStore(in place: String) throws(MechanismError) -> any RecordStore {
    switch structure {
    case .appendLog: try AppendLogStore(directory: place)
    case .lmdbOffset, .lmdbRandom: try LMDBStore(directory: place, keysRise: structure.keysRise)
    case .sqliteOffset, .sqliteRandom: try SQLiteStore(directory: place)
    case .rocksdbRandom: try RocksDBStore(directory: place)
    }
  }

  /// The key of the record that was put as number `index`. SplitMix's finaliser maps no two numbers to one.
  private func key(_ index: Int) -> UInt64 {
    structure.keysRise ? UInt64(index) : SplitMix.mixed(UInt64(index) ^ seed << 32)
  }

  private func fill(_ store: any RecordStore, _ range: Range<Int>) throws(MechanismError) {
    var keys = range.map(key)
    if !structure.keysRise { keys.sort() }
    for start in stride(from: 0, to: keys.count, by: Limits.fillBatch) {
      let part = Array(keys[start..<min(start + Limits.fillBatch, keys.count)])
      try store.put(KeyedBatch(keys: part, valueBytes: valueBytes, seed: seed), durable: false)
    }
    try store.sync()
  }

  private func measure(
    _ store: any RecordStore, at level: Int, _ place: String
  ) throws(MechanismError) -> (Point, seconds: Double, cpuSeconds: Double) {
    // Made before the clock starts, so that no structure's time holds the making of values.
    let batches = stride(from: level - appends, to: level, by: batchRecords).map { first in
      KeyedBatch(
        keys: (first..<min(first + batchRecords, level)).map(key), valueBytes: valueBytes, seed: seed)
    }
    let before = try ProcessIO.now()
    let devicesBefore = try deviceWrittenBytes(under: place)
    let cpuBegun = processCPUSeconds()
    let begun = nowNanoseconds()
    for batch in batches { try store.put(batch, durable: sync == .batch) }
    if sync == .window { try store.sync() }
    let appended = nowNanoseconds()
    let cpuAppended = processCPUSeconds()
    let written = try deviceWrittenBytes(under: place) - devicesBefore
    let between = try ProcessIO.now()
    let cpuGettingBegun = processCPUSeconds()
    let gettingBegun = nowNanoseconds()
    try get(store, of: level)
    let got = nowNanoseconds()
    let cpuGot = processCPUSeconds()
    let after = try ProcessIO.now()
    let (putting, getting) = (between - before, after - between)
    let appendSeconds = Double(max(appended - begun, 1)) / 1e9
    let getSeconds = Double(max(got - gettingBegun, 1)) / 1e9
    let payload = Double(appends * (valueBytes + 8))
    return (
      Point(
        records: level, appendsPerSecond: Double(appends) / appendSeconds, getsPerSecond: Double(gets) / getSeconds,
        pagesPerAppend: Double(putting.readBytes + written) / 4096 / Double(appends),
        cpuUsPerAppend: (cpuAppended - cpuBegun) * 1e6 / Double(appends),
        pagesPerGet: Double(getting.readBytes) / 4096 / Double(gets),
        writeAmplification: Double(written) / payload, storedBytes: storedBytes(in: place)),
      appendSeconds + getSeconds, cpuAppended - cpuBegun + cpuGot - cpuGettingBegun
    )
  }

  /// Gets records at random over all there are, and compares each.
  private func get(_ store: any RecordStore, of level: Int) throws(MechanismError) {
    var random = SplitMix(seed: seed &+ UInt64(level))
    let expected = UnsafeMutableRawBufferPointer.allocate(byteCount: valueBytes, alignment: 16)
    defer { expected.deallocate() }
    for _ in 0..<gets {
      let key = key(random.below(level))
      KeyedBatch.fill(expected, for: key, seed: seed)
      var isRight = false
      let isThere = try store.get(key) { value in
        isRight = value.elementsEqual(UnsafeRawBufferPointer(expected))
      }
      guard isThere else { throw .corrupted("\(structure.rawValue) has lost key \(key) of \(level) records") }
      guard isRight else { throw .corrupted("\(structure.rawValue) gives another value for key \(key)") }
    }
  }
}

/// The entries of a directory without `.` and `..`; none when it cannot be read.
private func entries(of directory: String) -> [String] {
  guard let handle = opendir(directory) else { return [] }
  defer { closedir(handle) }
  var names: [String] = []
  while let entry = readdir(handle) {
    let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if name != ".", name != ".." { names.append(name) }
  }
  return names
}

/// Blocks on disk of a directory's files, one level of directories deep.
private func storedBytes(in directory: String) -> Int {
  entries(of: directory).reduce(0) { sum, name in
    var status = stat()
    guard stat("\(directory)/\(name)", &status) == 0 else { return sum }
    if status.st_mode & S_IFMT == S_IFDIR { return sum + storedBytes(in: "\(directory)/\(name)") }
    return sum + Int(status.st_blocks) * 512
  }
}

/// Removes a directory with all it holds, as far as it can.
func removeTree(_ directory: String) {
  for name in entries(of: directory) {
    let path = "\(directory)/\(name)"
    if unlink(path) != 0 { removeTree(path) }
  }
  rmdir(directory)
}
