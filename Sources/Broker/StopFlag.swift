import Synchronization

/// Says that work which has not begun is wanted no more: its broker stops, or its client has gone. Never cleared.
final class StopFlag: Sendable {
  private let raised = Atomic(false)

  var isRaised: Bool { raised.load(ordering: .acquiring) }

  func raise() { raised.store(true, ordering: .releasing) }
}
