import ArgumentParser
import Measure

struct CopyPathCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "copy-path", abstract: "Send a file through a loopback socket by sendfile, copy or another way.")

  @Option(help: "The file.") var file: String
  @Option(help: "read-write, mmap-write, sendfile, splice, read-seal-write (TLS 1.3's records, AES-128-GCM).") var path:
    CopyPath.Path
  @Option(help: "Bytes per system call.") var bufferBytes = 65_536
  @Option(help: "Connections, which take chunks in turn.") var connections = 1
  @Option(help: "Size of each connection's receive buffer.") var receiveBytes = 1_048_576
  @Option(help: "State of the page cache: any, hot (read once before), cold (dropped before; the file is sent once).")
  var cache = CopyPath.Cache.any
  @Option(help: "Duration in seconds.") var seconds = 1.0
  @Option(help: "TCP_CONGESTION of both sockets.") var congestionControl = "cubic"
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    RunCost(seconds: run.seconds + 2.5 * (run.dataMB ?? 0) * 1e6 / 1e9, bytes: run.seconds * 2e9)
  }

  static func ceilings(isCold: Bool, isSynced: Bool) -> [MachineCeiling] {
    [.loopback] + (isCold ? [.sequentialRead] : [])
  }

  func measure() throws -> [String: Any] {
    var mechanism = CopyPath(
      file: file, path: path, bufferBytes: bufferBytes, seconds: seconds, congestionControl: congestionControl)
    mechanism.connections = connections
    mechanism.receiveBytes = receiveBytes
    mechanism.cache = cache
    let result = try mechanism.run()
    return [
      "bytes": result.bytes, "seconds": result.seconds, "mb_per_s": result.mbPerSecond,
      "cpu_seconds": result.senderCPUSeconds, "cpu_s_per_gb": result.senderCPUSecondsPerGB,
      "receiver_cpu_seconds": result.receiverCPUSeconds, "client_cpu_s_per_gb": result.receiverCPUSecondsPerGB,
      "client_cpu_share": result.receiverCPUSeconds / result.seconds, "system_calls": result.systemCalls,
      "context_switches": result.contextSwitches, "sender_copies": result.senderCopies, "passes": result.passes,
      "resident_percent": result.residentBefore * 100, "congestion_control": result.congestionControl,
    ]
  }
}

extension CopyPath.Path: ExpressibleByArgument {}
extension CopyPath.Cache: ExpressibleByArgument {}
