import Model
import NIOCore
import Wire

/// Checks transactions when the faults have ended, and after the last restart.
extension Simulation {
  /// Lets the producers finish, and then waits until no partition has an open transaction: those that were left must time out.
  func settleTransactions() {
    guard !transactionalProducers.isEmpty, violations.isEmpty else { return }
    // Timeouts are of the wall clock, which is set right.
    clockOffsetMs = clockOffsetMsMost
    for producer in transactionalProducers { producer.isStopping = true }
    for consumer in consumers { consumer.isResting = true }
    defer { for consumer in consumers { consumer.isResting = false } }
    advance(
      seconds: Self.healingSeconds, until: { self.transactionalProducers.allSatisfy(\.isAtRest) },
      orElse: "after the faults, not every transaction is ended by its producer")
    let client = SimulatedClient("stable offsets", self)
    advance(seconds: 10, until: { client.connect() }, orElse: "nobody can connect")
    var isStable = false
    var isAsking = false
    advance(
      seconds: Self.hangingSeconds,
      until: {
        if isStable || isAsking { return isStable }
        isAsking = true
        self.askStability(client) { found in
          isStable = found
          self.after(microseconds: 100_000) { isAsking = false }
        }
        return false
      }, orElse: "after the faults, a transaction hangs: a last stable offset stays below its high watermark")
    client.leave()
  }

  /// Several times the longest transaction timeout, and the interval at which the coordinator looks.
  private static let hangingSeconds = 30

  /// Asks whether every partition's last stable offset is its high watermark.
  private func askStability(_ client: SimulatedClient, _ then: @escaping (Bool) -> Void) {
    var ends: [Int8: [Offset]] = [:]
    for isolation in [Int8(0), 1] {
      var request = ListOffsetsRequest.of(ledgers.keys.sorted(), at: -1)
      request.isolationLevel = isolation
      client.ask(request, version: 5) { result in
        guard case .success(let answer) = result else { return self.violation("ListOffsets is not answered") }
        ends[isolation] = answer.topics.flatMap { $0.partitions.map(\.offset) }
        if isolation == 1 { then(ends[0] == ends[1]) }
      }
    }
  }

  /// Checks the offsets that transactions have committed.
  func checkTransactionalOffsets() {
    guard violations.isEmpty, !transactionalProducers.isEmpty else { return }
    let client = SimulatedClient("transactional offsets", self)
    advance(seconds: 10, until: { client.connect() }, orElse: "nobody can connect")
    for producer in transactionalProducers {
      guard let partition = producer.settings.offsetsOf else { continue }
      let (group, number) = (producer.settings.group, producer.settings.number)
      let floor = transactions.committedOffset(of: number)
      for (_, offset) in fetchOffsets(of: group, [partition], mayBeMissing: floor == nil, client) {
        transactions.fetchedOffset(offset, of: number, floor: floor)
      }
    }
    client.leave()
  }
}
