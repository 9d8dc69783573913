import NIOPosix
import Storage

/// Threads of this process: some for each lane, so that no kind of work waits for another.
package final class RealOffload: Offload {
  /// The thread pools of the lanes, by the lane's raw value.
  private let pools: [NIOThreadPool]

  /// Starts the threads. `stop` ends them.
  ///
  /// - Parameter cleanerThreads: those of the cleaning lane.
  package init(cleanerThreads: Int = OffloadLane.clean.threads) {
    pools = OffloadLane.allCases.map { lane in
      NIOThreadPool(numberOfThreads: lane == .clean ? max(1, cleanerThreads) : lane.threads)
    }
    for pool in pools { pool.start() }
  }

  package func submit(_ lane: OffloadLane, _ work: @escaping @Sendable () -> Void) {
    // A pool that stops runs its last jobs as cancelled; they are done all the same.
    pools[lane.rawValue].submit { _ in work() }
  }

  package func parallel(_ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
    Threads.run(count: count, threads: threads, body)
  }

  /// Returns when all work has ended and the threads are gone.
  package func stop() {
    for pool in pools { try? pool.syncShutdownGracefully() }
  }
}
