import ArgumentParser
import Base
import Foundation
import Glibc
import Measure

struct CacheModelCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "cache-model", abstract: "Serve a trace of reads through the page cache or a process cache.")

  @Option(help: "The file; all of it is the working set.") var file: String
  @Option(help: "page-cache, boxed, arena, both.") var cache: CacheModel.Kind
  @Option(help: "uniform, zipf.") var trace = CacheModel.Trace.uniform
  @Option(help: "Bytes per block.") var blockBytes = 16_384
  @Option(help: "Bytes per record, where blocks are unpacked.") var recordBytes = 100
  @Option(help: "Memory limit of a process cache, MiB.") var cacheMib = 64
  @Option(help: "Memory that process and page cache share, MiB: tells how full they are. 0: unknown.") var memoryMib = 0
  @Option(help: "Blocks read before measuring, at least: until the cache is full. The most after the restart.")
  var warmReads = 10_000
  @Option(help: "Blocks read while measuring.") var reads = 5000
  @Option(help: "Longest duration of the whole command in seconds, for `plan`.") var secondsMax: Double?
  @Option(help: "Seed of the trace.") var seed: UInt64 = 1
  @Option(help: "Results before the restart; the program passes them to itself.") var before: String?
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    RunCost(seconds: run.option("seconds-max"), bytes: run.seconds * 0.1e9)
  }

  func measure() throws -> [String: Any] {
    var model = CacheModel(file: file, kind: cache)
    model.trace = trace
    model.blockBytes = blockBytes
    model.recordBytes = recordBytes
    model.cacheBytes = cacheMib << 20
    model.warmReads = warmReads
    model.reads = reads
    model.seed = seed
    guard let before else {
      let found = try model.measure()
      var full: [String: Any] = ["warm_reads": found.warmReads]
      if memoryMib > 0 {
        // What is in the process's cache is in its anonymous memory already.
        let inPageCache =
          cache == .pageCache || cache == .both ? found.cachedBytes - (cache == .both ? model.cacheBytes : 0) : 0
        let held = found.anonymousBytes + max(0, inPageCache)
        full["memory_used_percent"] = 100 * Double(held) / 1_048_576 / Double(memoryMib)
      }
      try restart(
        with: full.merging([
          "op": "cache", "seconds": found.seconds, "bytes": found.bytes, "mb_per_s": found.mbPerSecond,
          "hit_ratio": found.hitRatio, "cached_mib": Double(found.cachedBytes) / 1_048_576,
          "held_twice_mib": Double(found.heldTwiceBytes) / 1_048_576,
          "rss_mib": Double(found.anonymousBytes) / 1_048_576, "cpu_seconds": found.cpuSeconds,
          "cpu_s_per_gb": found.cpuSecondsPerGB, "checksum": String(found.sum),
        ]) { $1 })
    }
    guard var object = try JSONSerialization.jsonObject(with: Data(before.utf8)) as? [String: Any],
      let ratio = object["hit_ratio"] as? Double
    else { throw ValidationError("--before is not this command's own output") }
    object["rewarm_ms"] = try model.rewarm(to: ratio).map { $0 * 1000 }
    return object
  }

  /// Replaces the process image, with the same arguments and the results: the process cache is lost, the page cache stays.
  /// The process keeps its pid, cgroup and output.
  private func restart(with found: [String: Any]) throws -> Never {
    let text = String(decoding: try JSONSerialization.data(withJSONObject: found), as: UTF8.self)
    let arguments = CommandLine.arguments + ["--before", text]
    var pointers = arguments.map { strdup($0) } + [nil]
    execv(OwnProgram.path, &pointers)
    throw MechanismError.call("execv \(OwnProgram.path)", errno: errno)
  }
}

extension CacheModel.Kind: ExpressibleByArgument {}
extension CacheModel.Trace: ExpressibleByArgument {}
