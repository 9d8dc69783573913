import Model
import NIOCore
import Testing

@testable import Load

@Suite("Order over partitions")
struct GlobalOrderTests {
  private func outOfOrder(_ records: [(producer: Int, partition: Int, timeNs: UInt64)]) -> Int {
    var order = GlobalOrder()
    for record in records {
      order.received(
        StreamID(run: 1, producer: record.producer, partition: record.partition), timeNs: record.timeNs)
    }
    return order.outOfOrder
  }

  @Test("the worked case: what was given second and comes third is out of order")
  func workedCase() {
    #expect(outOfOrder([(0, 0, 1), (0, 0, 1), (0, 0, 3), (0, 0, 3), (0, 1, 2), (0, 1, 2)]) == 2)
  }

  @Test("records in their producer's order are not counted, whichever partitions they come from")
  func inOrder() {
    #expect(outOfOrder([(0, 0, 1), (0, 1, 2), (0, 0, 3), (0, 2, 3), (0, 1, 4)]) == 0)
  }

  @Test("one moment's records are not told apart, so the count is the least that it can be")
  func ties() {
    #expect(outOfOrder([(0, 1, 5), (0, 0, 5), (0, 1, 5)]) == 0)
  }

  @Test("producers have nothing to do with each other: each has an order of its own")
  func producers() {
    #expect(outOfOrder([(0, 0, 9), (1, 0, 1), (0, 1, 10), (1, 1, 2)]) == 0)
    #expect(outOfOrder([(0, 0, 9), (1, 0, 5), (0, 1, 8), (1, 1, 4)]) == 2)
  }

  /// The records with offsets from `first` on, each with a key.
  private func batch(at first: Offset, keys: [String] = ["a"]) throws -> RecordBatch {
    var builder = RecordBatchBuilder(capacity: 1024)
    for key in keys {
      Array(key.utf8).withUnsafeBytes { builder.append(timestamp: 0, key: $0, value: nil) }
    }
    var bytes = try builder.finish()
    bytes.setInteger(first.rawValue, at: bytes.readerIndex)
    return try RecordBatch(viewing: bytes)
  }

  @Test("a record whose offset is not above the last one of its partition is counted, unless reading began again")
  func offsets() throws {
    var order = GlobalOrder()
    order.look(at: try batch(at: 5, keys: ["a", "b"]), 0, from: 0)
    order.look(at: try batch(at: 5), 1, from: 0)
    order.look(at: try batch(at: 7), 0, from: 0)
    #expect(order.offsetsNotRising == 0)
    order.look(at: try batch(at: 6, keys: ["a", "b", "c"]), 0, from: 0)
    #expect(order.offsetsNotRising == 2)
    order.beginAgain(in: 0)
    order.look(at: try batch(at: 0), 0, from: 0)
    #expect(order.offsetsNotRising == 2)
  }

  @Test("a record in another partition than its key's is misplaced")
  func keys() throws {
    let keys = (0..<50).map { "key \($0)" }
    let partitions = keys.map { key in
      Array(key.utf8).withUnsafeBytes { KeyHash.partition(forKey: $0, of: 3) }
    }
    for partition in Int32(0)..<3 {
      var check = KeyCheck(partitions: 3)
      check.look(at: try batch(at: 0, keys: keys), partition, from: 0)
      #expect(check.misplaced == partitions.count { $0 != partition })
      check.look(at: try batch(at: 0, keys: keys), partition, from: 50)
      #expect(check.misplaced == partitions.count { $0 != partition }, "those before the start do not count")
    }
  }

  @Test("a late record does not make those after it late")
  func latestStands() {
    #expect(outOfOrder([(0, 0, 5), (0, 1, 2), (0, 1, 3), (0, 0, 6), (0, 0, 5)]) == 3)
  }
}
