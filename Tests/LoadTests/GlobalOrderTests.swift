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

  @Test("a late record does not make those after it late")
  func latestStands() {
    #expect(outOfOrder([(0, 0, 5), (0, 1, 2), (0, 1, 3), (0, 0, 6), (0, 0, 5)]) == 3)
  }
}
