import Testing

@testable import Broker

private final class Waiter: OffsetWaiter {
  var lacking: Int
  init(lacking: Int) { self.lacking = lacking }
  func gained(_ bytes: Int) -> Bool {
    let before = lacking
    lacking -= bytes
    return before > 0 && lacking <= 0
  }
}

struct OffsetWaitersTests {
  @Test("a waiter leaves with the append that gives it enough, and not before")
  func enough() {
    var waiters = OffsetWaiters<Waiter>()
    let small = Waiter(lacking: 10), large = Waiter(lacking: 100)
    waiters.park(large)
    waiters.park(small)
    #expect(waiters.grew(by: 9).isEmpty)
    #expect(waiters.grew(by: 1).map(ObjectIdentifier.init) == [ObjectIdentifier(small)])
    #expect(waiters.count == 1)
    #expect(waiters.grew(by: 90).map(ObjectIdentifier.init) == [ObjectIdentifier(large)])
    #expect(waiters.isEmpty)
  }

  @Test("a waiter on two partitions is woken once, by what both gained together")
  func together() {
    var one = OffsetWaiters<Waiter>(), two = OffsetWaiters<Waiter>()
    let waiter = Waiter(lacking: 100)
    one.park(waiter)
    two.park(waiter)
    #expect(one.grew(by: 60).isEmpty)
    #expect(two.grew(by: 60).count == 1)
    #expect(one.grew(by: 60).isEmpty, "it was woken already")
    one.remove(waiter)
    #expect(one.isEmpty)
  }

  @Test("removing one that is not there changes nothing; releasing all empties")
  func removal() {
    var waiters = OffsetWaiters<Waiter>()
    let parked = (0..<5).map { _ in Waiter(lacking: 1) }
    for waiter in parked { waiters.park(waiter) }
    waiters.remove(Waiter(lacking: 1))
    #expect(waiters.count == 5)
    waiters.remove(parked[2])
    #expect(waiters.count == 4)
    #expect(waiters.releaseAll().count == 4)
    #expect(waiters.isEmpty)
  }
}
