import ArgumentParser
import Measure

struct ReceiveAppendCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "receive-append",
    abstract: "Receive batches and append them to files, as a broker does at least.")

  @Option(help: "Directory for the files, which are removed afterwards.") var directory: String
  @Option(help: "Total bytes.") var bytes: Int
  @Option(help: "Bytes per batch, with one receive and one write.") var batchBytes = 65_536
  @Option(help: "Bytes per record: batches are checked as a broker must, and answered. Without it they are bytes.")
  var recordBytes: Int?
  @Option(help: "Connections, each with its own file.") var connections = 1
  @Option(help: "TCP_CONGESTION of both sockets.") var congestionControl = "cubic"
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    let bytes = run.option("bytes")
    return RunCost(seconds: bytes / RunCost.Rates.appendBytesPerSecond, bytes: bytes, diskBytes: bytes)
  }

  static func ceilings(isCold: Bool, isSynced: Bool) -> [MachineCeiling] {
    [.loopback] + (isSynced ? [.sequentialWrite] : [])
  }

  func measure() throws -> [String: Any] {
    let result = try ReceiveAppend(
      directory: directory, bytes: bytes, batchBytes: batchBytes, connections: connections,
      congestionControl: congestionControl, recordBytes: recordBytes
    ).run()
    return [
      "bytes": result.bytes, "seconds": result.seconds, "mb_per_s": result.mbPerSecond,
      "cpu_seconds": result.cpuSeconds, "cpu_s_per_gb": result.cpuSecondsPerGB, "stored_bytes": result.bytes,
      "client_cpu_s_per_gb": result.senderCPUSecondsPerGB, "congestion_control": result.congestionControl,
      "client_cpu_share": result.senderCPUSeconds / result.seconds,
    ]
  }
}
