import Compression
import NIOCore
import Testing

@testable import Mechanisms

private func events(_ count: Int) -> [ByteBuffer] {
  (0..<count).map { index in
    let path = "/items/\(index &* 7919 % 1000)"
    return ByteBuffer(
      string: #"{"user":\#(index &* 104_729 % 99_991),"agent":"Mozilla/5.0 (X11; Linux)","path":"\#(path)"}"#)
  }
}

@Test("a codec's round trip is measured, message by message and by the batch", arguments: Codec.allCases)
func codecBench(codec: Codec) throws {
  let records = events(250)
  let payload = records.reduce(0) { $0 + $1.readableBytes }
  let single = try CodecBench(records: records, codec: codec, grouping: .message, seconds: 0.005).run()
  let batch = try CodecBench(records: records, codec: codec, grouping: .batch(records: 100), seconds: 0.005).run()
  #expect(single.streams == 250)
  #expect(batch.streams == 3)
  for result in [single, batch] {
    #expect(result.records == 250)
    #expect(result.payloadBytes == payload)
    #expect(result.rounds >= 1)
    #expect(result.compressSeconds + result.decompressSeconds >= 0.005)
    #expect(result.compressMBPerSecond > 0)
    #expect(result.decompressCPUSecondsPerGB > 0)
  }
  #expect(single.inputBytes == payload)
  #expect(single.storedBytes == single.compressedBytes)
  #expect(batch.inputBytes > payload)
  #expect(batch.storedBytes == batch.compressedBytes + 3 * 61)
  if codec == .none {
    #expect(single.ratio == 1)
    #expect(batch.compressedBytes == batch.inputBytes)
  } else {
    #expect(batch.ratio > 1.5 * single.ratio, "\(codec): \(batch.ratio) and \(single.ratio)")
  }
}

@Test("the same records give the same streams", arguments: Codec.allCases)
func codecBenchRepeats(codec: Codec) throws {
  let bench = CodecBench(records: events(50), codec: codec, grouping: .batch(records: 7), seconds: 0)
  let first = try bench.run(), second = try bench.run()
  #expect(first.checksum == second.checksum)
  #expect(first.compressedBytes == second.compressedBytes)
}

@Test("records that come at once have time stamps that compress, and those a millisecond apart cost some of the ratio")
func codecBenchTimestamps() throws {
  func ratio(_ intervalMs: Double) throws -> Double {
    try CodecBench(
      records: events(1000), codec: .zstd, grouping: .batch(records: 1000), seconds: 0, recordIntervalMs: intervalMs
    ).run().ratio
  }
  let (busy, steady) = (try ratio(0.01), try ratio(1))
  #expect(busy > steady * 1.02, "\(busy) and \(steady)")
}

@Test("a plan of the codec's bench that cannot run is refused")
func codecBenchPlans() {
  for bench in [
    CodecBench(records: [], codec: .gzip, seconds: 1),
    CodecBench(records: [ByteBuffer()], codec: .gzip, seconds: 1),
    CodecBench(records: events(1), codec: .gzip, level: 77, seconds: 1),
    CodecBench(records: events(1), codec: .gzip, grouping: .batch(records: 0), seconds: 1),
    CodecBench(records: events(1), codec: .gzip, seconds: -1),
    CodecBench(records: events(1), codec: .gzip, seconds: 1, recordIntervalMs: -1),
    CodecBench(records: events(1), codec: .gzip, seconds: 1, recordIntervalMs: .nan),
    CodecBench(records: events(1), codec: .gzip, seconds: 1, recordIntervalMs: .infinity),
  ] {
    #expect(throws: MechanismError.self) { try bench.run() }
  }
}
