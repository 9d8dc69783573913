import ArgumentParser
import Foundation
import Measure

struct RawAppendCommand: Mechanism {
  static let configuration = CommandConfiguration(commandName: "raw-append", abstract: "Append to files as a log does.")

  @Option(help: "Directory for the files, which are removed afterwards.") var directory: String
  @Option(help: "Total bytes.") var bytes: Int
  @Option(help: "Bytes per write.") var writeBytes = 65_536
  @Option(help: "Bytes per file.") var segmentBytes = 1 << 30
  @Option(name: .customLong("mib-per-s"), help: "Rate in MiB per second; default: unlimited.") var pace: Double?
  @Option(help: "Bytes between two points of the series.") var intervalBytes = 4 << 20
  @Option(name: .customLong("intervals-csv"), help: "The series: t_s, records, bytes, cumulative_bytes.")
  var intervalsCSV: String?
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static let writesIntervals = true

  static func cost(of run: PricedRun) -> RunCost {
    let bytes = run.option("bytes")
    let rate = run.isPaced ? RunCost.Rates.produceBytesPerSecond : RunCost.Rates.appendBytesPerSecond
    return RunCost(seconds: bytes / rate, bytes: bytes, diskBytes: bytes)
  }

  static func ceilings(isCold: Bool, isSynced: Bool) -> [MachineCeiling] {
    [isSynced ? .sequentialWrite : .memoryCopy]
  }

  func measure() throws -> [String: Any] {
    var mechanism = RawAppend(
      directory: directory, bytes: bytes, writeBytes: writeBytes, segmentBytes: segmentBytes,
      intervalBytes: intervalBytes)
    mechanism.paceMiBPerSecond = pace
    let result = try mechanism.run()
    if let intervalsCSV {
      var before = 0
      let lines = result.intervals.map { interval -> String in
        defer { before = interval.storedBytes }
        return "\(interval.seconds),0,\(interval.storedBytes - before),\(interval.storedBytes)\n"
      }
      try Data(("t_s,records,bytes,cumulative_bytes\n" + lines.joined()).utf8).write(to: URL(filePath: intervalsCSV))
    }
    var object: [String: Any] = [
      "bytes": result.bytes, "seconds": result.seconds, "mib_per_s": result.mibPerSecond,
      "stored_bytes": result.bytes, "cpu_seconds": result.cpuSeconds, "cpu_s_per_gb": result.cpuSecondsPerGB,
      "schedule_lag_max_ms": result.scheduleLagMaxMs, "writes": result.writes, "segments": result.segments,
      "operations_per_s": Double(result.writes) / result.seconds,
    ]
    object["response_p50_ms"] = result.writeP50Us.map { $0 / 1000 }
    object["response_p99_ms"] = result.writeP99Us.map { $0 / 1000 }
    return object
  }
}
