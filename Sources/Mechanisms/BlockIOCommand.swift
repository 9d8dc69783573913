import ArgumentParser
import Measure

struct BlockIOCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "block-io", abstract: "Read or write a file block by block, in order or scattered.")

  @Option(help: "The file; writing overwrites its contents and keeps its size.") var file: String
  @Option(help: "sequential, random.") var pattern = BlockIO.Pattern.sequential
  @Option(help: "read, write.") var op = BlockIO.Operation.read
  @Option(help: "Bytes per block, a multiple of 4.") var blockBytes = 4096
  @Option(help: "Blocks requested at a time, each by its own thread.") var queueDepth = 1
  @Option(help: "buffered, direct (O_DIRECT), mapped.") var access = BlockIO.Access.buffered
  @Option(help: "automatic, off, on.") var readAhead = BlockIO.ReadAhead.automatic
  @Option(help: "fdatasync: never, end, mib, each.") var sync = BlockIO.Sync.never
  @Option(help: "Longest duration in seconds; the run also ends with the file.") var seconds = 1.0
  @Option(help: "Seed of the order and of what is written.") var seed: UInt64 = 1
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    // Data to be cold are dropped first; a sync at the end takes as long again.
    RunCost(seconds: 1.3 * run.seconds, bytes: run.seconds * 0.5e9)
  }

  func measure() throws -> [String: Any] {
    var mechanism = BlockIO(file: file)
    mechanism.pattern = pattern
    mechanism.operation = op
    mechanism.blockBytes = blockBytes
    mechanism.queueDepth = queueDepth
    mechanism.access = access
    mechanism.readAhead = readAhead
    mechanism.sync = sync
    mechanism.seconds = seconds
    mechanism.seed = seed
    let result = try mechanism.run()
    var object: [String: Any] = [
      "op": op.rawValue, "engine": "threads", "seconds": result.seconds, "bytes": result.bytes,
      "mb_per_s": result.mbPerSecond, "values_per_s": result.valuesPerSecond,
      "operations_per_s": result.operationsPerSecond, "operations": result.operations, "syncs": result.syncs,
      "cpu_seconds": result.cpuSeconds, "cpu_s_per_gb": result.cpuSecondsPerGB,
      "process_read_bytes": result.io.readBytes, "process_written_bytes": result.io.writtenBytes,
      "checksum": String(result.sum),
    ]
    object["service_p50_ms"] = result.p50Us.map { $0 / 1000 }
    object["service_p99_ms"] = result.p99Us.map { $0 / 1000 }
    return object
  }
}

extension BlockIO.Pattern: ExpressibleByArgument {}
extension BlockIO.Operation: ExpressibleByArgument {}
extension BlockIO.Access: ExpressibleByArgument {}
extension BlockIO.ReadAhead: ExpressibleByArgument {}
extension BlockIO.Sync: ExpressibleByArgument {}
