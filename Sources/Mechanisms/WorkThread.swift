import Glibc

/// A thread that runs a body once, so that its CPU is counted apart from the caller's. Exactly one `join`.
final class WorkThread: Sendable {
  private let thread: pthread_t

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  init(_ body: @escaping @Sendable () -> Void) throws(MechanismError) {
    let argument = Unmanaged.passRetained(Body(body))
    var started = pthread_t()
    let code = pthread_create(
      &started, nil,
      { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, argument.toOpaque())
    if code != 0 {
      argument.release()
      throw .call("pthread_create", errno: code)
    }
    thread = started
  }

  func join() { pthread_join(thread, nil) }
}
