import ArgumentParser
import Foundation
import Mechanisms
import Results

/// Runs one bare mechanism in a separate process, as the lab does for bare arms, so that replicates share no heap, branch
/// predictor state or thread. The last line of output is one JSON object whose keys are metric names.
struct MechanismCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mechanism", abstract: "Run one bare mechanism (what experiments start).", shouldDisplay: false,
    subcommands: [
      RawAppendCommand.self, ReceiveAppendCommand.self, CopyPathCommand.self, CodecCommand.self,
      FalsePositivesCommand.self,
      BlockIOCommand.self, MessageBatchesCommand.self, LogVsTreeCommand.self, MemoryAccessCommand.self,
      CacheModelCommand.self, PartitionReadCommand.self, TailReadCommand.self,
    ])

  /// Prints `object` as the last line.
  static func report(_ object: [String: Any]) throws {
    let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    Terminal.answer(String(decoding: data, as: UTF8.self))
  }
}

struct RawAppendCommand: ParsableCommand {
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

  func run() throws {
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
      try SmallFile.replace(intervalsCSV, "t_s,records,bytes,cumulative_bytes\n" + lines.joined())
    }
    var object: [String: Any] = [
      "bytes": result.bytes, "seconds": result.seconds, "mib_per_s": result.mibPerSecond,
      "stored_bytes": result.bytes, "cpu_seconds": result.cpuSeconds, "cpu_s_per_gb": result.cpuSecondsPerGB,
      "schedule_lag_max_ms": result.scheduleLagMaxMs, "writes": result.writes, "segments": result.segments,
      "operations_per_s": Double(result.writes) / result.seconds,
    ]
    object["response_p50_ms"] = result.writeP50Us.map { $0 / 1000 }
    object["response_p99_ms"] = result.writeP99Us.map { $0 / 1000 }
    try MechanismCommand.report(object)
  }
}

struct ReceiveAppendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receive-append",
    abstract: "Receive batches and append them to files, as a broker does at least.")

  @Option(help: "Directory for the files, which are removed afterwards.") var directory: String
  @Option(help: "Total bytes.") var bytes: Int
  @Option(help: "Bytes per batch, with one receive and one write.") var batchBytes = 65_536
  @Option(help: "Connections, each with its own file.") var connections = 1
  @Option(help: "TCP_CONGESTION of both sockets.") var congestionControl = "cubic"
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  func run() throws {
    let result = try ReceiveAppend(
      directory: directory, bytes: bytes, batchBytes: batchBytes, connections: connections,
      congestionControl: congestionControl
    ).run()
    try MechanismCommand.report([
      "bytes": result.bytes, "seconds": result.seconds, "mb_per_s": result.mbPerSecond,
      "cpu_seconds": result.cpuSeconds, "cpu_s_per_gb": result.cpuSecondsPerGB, "stored_bytes": result.bytes,
      "client_cpu_s_per_gb": result.senderCPUSecondsPerGB, "congestion_control": result.congestionControl,
      "client_cpu_share": result.senderCPUSeconds / result.seconds,
    ])
  }
}

struct CopyPathCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "copy-path", abstract: "Send a file through a loopback socket by sendfile, copy or another way.")

  @Option(help: "The file.") var file: String
  @Option(help: "read-write, mmap-write, sendfile, splice.") var path: CopyPath.Path
  @Option(help: "Bytes per system call.") var bufferBytes = 65_536
  @Option(help: "Connections, which take chunks in turn.") var connections = 1
  @Option(help: "Size of each connection's receive buffer.") var receiveBytes = 1_048_576
  @Option(help: "Duration in seconds.") var seconds = 1.0
  @Option(help: "TCP_CONGESTION of both sockets.") var congestionControl = "cubic"
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  func run() throws {
    var mechanism = CopyPath(
      file: file, path: path, bufferBytes: bufferBytes, seconds: seconds, congestionControl: congestionControl)
    mechanism.connections = connections
    mechanism.receiveBytes = receiveBytes
    let result = try mechanism.run()
    try MechanismCommand.report([
      "bytes": result.bytes, "seconds": result.seconds, "mb_per_s": result.mbPerSecond,
      "cpu_seconds": result.senderCPUSeconds, "cpu_s_per_gb": result.senderCPUSecondsPerGB,
      "receiver_cpu_seconds": result.receiverCPUSeconds, "client_cpu_s_per_gb": result.receiverCPUSecondsPerGB,
      "client_cpu_share": result.receiverCPUSeconds / result.seconds, "system_calls": result.systemCalls,
      "context_switches": result.contextSwitches, "sender_copies": result.senderCopies, "passes": result.passes,
      "resident_percent": result.residentBefore * 100, "congestion_control": result.congestionControl,
    ])
  }
}

extension CopyPath.Path: ExpressibleByArgument {}
