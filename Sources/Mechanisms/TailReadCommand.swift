import ArgumentParser
import Measure

struct TailReadCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "tail-read", abstract: "Append to a file at a given rate and read it at a distance behind its end.")

  @Option(help: "Directory for the file, which is removed afterwards.") var directory: String
  @Option(name: .customLong("mb-per-s"), help: "Rate of the appends.") var mbPerSecond: Double
  @Option(help: "Duration in seconds.") var seconds: Double
  @Option(help: "Bytes per append and per read.") var blockBytes = 16_384
  @Option(help: "Distance of reading behind the end, MB; appended first.") var lagMb = 0.0
  @Option(help: "Another file to read in order at the same time.") var beside: String?
  @Option(name: .customLong("beside-mb-per-s"), help: "Rate of reading that file.") var besideMBPerSecond = 100.0
  @Option(help: "Seed of the bytes.") var seed: UInt64 = 1
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    let behind = run.option("lag-mb") * 1e6
    let appended = run.seconds * run.option("mb-per-s") * 1e6 + behind
    return RunCost(
      seconds: run.seconds + behind / RunCost.Rates.appendBytesPerSecond, bytes: appended, diskBytes: appended)
  }

  func measure() throws -> [String: Any] {
    var mechanism = TailRead(directory: directory, mbPerSecond: mbPerSecond, seconds: seconds)
    mechanism.blockBytes = blockBytes
    mechanism.lagBytes = Int(lagMb * 1e6)
    mechanism.beside = beside
    mechanism.besideMBPerSecond = besideMBPerSecond
    mechanism.seed = seed
    let result = try mechanism.run()
    var object: [String: Any] = [
      "bytes": result.bytes, "seconds": result.seconds, "mb_per_s": result.mbPerSecondRead,
      "cpu_seconds": result.cpuSeconds, "process_read_bytes": result.readBytes + result.besideReadBytes,
      "live_read_bytes": result.readBytes, "storage_read_percent": result.storageReadPercent,
      "checksum": String(result.checksum),
    ]
    if beside != nil { object["beside_mb_per_s"] = result.besideMBPerSecond }
    for (name, us) in [
      ("response_p50_ms", result.appendP50Us), ("response_p99_ms", result.appendP99Us),
      ("end_to_end_p50_ms", result.readP50Us), ("end_to_end_p99_ms", result.readP99Us),
      ("schedule_lag_p99_ms", result.scheduleLagP99Us),
    ] {
      object[name] = us.map { $0 / 1000 }
    }
    return object
  }
}
