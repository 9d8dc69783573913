import Model
import Testing

@testable import Broker

private final class Waiting: AwaitsPartitions {
  let name: String
  var lacking: Int
  init(_ name: String = "", lacking: Int) {
    self.name = name
    self.lacking = lacking
  }
  func gained(_ amount: Int) -> Bool {
    guard lacking > 0 else { return false }
    lacking -= min(amount, lacking)
    return lacking == 0
  }
}

extension Waiters {
  fileprivate mutating func grew(by bytes: Int) -> [Parked] {
    advanced(bytes: bytes, highWatermark: 0, lastStableOffset: 0)
  }
}

@Suite("Waiters")
struct WaitersTests {
  @Test("a waiter leaves with the append that gives it enough, and not before")
  func enough() {
    var waiters = Waiters<Waiting>()
    let small = Waiting(lacking: 10), large = Waiting(lacking: 100)
    _ = waiters.park(large, for: .bytes(past: 0))
    _ = waiters.park(small, for: .bytes(past: 0))
    #expect(waiters.grew(by: 9).isEmpty)
    #expect(waiters.grew(by: 1).map(ObjectIdentifier.init) == [ObjectIdentifier(small)])
    #expect(waiters.count == 1)
    #expect(waiters.grew(by: 90).map(ObjectIdentifier.init) == [ObjectIdentifier(large)])
    #expect(waiters.isEmpty)
  }

  @Test("a follower waits for appends, whatever the high watermark does, and a consumer does not")
  func followers() {
    var waiters = Waiters<Waiting>()
    let follower = Waiting(lacking: 10), consumer = Waiting(lacking: 10)
    _ = waiters.park(consumer, for: .bytes(past: 0))
    #expect(!waiters.needsAppends)
    let early = waiters.appended(bytes: 50)
    #expect(early.isEmpty)
    _ = waiters.park(follower, for: .appended(past: 0))
    #expect(waiters.needsAppends)
    #expect(waiters.appended(bytes: 9).isEmpty)
    #expect(waiters.appended(bytes: 1).map(ObjectIdentifier.init) == [ObjectIdentifier(follower)])
    #expect(!waiters.needsAppends && waiters.count == 1)
    #expect(waiters.grew(by: 10).map(ObjectIdentifier.init) == [ObjectIdentifier(consumer)])
  }

  @Test("DeleteRecords waits for the low watermark")
  func trims() {
    var waiters = Waiters<Waiting>()
    let waiter = Waiting(lacking: 1)
    let ticket = waiters.park(waiter, for: .trimmed(5))
    let early = waiters.grew(by: 100) + waiters.appended(bytes: 100) + waiters.trimmed(lowWatermark: 4)
    #expect(waiters.needsTrims && early.isEmpty)
    #expect(waiters.trimmed(lowWatermark: 5).count == 1)
    #expect(!waiters.needsTrims && waiters.isEmpty)
    waiters.remove(ticket)
    #expect(waiters.isEmpty)
  }

  @Test("a waiter on two partitions is woken once, by what both gained together")
  func together() {
    var one = Waiters<Waiting>(), two = Waiters<Waiting>()
    let waiter = Waiting(lacking: 100)
    let ticket = one.park(waiter, for: .bytes(past: 0))
    _ = two.park(waiter, for: .bytes(past: 0))
    #expect(one.grew(by: 60).isEmpty)
    #expect(two.grew(by: 60).count == 1)
    #expect(one.grew(by: 60).isEmpty, "it was woken already")
    one.remove(ticket)
    #expect(one.isEmpty)
  }

  @Test("removing one that is not there changes nothing; releasing all empties")
  func removal() {
    var waiters = Waiters<Waiting>()
    let tickets = (0..<5).map { _ in waiters.park(Waiting(lacking: 1), for: .bytes(past: 0)) }
    waiters.remove(tickets[2])
    #expect(waiters.count == 4)
    waiters.remove(tickets[2])
    #expect(waiters.count == 4)
    #expect(waiters.releaseAll().count == 4)
    #expect(waiters.isEmpty)
    for ticket in tickets { waiters.remove(ticket) }
    #expect(waiters.isEmpty)
  }

  @Test("a produce is woken when the last of its partitions is replicated")
  func replicated() {
    var one = Waiters<Waiting>(), two = Waiters<Waiting>()
    let waiter = Waiting(lacking: 2)
    _ = one.park(waiter, for: .replicated(10))
    _ = two.park(waiter, for: .replicated(20))
    #expect(one.advanced(bytes: 999, highWatermark: 9, lastStableOffset: 9).isEmpty)
    #expect(one.advanced(bytes: 1, highWatermark: 10, lastStableOffset: 10).isEmpty)
    #expect(one.isEmpty, "this partition has done its part")
    #expect(two.advanced(bytes: 1, highWatermark: 25, lastStableOffset: 0).count == 1)
    #expect(two.isEmpty)
  }

  @Test("a fetch of committed records is woken by the last stable offset, and by no byte")
  func stable() {
    var waiters = Waiters<Waiting>()
    #expect(!waiters.needsStableOffset)
    _ = waiters.park(Waiting(lacking: 1), for: .stable(past: 5))
    #expect(waiters.needsStableOffset)
    #expect(waiters.advanced(bytes: 1000, highWatermark: 50, lastStableOffset: 5).isEmpty)
    #expect(waiters.advanced(bytes: 1, highWatermark: 51, lastStableOffset: 51).count == 1)
    #expect(!waiters.needsStableOffset)
  }

  @Test("waiters are woken in the order in which they came, whoever left before")
  func order() {
    var waiters = Waiters<Waiting>()
    let tickets = (0..<100).map { waiters.park(Waiting("\($0)", lacking: 1), for: .bytes(past: 0)) }
    for index in stride(from: 0, to: 100, by: 3) { waiters.remove(tickets[index]) }
    let expected = (0..<100).filter { !$0.isMultiple(of: 3) }.map { "\($0)" }
    #expect(waiters.grew(by: 1).map(\.name) == expected)
  }
}

/// Every order of a few events, each on one of two partitions, against what must have become of the waiter.
@Suite("A waiter, in every order of events")
struct WaiterOrderTests {
  private enum Event: CaseIterable {
    case append, replicate, decide, release, leave
  }

  /// What a partition is to its waiters.
  private struct Place {
    var waiters = Waiters<Waiting>()
    var end: Offset = 0
    var mark: Offset = 0
    var stable: Offset = 0
    var ticket: Waiters<Waiting>.Ticket?

    mutating func apply(_ event: Event) -> [Waiting] {
      switch event {
      case .append:
        end = end + 1
        return []
      case .replicate:
        let gained = end - mark
        mark = end
        return waiters.advanced(bytes: gained * 10, highWatermark: mark, lastStableOffset: stable)
      case .decide:
        stable = mark
        return waiters.advanced(bytes: 0, highWatermark: mark, lastStableOffset: stable)
      case .release: return waiters.releaseAll()
      case .leave:
        if let ticket { waiters.remove(ticket) }
        return []
      }
    }
  }

  private static let orders: [[(Event, Int)]] = {
    let steps = Event.allCases.flatMap { event in [(event, 0), (event, 1)] }
    var orders: [[(Event, Int)]] = [[]]
    for _ in 0..<5 { orders = orders.flatMap { order in steps.map { order + [$0] } } }
    return orders
  }()

  private func run(_ order: [(Event, Int)], lacking: Int, need: Need, isMet: ([Place], Set<Int>) -> Bool) {
    var places = [Place(), Place()]
    let waiter = Waiting(lacking: lacking)
    for index in places.indices { places[index].ticket = places[index].waiters.park(waiter, for: need) }
    var (woken, released) = (0, 0)
    var gone: Set<Int> = []
    for (event, at) in order {
      let wakes = places[at].apply(event).count
      if event == .release { released += wakes } else { woken += wakes }
      if event == .leave || event == .release { gone.insert(at) }
      guard gone.isEmpty else { continue }
      #expect(woken == (isMet(places, gone) ? 1 : 0), "\(need) after \(event) at \(at) of \(order)")
    }
    #expect(woken <= 1, "\(need): woken \(woken) times by \(order)")
    #expect(released <= 2, "\(order)")
    for index in gone { #expect(places[index].waiters.isEmpty, "\(order)") }
  }

  @Test("is woken exactly once, by the event that meets the last of its needs")
  func everyOrder() {
    for order in Self.orders {
      run(order, lacking: 20, need: .bytes(past: 0)) { places, _ in
        places[0].mark.rawValue + places[1].mark.rawValue >= 2
      }
      run(order, lacking: 2, need: .replicated(1)) { places, _ in places.allSatisfy { $0.mark >= 1 } }
      run(order, lacking: 1, need: .stable(past: 0)) { places, _ in places.contains { $0.stable > 0 } }
    }
  }
}
