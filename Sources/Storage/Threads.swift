import Glibc
import Synchronization

/// A few threads for as long as a start takes: opening logs waits for the disk and computes CRCs.
package enum Threads {
  /// Calls `body` with every number below `count`, on up to `threads` threads at once; returns when all calls have.
  package static func run(count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
    guard threads > 1, count > 1 else {
      for index in 0..<count { body(index) }
      return
    }
    let work = Work(count: count, body: body)
    var started: [pthread_t] = []
    for _ in 0..<min(threads, count) - 1 {
      var thread = pthread_t()
      let argument = Unmanaged.passRetained(work)
      let code = pthread_create(&thread, nil, { Threads.enter($0) }, argument.toOpaque())
      guard code == 0 else {
        argument.release()
        break
      }
      started.append(thread)
    }
    work.run()
    for thread in started { pthread_join(thread, nil) }
  }

  private static func enter(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().run()
    return nil
  }

  private final class Work: Sendable {
    private let next = Atomic<Int>(0)
    private let count: Int
    private let body: @Sendable (Int) -> Void

    init(count: Int, body: @escaping @Sendable (Int) -> Void) {
      self.count = count
      self.body = body
    }

    func run() {
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        body(index)
      }
    }
  }
}
