import ArgumentParser
import Measure

struct PartitionReadCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "partition-read", abstract: "Read parts of a file from several threads at once.")

  @Option(help: "The file.") var file: String
  @Option(help: "Parts of the file.") var partitions = 1
  @Option(help: "Threads, among which the parts are divided.") var consumers = 1
  @Option(help: "Bytes per system call.") var readBytes = 1_048_576
  @Option(help: "Duration in seconds.") var seconds = 1.0
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    RunCost(seconds: run.seconds, bytes: run.seconds * 4e9)
  }

  func measure() throws -> [String: Any] {
    var mechanism = PartitionRead(file: file, partitions: partitions, consumers: consumers, seconds: seconds)
    mechanism.readBytes = readBytes
    let result = try mechanism.run()
    return [
      "bytes": result.bytes, "seconds": result.seconds, "mb_per_s": result.mbPerSecond,
      "cpu_seconds": result.cpuSeconds, "cpu_s_per_gb": result.cpuSecondsPerGB, "partitions": partitions,
      "connections": consumers, "working": result.working,
    ]
  }
}
