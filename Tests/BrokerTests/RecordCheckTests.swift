import Base
import Model
import NIOCore
import Testing

@testable import Broker

struct RecordCheckTests {
  @Test(
    "the quick look never says yes where the close look says no, whatever bytes are flipped",
    arguments: [UInt64(1), 2, 3, 4])
  func agrees(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    var agreed = 0
    for _ in 0..<3000 {
      let values = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        String(repeating: "v", count: Int.random(in: 0...300, using: &random))
      }
      let bytes = try Batches.of(values, key: Bool.random(using: &random) ? "key" : nil)
      let batch = try RecordBatch(viewing: bytes)
      #expect(batch.plainTimestamps() != nil)
      var body = batch.body
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        let at = body.readerIndex + Int.random(in: 0..<body.readableBytes, using: &random)
        body.setInteger(UInt8.random(in: .min ... .max, using: &random), at: at)
      }
      var header = batch.header
      if Int.random(in: 0..<4, using: &random) == 0 { header.count += Int32.random(in: -1...1, using: &random) }
      if Int.random(in: 0..<4, using: &random) == 0 {
        body = body.getSlice(at: body.readerIndex, length: body.readableBytes - 1)!
      }
      let changed = RecordBatch(header: header, body: body)
      guard let found = changed.plainTimestamps() else { continue }
      agreed += 1
      // The deltas are checked against the header's own last delta elsewhere.
      header.lastOffsetDelta = header.count - 1
      let asCounted = RecordBatch(header: header, body: body)
      #expect(throws: Never.self, "seed \(seed)") {
        let findings = try asCounted.validateRecords()
        let timestamps = try asCounted.records().map(\.timestamp)
        #expect(found.lowerBound == timestamps.min() && found.upperBound == timestamps.max(), "seed \(seed)")
        #expect(findings.maxTimestamp == max(-1, found.upperBound), "seed \(seed)")
      }
    }
    #expect(agreed > 500, "seed \(seed): the test must see both sides")
  }

  @Test("records with headers are left to the close look, and pass it")
  func headers() throws {
    var builder = RecordBatchBuilder(capacity: 4096)
    builder.append(
      Record(offset: 0, timestamp: 1, key: nil, value: nil, headers: [RecordHeader("h", ByteBuffer(string: "x"))]))
    let batch = try RecordBatch(viewing: try builder.finish())
    #expect(batch.plainTimestamps() == nil)
    #expect(try batch.validateRecords().faults.isEmpty)
  }
}
