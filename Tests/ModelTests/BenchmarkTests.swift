import CMillrace
import Compression
import Foundation
import NIOCore
import TestSupport
import Testing

@testable import Model

extension Tag {
  /// Micro-benchmarks: tiny in every test run, so that they do not rot; real with BENCH=1 and `-c release`.
  @Tag static var benchmark: Self
}

/// Runs `body` repeatedly and prints the best of several rounds in ns per item, and a checksum of the work.
private func measure(_ what: String, items: Int, _ body: () throws -> UInt64) rethrows {
  let isReal = ProcessInfo.processInfo.environment["BENCH"] != nil
  var best = Duration.seconds(1_000_000)
  var checksum: UInt64 = 0
  for _ in 0..<(isReal ? 300 : 2) {
    let start = ContinuousClock.now
    checksum = checksum &* 31 &+ (try body())
    best = min(best, ContinuousClock.now - start)
  }
  let ns = Double(best.components.seconds) * 1e9 + Double(best.components.attoseconds) / 1e9
  let figure = String(format: "%.2f", ns / Double(items))
  print("\(what): \(figure) ns each of \(items), checksum \(String(checksum, radix: 16))")
}

/// One batch of 600 records of 100 bytes, near 64 KiB; the builder makes it again and again.
@Suite(.serialized, .tags(.benchmark)) struct RecordBenchmarks {
  static let count = 600
  /// The values, one after another: an array of arrays would measure Swift's reference counting.
  let values = (0..<count * 100).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }

  private func append(to builder: inout RecordBatchBuilder, keyed: Bool) {
    values.withUnsafeBytes { raw in
      for index in 0..<Self.count {
        let value = UnsafeRawBufferPointer(rebasing: raw[index * 100..<index * 100 + 100])
        let key = keyed ? UnsafeRawBufferPointer(rebasing: value.prefix(8)) : nil
        builder.append(timestamp: 1_700_000_000_000 + Int64(index), key: key, value: value)
      }
    }
  }

  @Test("benchmark: encoding records of 100 bytes", arguments: [false, true])
  func encode(keyed: Bool) throws {
    var builder = RecordBatchBuilder(capacity: 80 << 10)
    measure("encode\(keyed ? " with a key of 8" : "")", items: Self.count) {
      append(to: &builder, keyed: keyed)
      let size = builder.sizeInBytes
      builder.removeAll()
      return UInt64(size)
    }
    try measure("encode\(keyed ? " with a key of 8" : "") and finish", items: Self.count) {
      append(to: &builder, keyed: keyed)
      return UInt64(try builder.finish().readableBytes)
    }
  }

  @Test("benchmark: reading a batch of records of 100 bytes")
  func read() throws {
    var builder = RecordBatchBuilder(capacity: 80 << 10)
    append(to: &builder, keyed: true)
    let bytes = try builder.finish()
    try measure("view with CRC, and validate", items: Self.count) {
      let batch = try RecordBatch(viewing: bytes)
      return UInt64(try batch.validateRecords(findingKeyless: true).keyless.count) + UInt64(batch.header.crc)
    }
    let batch = try RecordBatch(viewing: bytes)
    try measure("validate", items: Self.count) { UInt64(try batch.validateRecords(findingKeyless: true).keyless.count) }
    try measure("forEachRecord", items: Self.count) {
      var sum: UInt64 = 0
      try batch.forEachRecord { sum &+= UInt64($0.value?.count ?? 0) &+ UInt64(bitPattern: $0.timestamp) }
      return sum
    }
    try measure("records()", items: Self.count) { UInt64(try batch.records().count) }
  }

  @Test("benchmark: CRC-32C", arguments: [100, 1024, 16 << 10, 64 << 10, 1 << 20])
  func crc(size: Int) {
    var seed = Seed(1)
    let bytes = seed.bytes(size)
    let rounds = max(1, (1 << 18) / size)
    for (name, crc) in [
      ("three streams", millrace_crc32c), ("one stream", millrace_crc32c_one_stream),
    ] {
      measure("CRC-32C of \(size) bytes, \(name), per KiB", items: rounds * size / 1024) {
        var sum: UInt32 = 0
        for _ in 0..<rounds { sum = bytes.withUnsafeBytes { crc(sum, $0.baseAddress, $0.count) } }
        return UInt64(sum)
      }
    }
  }
}
