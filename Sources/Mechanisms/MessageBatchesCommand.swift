import ArgumentParser
import Measure

struct MessageBatchesCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "message-batches", abstract: "Send messages through a loopback socket, several per system call.")

  @Option(help: "Bytes per message.") var messageBytes = 200
  @Option(help: "Messages per write.") var batch = 1
  @Option(help: "Duration in seconds.") var seconds = 1.0
  @Option(help: "TCP_CONGESTION of both sockets.") var congestionControl = "cubic"
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    RunCost(seconds: run.seconds, bytes: run.seconds * 0.5e9)
  }

  static func ceilings(isCold: Bool, isSynced: Bool) -> [MachineCeiling] {
    [.loopback]
  }

  func measure() throws -> [String: Any] {
    let result = try MessageBatches(
      messageBytes: messageBytes, batch: batch, seconds: seconds, congestionControl: congestionControl
    ).run()
    let gigabytes = Double(result.bytes) / 1e9
    return [
      "records": result.messages, "bytes": result.bytes, "seconds": result.seconds,
      "records_per_s": result.messagesPerSecond, "mb_per_s": result.mbPerSecond,
      "requests_per_s": Double(result.writes) / result.seconds, "system_calls": result.writes,
      "system_calls_per_record": Double(result.writes) / Double(result.messages),
      "cpu_seconds": result.senderCPUSeconds, "cpu_s_per_gb": result.senderCPUSeconds / gigabytes,
      "receiver_cpu_seconds": result.receiverCPUSeconds, "client_cpu_s_per_gb": result.receiverCPUSeconds / gigabytes,
      "receives": result.receives, "context_switches": result.contextSwitches,
      "congestion_control": result.congestionControl,
    ]
  }
}
