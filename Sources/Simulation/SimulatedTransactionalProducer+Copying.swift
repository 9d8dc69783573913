import Base
import Model
import NIOCore
import Wire

/// Copying a partition exactly once.
extension SimulatedTransactionalProducer {
  /// Whether a producer that is stopping has nothing left to do.
  var isAllCopied: Bool {
    guard let copies = settings.copies else { return true }
    return copies.isSecond || position ?? 0 >= simulation.ledger(copies.source).acknowledgedEnd
  }

  func isCommit(_ transaction: Transaction) -> Bool {
    if case .end(.commit)? = transaction.steps.last { true } else { false }
  }

  /// Begins again: after a while, where another process has the same transactional id.
  func restart() {
    guard let copies = settings.copies else { return soon { [self] in initialize() } }
    if isStopping, copies.isSecond {
      isAtRest = true
      return
    }
    session.later(milliseconds: 20 + random.below(isStopping ? 100 : 3_000)) { [self] in initialize() }
  }

  /// Reads the next records of the source, from where the group's offset is, and begins a transaction with them.
  func readSource() {
    guard let copies = settings.copies else { return }
    guard let position else { return askPosition(copies.source) }
    var request = FetchRequest()
    request.maxWaitMs = 100
    request.minBytes = 1
    request.maxBytes = 1 << 20
    request.want(copies.source, from: position, maxBytes: Int32(random.pick([1, 2_000, 20_000])))
    session.ask(request, version: 11) { [self] result in
      guard case .success(let answer) = result, let found = answer.responses.first?.partitions.first,
        found.errorCode == .none, let bytes = found.records.bytes, bytes.readableBytes > 0
      else { return soon { [self] in begin() } }
      let next = simulation.ledger(copies.source).read(bytes, from: position)
      if next > position { begin(copying: position..<next) } else { soon { [self] in begin() } }
    }
  }

  private func askPosition(_ source: TopicPartition) {
    let floor = ledger.copiedEnd(for: settings.group)
    session.ask(OffsetFetchRequest.of([source], group: settings.group), version: 7) { [self] result in
      guard case .success(let answer) = result, answer.errorCode == .none, let found = answer.offsets.first,
        found.error == .none
      else {
        client.coordinatorIsLost()
        return soon { [self] in begin() }
      }
      if max(0, found.offset) < floor {
        simulation.violation(
          "\(client.name): \(source) was copied up to \(floor), and the offset committed for that is \(found.offset)")
      }
      position = max(0, found.offset)
      begin()
    }
  }
}
