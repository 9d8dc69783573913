import Model
import NIOCore
import NIOEmbedded
import Storage
import Synchronization
import Testing

@testable import Broker

@Suite("A waiter on its event loop")
struct WaiterTests {
  private enum Event: CaseIterable {
    case appendToFirst, appendToSecond, timeIsUp, releaseSecond, cancel
  }

  private static let orders: [[Event]] = {
    func permutations(_ left: [Event]) -> [[Event]] {
      if left.isEmpty { return [[]] }
      return left.indices.flatMap { index in
        var rest = left
        let event = rest.remove(at: index)
        return permutations(rest).map { [event] + $0 }
      }
    }
    return permutations(Event.allCases)
  }()

  /// What ends the wait of one that needs both appends, by the order alone.
  private func expected(_ order: [Event]) -> (at: Int, reason: Waiter.Reason?) {
    var appends = 0
    for (index, event) in order.enumerated() {
      switch event {
      case .appendToFirst, .appendToSecond:
        appends += 1
        if appends == 2 { return (index, .satisfied) }
      case .timeIsUp: return (index, .timeIsUp)
      case .releaseSecond: return (index, .released)
      case .cancel: return (index, nil)
      }
    }
    preconditionFailure("every order ends the wait")
  }

  @Test("ends once, by whatever comes first, and then waits on no partition any more, in every order of events")
  func everyOrder() throws {
    let batch = try RecordBatch(viewing: Batches.of(["x"]))
    try withDirectory { path in
      let directory = try LogDirectory(path)
      for (number, order) in Self.orders.enumerated() {
        let loop = EmbeddedEventLoop()
        let partitions = try (0..<2).map { index in
          let name = TopicPartition("t\(number)", Int32(index))
          let log = try directory.create(name, topicID: nil, config: LogConfig(), nowMs: 0)
          return Partition(
            name, topicID: TopicID(high: 0, low: 1), log: log, directory: directory, brokerID: 1, replicas: [1],
            leaderEpoch: 0)
        }
        let reasons = Mutex<[Waiter.Reason]>([])
        let waiter = Waiter(lacking: 2 * batch.sizeInBytes, eventLoop: loop) { reason in
          reasons.withLock { $0.append(reason) }
        }
        for partition in partitions { #expect(partition.park(waiter, for: .bytes(past: 0))) }
        waiter.start(until: loop.now + .seconds(1))
        let (end, reason) = expected(order)
        for (index, event) in order.enumerated() {
          switch event {
          case .appendToFirst, .appendToSecond:
            let partition = partitions[event == .appendToFirst ? 0 : 1]
            for woken in try partition.append(batch, forAllInSync: false, nowMs: 0).woken { woken.wake(.satisfied) }
          case .timeIsUp: loop.advanceTime(by: .seconds(2))
          case .releaseSecond: for woken in partitions[1].release() { woken.wake(.released) }
          case .cancel: #expect(waiter.cancel() == (index == end), "\(order)")
          }
          loop.run()
          let told = index < end ? [] : reason.map { [$0] } ?? []
          #expect(reasons.withLock { $0 } == told, "\(order), after \(event)")
          guard index >= end else { continue }
          #expect(partitions.allSatisfy { $0.parkedCount == 0 }, "\(order), after \(event)")
        }
      }
    }
  }

  /// A waiter that lacks two batches, in a partition, with what it is told.
  private final class Resting {
    let loop = EmbeddedEventLoop()
    let partition: Partition
    let batch: RecordBatch
    let waiter: Waiter
    let told: Told

    final class Told: Sendable {
      let rests = Atomic(0)
      let reasons = Mutex<[Waiter.Reason]>([])
    }

    init(in directory: LogDirectory) throws {
      batch = try RecordBatch(viewing: Batches.of(["x"]))
      let name = TopicPartition("t", 0)
      partition = Partition(
        name, topicID: TopicID(high: 0, low: 1),
        log: try directory.create(name, topicID: nil, config: LogConfig(), nowMs: 0), directory: directory, brokerID: 1,
        replicas: [1], leaderEpoch: 0)
      let told = Told()
      waiter = Waiter(
        lacking: 2 * batch.sizeInBytes, eventLoop: loop, onRest: { _ in told.rests.add(1, ordering: .relaxed) },
        onEnd: { reason in told.reasons.withLock { $0.append(reason) } })
      self.told = told
      #expect(partition.park(waiter, for: .bytes(past: 0)))
      waiter.start(until: loop.now + .seconds(1))
    }

    func append() throws {
      for woken in try partition.append(batch, forAllInSync: false, nowMs: 0).woken { woken.wake(.satisfied) }
      loop.run()
    }

    func resume() -> Bool {
      let told = told
      return waiter.resume(until: loop.now + .seconds(1), on: loop) { reason in
        told.reasons.withLock { $0.append(reason) }
      }
    }
  }

  private func withResting(_ body: (Resting) throws -> Void) throws {
    try withDirectory { try body(try Resting(in: LogDirectory($0))) }
  }

  @Test("one that rests stays where it is when its time is up, waits again when resumed, and ends by what comes then")
  func rest() throws {
    try withResting { one in
      for round in 1...3 {
        one.loop.advanceTime(by: .seconds(1))
        #expect(one.told.reasons.withLock { $0 } == Array(repeating: .timeIsUp, count: round))
        #expect(one.told.rests.load(ordering: .relaxed) == round && one.partition.parkedCount == 1)
        #expect(one.resume())
      }
      try one.append()
      #expect(one.told.reasons.withLock { $0.count } == 3, "too little")
      try one.append()
      #expect(one.told.reasons.withLock { $0.last } == .satisfied && one.partition.parkedCount == 0)
    }
  }

  @Test("one that has gained something does not rest, and one that gains while it rests is not resumed")
  func gainsAtRest() throws {
    try withResting { one in
      try one.append()
      one.loop.advanceTime(by: .seconds(1))
      #expect(one.told.reasons.withLock { $0 } == [.timeIsUp] && one.partition.parkedCount == 0)
      #expect(one.told.rests.load(ordering: .relaxed) == 0 && !one.resume())
    }
    try withResting { one in
      one.loop.advanceTime(by: .seconds(1))
      try one.append()
      #expect(!one.resume(), "it would wait for less than the next fetch does")
      one.waiter.wake(.released)
      one.loop.run()
      #expect(one.told.reasons.withLock { $0 } == [.timeIsUp] && one.partition.parkedCount == 0)
    }
    try withResting { one in
      one.loop.advanceTime(by: .seconds(1))
      for woken in one.partition.release() { woken.wake(.released) }
      one.loop.run()
      #expect(!one.resume() && one.told.reasons.withLock { $0 } == [.timeIsUp])
    }
    try withResting { one in
      one.loop.advanceTime(by: .seconds(1))
      let other = EmbeddedEventLoop()
      #expect(!one.waiter.resume(until: other.now, on: other) { _ in }, "a fetch on another connection")
      #expect(!one.waiter.cancel() && one.partition.parkedCount == 0)
    }
  }

  @Test("does not park where its need has been met since it looked")
  func metMeanwhile() throws {
    try withDirectory { path in
      let directory = try LogDirectory(path)
      let log = try directory.create(TopicPartition("t", 0), topicID: nil, config: LogConfig(), nowMs: 0)
      let partition = Partition(
        TopicPartition("t", 0), topicID: TopicID(high: 0, low: 1), log: log, directory: directory, brokerID: 1,
        replicas: [1], leaderEpoch: 0)
      let batch = try RecordBatch(viewing: Batches.of(["x"]))
      #expect(try partition.append(batch, forAllInSync: true, nowMs: 0).isReplicated)
      let waiter = Waiter(lacking: 1, eventLoop: EmbeddedEventLoop()) { _ in }
      for (need, isMet) in [
        (.bytes(past: 0), true), (.bytes(past: 1), false), (.replicated(1), true), (.replicated(2), false),
        (.stable(past: 0), true), (.stable(past: 1), false),
      ] as [(Need, Bool)] {
        #expect(partition.park(waiter, for: need) == !isMet, "\(need)")
      }
      for woken in partition.follow(leaderEpoch: 1) { #expect(woken === waiter) }
      #expect(!partition.park(waiter, for: .bytes(past: 1)), "another leads")
      #expect(partition.parkedCount == 0)
    }
  }
}
