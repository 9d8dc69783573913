import ClientSupport
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Client

extension FakeBroker {
  /// Starts a broker whose errors fail the test.
  static func start(on group: any EventLoopGroup, answer: @escaping Answer) async throws -> FakeBroker {
    try await start(on: group, failed: { Issue.record("the fake broker cannot serve: \($0)") }, answer: answer)
  }
}

enum TestClock {
  @Sendable static func nowNs() -> UInt64 { NIODeadline.now().uptimeNanoseconds }

  /// Patient: with all tests at once on two cores a thread has been seen to wait for ten seconds.
  static func options(requestTimeoutMs: Int = 60_000) -> ConnectionOptions {
    var options = ConnectionOptions(now: nowNs)
    options.requestTimeoutMs = requestTimeoutMs
    options.connectTimeoutMs = 60_000
    return options
  }
}

/// Something callbacks on an event loop collect and a test awaits.
final class Collected<Element: Sendable>: Sendable {
  private struct State {
    var elements: [Element] = []
    var wanted = Int.max
    var waiter: CheckedContinuation<[Element], Never>?
  }
  private let state = Mutex(State())

  func add(_ element: Element) {
    let ready = state.withLock { state -> (CheckedContinuation<[Element], Never>, [Element])? in
      state.elements.append(element)
      guard state.elements.count >= state.wanted, let waiter = state.waiter else { return nil }
      state.waiter = nil
      return (waiter, state.elements)
    }
    if let (waiter, elements) = ready { waiter.resume(returning: elements) }
  }

  /// The elements, once there are `count` of them.
  func first(_ count: Int) async -> [Element] {
    await withCheckedContinuation { continuation in
      let ready = state.withLock { state -> [Element]? in
        guard state.elements.count < count else { return state.elements }
        state.wanted = count
        state.waiter = continuation
        return nil
      }
      if let ready { continuation.resume(returning: ready) }
    }
  }

  var all: [Element] { state.withLock { $0.elements } }
}
