import Synchronization
import Testing

@testable import Broker

@Suite struct HookTests {
  @Test("A function that was looked up a million times is called as directly as at first")
  func looksUpWithoutWrapping() {
    let sum = Mutex(0)
    let hook = Hook<@Sendable (Int, String) -> Void>({ _, _ in })
    hook.set { number, _ in sum.withLock { $0 += number } }
    // Wrapped anew by each, the last call would need a stack of two million frames.
    for _ in 0..<1_000_000 { _ = hook.call }
    hook.call(7, "")
    #expect(sum.withLock { $0 } == 7)
  }
}
