import ArgumentParser
import Measure

struct LogVsTreeCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "log-vs-tree", abstract: "Append to and get from a log or a tree, at growing sizes.")

  @Option(help: "Directory for the files, which are removed afterwards.") var directory: String
  @Option(help: "append-log, lmdb-offset, lmdb-random, sqlite-offset, sqlite-random, rocksdb-random.")
  var structure: LogVsTree.Structure
  @Option(help: "Sizes in records at which to measure, ascending, separated by commas.") var levels: String
  @Option(help: "Bytes per value.") var recordBytes = 100
  @Option(help: "Records per put.") var batchRecords = 100
  @Option(help: "batch: each batch is synced; window: one sync after the measured batches.")
  var sync = LogVsTree.Sync.batch
  @Option(help: "Appends measured at each size.") var appends = 2000
  @Option(help: "Gets measured at each size.") var gets = 500
  @Option(help: "Records of the largest size, for `plan`.") var records: Int?
  @Option(help: "Seed of keys and values.") var seed: UInt64 = 1
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  private enum Rates {
    /// A structure filled, measured and grown, the slow ones and the quick together.
    static let bytesPerSecond = 45e6
    /// Pages half full, journals, and what compaction has not yet removed.
    static let storedPerPayload = 4.0
  }

  static func cost(of run: PricedRun) -> RunCost {
    let bytes = run.option("records") * run.option("record-bytes")
    return RunCost(seconds: bytes / Rates.bytesPerSecond, bytes: bytes, diskBytes: bytes * Rates.storedPerPayload)
  }

  func measure() throws -> [String: Any] {
    let sizes = levels.split(separator: ",").map { Int($0.filter { $0 != " " }) }
    guard !sizes.contains(nil) else { throw ValidationError("--levels must be whole numbers separated by commas") }
    var mechanism = LogVsTree(directory: directory, structure: structure, levels: sizes.compactMap(\.self))
    mechanism.valueBytes = recordBytes
    mechanism.batchRecords = batchRecords
    mechanism.sync = sync
    mechanism.appends = appends
    mechanism.gets = gets
    mechanism.seed = seed
    let result = try mechanism.run()
    var at: [String: Any] = [:]
    for point in result.points {
      at[String(point.records)] = [
        "records_per_s": point.appendsPerSecond, "gets_per_s": point.getsPerSecond,
        "pages_per_append": point.pagesPerAppend, "cpu_us_per_append": point.cpuUsPerAppend,
        "pages_per_get": point.pagesPerGet,
        "write_amplification": point.writeAmplification, "stored_bytes": point.storedBytes,
      ]
    }
    return [
      "seconds": result.seconds, "records": result.records, "bytes": result.bytes, "cpu_seconds": result.cpuSeconds,
      "at": at,
    ]
  }
}

extension LogVsTree.Structure: ExpressibleByArgument {}
extension LogVsTree.Sync: ExpressibleByArgument {}
