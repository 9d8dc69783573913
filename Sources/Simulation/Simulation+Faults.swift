import Base
import NIOCore
import NIOEmbedded

extension Simulation {
  func cause(_ fault: Scenario.Fault.Kind) {
    counts.faults[fault.rawValue, default: 0] += 1
    trace.note("fault: \(fault.rawValue)")
    switch fault {
    case .stop: stop(restarting: true)
    case .kill:
      awaitFlight()
      crash()
    case .powerFailure:
      awaitFlight()
      crash(lostPower: true)
    case .breakConnection: random.pick(clients).breakConnection()
    case .breakAllConnections: for client in clients { client.breakConnection() }
    case .failWrite:
      diskMayFail = true
      disk.writesToFail = 1 + random.below(3)
    case .failSync:
      diskMayFail = true
      disk.syncsToFail = 1 + random.below(2)
    case .fullDisk:
      diskMayFail = true
      disk.capacity = 0
      after(microseconds: 1 + random.below(3_000_000)) { self.disk.capacity = .max }
    case .slowDisk:
      offload.delayMicrosecondsMax = 200_000
      after(microseconds: 1 + random.below(5_000_000)) { self.offload.delayMicrosecondsMax = 2_000 }
    case .coldCache: coldOneIn = 1 + random.below(4)
    case .clockForward: clockOffsetMs += Int64(random.below(7_200_000))
    case .clockBack: clockOffsetMs -= Int64(random.below(7_200_000))
    case .slowNetwork:
      network.delayMicrosecondsMax = 50_000
      after(microseconds: 1 + random.below(5_000_000)) { self.network.delayMicrosecondsMax = 500 }
    }
  }

  /// Waits until a batch is likely to be in the log and its acknowledgement in flight: after a crash the producer then sends
  /// a duplicate.
  private func awaitFlight() {
    let age = TimeAmount.microseconds(Int64(300 + random.below(800)))
    let deadline = loop.now + .seconds(2)
    while violations.isEmpty, loop.now < deadline {
      let isInFlight = producers.contains { producer in
        guard producer.settings.isIdempotent, let sent = producer.client.oldestSent else { return false }
        return loop.now - sent >= age
      }
      if isInFlight { return }
      loop.advanceTime(by: .microseconds(100))
    }
  }
}
