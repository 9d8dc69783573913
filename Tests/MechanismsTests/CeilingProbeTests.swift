import Foundation
import NIOCore
import Testing

@testable import Mechanisms

@Suite("Ceiling probe")
struct CeilingProbeTests {
  /// However slow the machine, all parts have time, unless it is their own seconds that are too many.
  private func probe(
    in directory: String, partSeconds: Double = 0.01, secondsMax: Double = 600
  ) -> CeilingProbe.Result {
    let records = (0..<100).map {
      ByteBuffer(string: "{\"user\": \"somebody\", \"page\": \"/index.html\", \"n\": \($0)}")
    }
    var probe = CeilingProbe(directory: directory, congestionControl: nil, seed: 1, records: records)
    probe.partSeconds = partSeconds
    probe.secondsMax = secondsMax
    return probe.run()
  }

  @Test("every part gives a figure, and no file is left")
  func all() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
      "millrace-ceiling-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let result = probe(in: directory.path)
    // A file system without O_DIRECT has no disk figures, and says so.
    let disk = ["sequential_write_mb_per_s", "sequential_read_mb_per_s", "random_read_per_s", "random_write_per_s"]
    for name in disk { #expect((result.figures[name] ?? 0) > 0 || result.obstacles["disk"] != nil, "\(name)") }
    let codecs = ["gzip", "snappy", "lz4", "zstd"].flatMap { ["\($0)_compress_mb_per_s", "\($0)_decompress_mb_per_s"] }
    for name in ["fsync_p50_ms", "memcpy_mb_per_s", "loopback_mb_per_s", "crc32c_mb_per_s"] + codecs {
      #expect((result.figures[name] ?? 0) > 0, "\(name): \(result.obstacles)")
    }
    #expect(result.congestionControl?.isEmpty == false && result.seconds > 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
  }

  @Test("parts for which no time is left are left out by name")
  func noTime() {
    let result = probe(in: "/no/such/directory", partSeconds: 10, secondsMax: 5)
    #expect(result.figures.isEmpty)
    #expect(result.obstacles.count == 6 && result.obstacles.values.allSatisfy { $0.contains("no time was left") })
  }

  @Test("the caller's thread may run where it could before")
  func placement() {
    // As the kernel tells it of this thread.
    func processors() -> Substring? {
      let status = (try? String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)) ?? ""
      return status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list") }
    }
    let before = processors()
    _ = probe(in: "/no/such/directory")
    #expect(before != nil && processors() == before)
  }

  @Test("a part that cannot run is left out by name, with the reason, and the others stand")
  func refused() {
    let result = probe(in: "/no/such/directory")
    #expect(result.obstacles["disk"]?.contains("/no/such/directory") == true)
    #expect(result.obstacles["fsync"] != nil)
    #expect(result.figures["fsync_p50_ms"] == nil)
    #expect((result.figures["memcpy_mb_per_s"] ?? 0) > 0)
  }
}
