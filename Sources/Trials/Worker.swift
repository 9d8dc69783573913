import Foundation
import Synchronization

/// Threads of a trial that run until it is over.
final class Workers {
  private let isOver = StopSign()
  private var finished: [DispatchSemaphore] = []

  /// Starts a thread; `body` returns soon after `isOver` is set.
  func start(_ body: @escaping @Sendable (_ isOver: StopSign) -> Void) {
    let done = DispatchSemaphore(value: 0)
    let isOver = isOver
    let thread = Thread {
      body(isOver)
      done.signal()
    }
    thread.start()
    finished.append(done)
  }

  /// Returns when all threads have ended.
  func stop() {
    isOver.raise()
    for done in finished { done.wait() }
    finished = []
  }
}

final class StopSign: Sendable {
  private let raised = Atomic(false)
  var isRaised: Bool { raised.load(ordering: .relaxed) }
  func raise() { raised.store(true, ordering: .relaxed) }
}
