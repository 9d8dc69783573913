import ArgumentParser
import Mechanisms

struct PartitionReadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "partition-read", abstract: "Read parts of a file from several threads at once.")

  @Option(help: "The file.") var file: String
  @Option(help: "Parts of the file.") var partitions = 1
  @Option(help: "Threads, among which the parts are divided.") var consumers = 1
  @Option(help: "Bytes per system call.") var readBytes = 1_048_576
  @Option(help: "Duration in seconds.") var seconds = 1.0
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  func run() throws {
    var mechanism = PartitionRead(file: file, partitions: partitions, consumers: consumers, seconds: seconds)
    mechanism.readBytes = readBytes
    let result = try mechanism.run()
    try MechanismCommand.report([
      "bytes": result.bytes, "seconds": result.seconds, "mb_per_s": result.mbPerSecond,
      "cpu_seconds": result.cpuSeconds, "cpu_s_per_gb": result.cpuSecondsPerGB, "partitions": partitions,
      "connections": consumers, "working": result.working,
    ])
  }
}
