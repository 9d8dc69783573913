import Base
import Broker
import Model
import NIOCore

/// Simulates work off the event loops: each piece runs at once after a delay drawn from the seed. Serial lanes keep their order.
final class SimulatedOffload: Offload, @unchecked Sendable {
  // Used by one thread, that of the simulation.

  private let loop: any EventLoop
  private var random: SplitMix
  private var lastOfLane: [NIODeadline]
  /// The maximum delay of a piece of work; a slow disk raises it.
  var delayMicrosecondsMax = 2_000

  init(loop: any EventLoop, seed: UInt64) {
    self.loop = loop
    random = SplitMix(seed: seed)
    lastOfLane = Array(repeating: .uptimeNanoseconds(0), count: OffloadLane.allCases.count)
  }

  func submit(_ lane: OffloadLane, _ work: @escaping @Sendable () -> Void) {
    var due = loop.now + .microseconds(Int64(1 + random.below(delayMicrosecondsMax)))
    if lane.isSerial {
      due = max(due, lastOfLane[lane.rawValue] + .nanoseconds(1))
      lastOfLane[lane.rawValue] = due
    }
    loop.scheduleTask(deadline: due, work)
  }

  func parallel(_ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
    for index in 0..<count { body(index) }
  }
}
